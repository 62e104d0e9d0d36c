"""Logs as real listeners leave them, with the ranking that nobody can beat but by luck.

Tracks belong to scenes, in which a few are heard by most. Each listener is at home in a few scenes, with shares of
their own, and keeps a library of tracks: drawn from what the scenes play, each once. What they then do with it is the
kind of log. A fifth of the library of each listener with a few tracks or more is held out: no event of the log is of
it. Who knows the shares and the scenes ranks by the true probability that a track is the next one in a library.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Values = npt.NDArray[np.float64]

DAYS = 180
_START = datetime(2026, 1, 1, tzinfo=UTC)
_HELD_OUT, _FEW = 0.2, 5


@dataclass(frozen=True)
class Kind:
    """What sets a kind of log apart from others.

    Attributes:
        users: how many listeners there are.
        tracks: how many tracks.
        scenes: how many scenes.
        at_home: how many scenes a listener has.
        anywhere: the share of a library that is of no scene, but of what is popular with everybody.
        library: how many tracks of a listener's there are, in the middle.
        spread: how much libraries differ: the deviation of the logarithm.
        tail: how steeply a scene's popularity falls: the exponent of Zipf's law.
        one_event: the share of listeners with a single event.
        plays: how often a track of a library is played, in the mean; at least once.
        first_days: within how many of the first days listeners meet their tracks.
        burst_days: within how many days all plays of a track are; None spreads them over the rest of the log.
        drift: whether listeners move to other scenes at half time; what is held out is of the later ones.
        likes: whether tracks are liked, once, and not played.
        genres: whether the catalogue says the scene as a genre.
    """

    users: int = 400
    tracks: int = 1_200
    scenes: int = 16
    at_home: int = 3
    anywhere: float = 0.1
    library: int = 50
    spread: float = 0.5
    tail: float = 0.8
    one_event: float = 0.0
    plays: float = 3.0
    first_days: int = 30
    burst_days: int | None = None
    drift: bool = False
    likes: bool = False
    genres: bool = False


RETURNING = Kind()
KINDS: Mapping[str, Kind] = {
    "returning listeners": RETURNING,
    "heavy tails": replace(RETURNING, tail=1.1, spread=1.0),
    "likes alone": replace(RETURNING, likes=True, plays=1),
    "many one-event users": replace(RETURNING, users=800, one_event=0.5),
    "bursts": replace(RETURNING, burst_days=5, first_days=DAYS),
    "drift": replace(RETURNING, drift=True, first_days=DAYS, library=100, plays=6),
    "genres": replace(RETURNING, genres=True, library=20, plays=6),
}


@dataclass(frozen=True)
class RealLikeLog:
    """A log and its truth.

    Attributes:
        events: as `cleaning.clean_events` gives them, without what is held out.
        tracks: as `cleaning.clean_tracks` gives them.
        held_out: of each user id the ids of the tracks that are held out.
        probability: of a user id, the true probability of each track, by track id.
    """

    events: pa.Table
    tracks: pa.Table
    held_out: Mapping[str, frozenset[str]]
    probability: Callable[[str], Mapping[str, float]]


def generate(kind: Kind, seed: int) -> RealLikeLog:
    """Draws a log of a kind."""
    draw = np.random.default_rng(seed)
    scene = draw.integers(kind.scenes, size=kind.tracks)
    popular = draw.permutation(np.arange(1, kind.tracks + 1) ** -kind.tail)
    chance = np.zeros((kind.scenes, kind.tracks))
    chance[scene, np.arange(kind.tracks)] = popular
    chance /= np.maximum(chance.sum(axis=1, keepdims=True), 1e-12)
    chance = (1 - kind.anywhere) * chance + kind.anywhere * popular / popular.sum()
    homes = [_homes(draw, kind) for _ in range(1 + kind.drift)]
    true = homes[-1] @ chance
    single = draw.random(kind.users) < kind.one_event
    sizes = np.maximum(1, np.round(kind.library * np.exp(kind.spread * draw.standard_normal(kind.users)))).astype(int)
    sizes = np.minimum(np.where(single, 1, sizes), kind.tracks // 4)
    rows, held_out = [], {}
    for user, size in enumerate(sizes.tolist()):
        library, late = _library(draw, [home[user] @ chance for home in homes], size)
        candidates = np.flatnonzero(late) if kind.drift else np.arange(size)
        held = draw.permutation(candidates)[: int(len(candidates) * _HELD_OUT)] if size >= _FEW else candidates[:0]
        if len(held):
            held_out[_user(user)] = frozenset(map(_track, library[held].tolist()))
        kept = np.setdiff1d(np.arange(size), held)
        rows.append(_events(draw, kind, user, library[kept], late[kept], single=bool(single[user])))
    whose, which, when = (np.concatenate(column) for column in zip(*rows, strict=True))
    return RealLikeLog(
        events=_table(whose, which, when, "like" if kind.likes else "play"),
        tracks=pa.table(
            {
                "track_id": [_track(number) for number in range(kind.tracks)],
                "artist": pa.array([f"a{of}-{draw.integers(8)}" for of in scene], pa.string()),
                "genre": pa.array([f"g{of}" if kind.genres else None for of in scene], pa.string()),
            }
        ),
        held_out=held_out,
        probability=lambda user_id: {_track(i): float(p) for i, p in enumerate(true[int(user_id[1:])])},
    )


def _homes(draw: np.random.Generator, kind: Kind) -> Values:
    """Each listener's shares of the scenes, shape (users, scenes)."""
    shares = np.zeros((kind.users, kind.scenes))
    for user in range(kind.users):
        shares[user, draw.choice(kind.scenes, kind.at_home, replace=False)] = draw.dirichlet(np.ones(kind.at_home) * 2)
    return shares


