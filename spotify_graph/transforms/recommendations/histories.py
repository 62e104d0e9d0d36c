"""What a block of users thinks of the tracks that they met, and the strongest part of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from spotify_graph.transforms.recommendations.arrays import Floats, Ints, Places


@dataclass(frozen=True)
class Histories:
    """Each user's tracks, one user's after the other's, a user's own in falling order of profile.

    Attributes:
        users: shape (users,): their numbers, ascending.
        starts: shape (users + 1,): where each user's tracks start; the last one is how many there are in all.
        tracks: shape (pairs,): the tracks that each user had any event on.
        profile: likewise: the confidence in it, as the user's taste is remembered.
        cooccurrence: likewise, as it is remembered which tracks go together.
        last_play: likewise: the day of the last play; NEVER where there is none.
    """

    users: Ints
    starts: Places
    tracks: Ints
    profile: Floats
    cooccurrence: Floats
    last_play: Ints

    def __len__(self) -> int:
        """How many users there are."""
        return len(self.users)

    @property
    def rows(self) -> Places:
        """Whose track each is: the position among the users, shape (pairs,)."""
        return np.repeat(np.arange(len(self.users)), np.diff(self.starts))

    @classmethod
    def of_pairs(cls, user: Ints, tracks: Ints, profile: Floats, cooccurrence: Floats, last_play: Ints) -> "Histories":
        """Histories of users and tracks in any order, each pair once."""
        order = np.lexsort((tracks, -profile, user))
        users, starts = np.unique(user[order], return_index=True)
        return cls(
            users.astype(np.int32),
            np.append(starts, len(user)),
            tracks[order],
            profile[order],
            cooccurrence[order],
            last_play[order],
        )

    def select(self, users: Ints) -> "Histories":
        """The histories of some users, ascending numbers; a user who is not here has an empty one."""
        place = np.searchsorted(self.users, users)
        here = np.append(self.users, -1)[place] == users
        bounds = np.append(self.starts, self.starts[-1])  # nobody's, past the last user
        first, lengths = bounds[place], np.where(here, np.diff(bounds)[place], 0)
        starts = np.append(0, np.cumsum(lengths))
        pairs = np.arange(starts[-1]) + np.repeat(first - starts[:-1], lengths)
        return Histories(
            users.astype(np.int32),
            starts,
            self.tracks[pairs],
            self.profile[pairs],
            self.cooccurrence[pairs],
            self.last_play[pairs],
        )

    def table(self) -> pa.Table:
        """As rows: user, track, profile, cooccurrence, last_play."""
        return pa.table(
            {
                "user": self.users[self.rows],
                "track": self.tracks,
                "profile": self.profile,
                "cooccurrence": self.cooccurrence,
                "last_play": self.last_play,
            }
        )

    @classmethod
    def of_table(cls, rows: pa.Table) -> "Histories":
        """From rows as `table` gives them."""
        user, *others = (rows[name].combine_chunks().to_numpy() for name in rows.column_names)
        users, starts = np.unique(user, return_index=True)
        return cls(users, np.append(starts, len(user)), *others)


NEVER = -1
"""No day that an event can have."""


@dataclass(frozen=True)
class Capped:
    """The strongest tracks of some users, in rows of one length: 8 bytes for each user and track.

    Attributes:
        tracks: shape (users, cap): the tracks' numbers; the number of tracks where a history is shorter.
        weights: shape (users, cap): the confidences, all above 0; 0 where a history is shorter.
    """

    tracks: Ints
    weights: Floats

    @classmethod
    def empty(cls, users: int, tracks: int, size: int = 0) -> "Capped":
        """Histories without a track."""
        return cls(np.full((users, size), tracks, dtype=np.int32), np.zeros((users, size), dtype=np.float32))

    def __getitem__(self, users: Ints | slice) -> "Capped":
        """Of some of the users, by their positions."""
        return Capped(self.tracks[users], self.weights[users])


def cap(histories: Histories, tracks: int, size: int, weights: Floats) -> Capped:
    """Takes the tracks with most confidence of each user, and only those with a confidence above 0.

    Args:
        histories: the users', one row each.
        tracks: how many tracks there are.
        size: how many tracks of a user to take.
        weights: which confidence: the histories' profile or cooccurrence.
    """
    found, rows = Capped.empty(len(histories), tracks, size), histories.rows
    liked = np.flatnonzero(weights > 0)
    liked = liked[np.lexsort((histories.tracks[liked], -weights[liked], rows[liked]))]
    row = rows[liked]
    place = np.arange(len(liked)) - np.searchsorted(row, row)
    strongest = place < size
    found.tracks[row[strongest], place[strongest]] = histories.tracks[liked[strongest]]
    found.weights[row[strongest], place[strongest]] = weights[liked[strongest]]
    return found


def together(capped: Sequence[tuple[Ints, Capped]], users: int, tracks: int, size: int) -> Capped:
    """The capped histories of all users, from those of some and some."""
    found = Capped.empty(users, tracks, size)
    for numbers, some in capped:
        found.tracks[numbers] = some.tracks
        found.weights[numbers] = some.weights
    return found