def _library(draw: np.random.Generator, chances: list[Values], size: int) -> tuple[npt.NDArray[np.int64], Values]:
    """A listener's tracks, each once, and which of them are of their later scenes."""
    halves = [size // 2, size - size // 2] if len(chances) > 1 else [size]
    found: list[int] = []
    late: list[bool] = []
    for half, (of, chance) in zip(halves, enumerate(chances), strict=True):
        free = chance.copy()
        free[found] = 0
        count = min(half, int((free > 0).sum()))
        found += draw.choice(len(free), count, replace=False, p=free / free.sum()).tolist()
        late += [of == len(chances) - 1] * count
    while len(found) < size:  # a small scene is exhausted: anything else
        other = int(draw.integers(len(chances[0])))
        if other not in found:
            found.append(other)
            late.append(False)
    return np.array(found), np.array(late)


def _events(
    draw: np.random.Generator,
    kind: Kind,
    user: int,
    tracks: npt.NDArray[np.int64],
    late: Values,
    *,
    single: bool,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Values]:
    """Whose events, with which tracks, and when, in seconds from the start."""
    counts = np.ones(len(tracks), dtype=int) if single else 1 + draw.poisson(kind.plays - 1, len(tracks))
    first = draw.random(len(tracks)) * kind.first_days
    last = np.full(len(tracks), float(DAYS))
    if kind.drift:
        first = draw.random(len(tracks)) * DAYS / 2 + np.where(late, DAYS / 2, 0)
        last = np.where(late, DAYS, DAYS / 2)
    if kind.burst_days:
        last = np.minimum(DAYS, first + kind.burst_days)
    track = np.repeat(np.arange(len(tracks)), counts)
    again = first[track] + draw.random(len(track)) * (last - first)[track]
    days = np.where(np.append(True, np.diff(track) != 0)[: len(track)], first[track], again)
    return np.full(len(track), user), tracks[track], days * 86_400


def _table(user: npt.NDArray[np.int64], track: npt.NDArray[np.int64], seconds: Values, event_type: str) -> pa.Table:
    order = np.argsort(seconds, kind="stable")
    micros = (seconds[order] * 1e6).astype(np.int64) + int(_START.timestamp() * 1e6)
    count = len(order)
    return pa.table(
        {
            "user_id": pa.array([_user(number) for number in user[order].tolist()], pa.string()),
            "track_id": pa.array([_track(number) for number in track[order].tolist()], pa.string()),
            "event_type": pa.array([event_type] * count, pa.string()),
            "event_ts": pa.array(micros, pa.timestamp("us", "UTC")),
            "session_id": pa.nulls(count, pa.string()),
            "device": pa.nulls(count, pa.string()),
        }
    )


def _user(number: int) -> str:
    return f"u{number:06}"


def _track(number: int) -> str:
    return f"t{number:06}"
