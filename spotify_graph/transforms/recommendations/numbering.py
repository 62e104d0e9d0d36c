"""Numbers for users and tracks: the models work with arrays, and arrays with positions."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spotify_graph.transforms.names import SEVERAL
from spotify_graph.transforms.recommendations.arrays import Floats, Ints


@dataclass(frozen=True)
class Groups:
    """Which groups the tracks are in: arrays with one element for each track and group of its, in the tracks' order.

    Attributes:
        track: the track's number; each track is in one group at least.
        group: the group's number.
        share: how much of the track is in the group: all of it, or an equal part of it in each of several.
    """

    track: Ints
    group: Ints
    share: Floats

    @classmethod
    def one_each(cls, group: Ints) -> "Groups":
        """Where each track is in one group."""
        tracks = len(group)
        return cls(np.arange(tracks, dtype=np.int32), group, np.ones(tracks, dtype=np.float32))


@dataclass(frozen=True)
class Catalogue:
    """Every track that the catalogue or an event names, one element for each in every array.

    Attributes:
        ids: the track ids, in ascending order; a track's number is its position here.
        genre: the number of the track's genre, or of its several genres together; tracks without one share a number of
            their own, the last.
        artist: the number of the track's artist, likewise.
        genres: the tracks' genres, one by one; those without one are a group of their own.
    """

    ids: npt.NDArray[np.object_]
    genre: Ints
    artist: Ints
    genres: Groups

    def __len__(self) -> int:
        """How many tracks there are."""
        return len(self.ids)


def catalogue(cleaned_tracks: pa.Table, named: pa.Array) -> Catalogue:
    """The tracks of the catalogue and of the events.

    Args:
        cleaned_tracks: track_id, genre (several with SEVERAL between them) and artist, one row for each track.
        named: the ids of the tracks that events name.
    """
    known = cleaned_tracks["track_id"].combine_chunks()
    ids = pc.unique(pa.concat_arrays([known, named]))
    ids = ids.take(pc.sort_indices(ids))
    rows = pc.index_in(ids, value_set=known)
    genres = cleaned_tracks["genre"].take(rows).to_numpy(zero_copy_only=False)
    artists = cleaned_tracks["artist"].take(rows).to_numpy(zero_copy_only=False)
    return Catalogue(
        ids=ids.to_numpy(zero_copy_only=False), genre=_codes(genres), artist=_codes(artists), genres=_groups(genres)
    )


def numbers(of: pa.Array | pa.ChunkedArray, ids: pa.Array) -> Ints:
    """Each value's position among ids; all are there."""
    found = pc.index_in(of, value_set=ids)
    whole = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    return np.asarray(whole.to_numpy(zero_copy_only=False), dtype=np.int32)


def _codes(names: npt.NDArray[np.object_]) -> Ints:
    distinct = sorted({name for name in names if name is not None})
    number = {name: i for i, name in enumerate(distinct)}
    return np.array([number.get(name, len(distinct)) for name in names], dtype=np.int32)


def _groups(names: npt.NDArray[np.object_]) -> Groups:
    each = [[None] if name is None else name.split(SEVERAL) for name in names]
    sizes = np.array([len(of_track) for of_track in each], dtype=np.int32)
    return Groups(
        track=np.repeat(np.arange(len(each), dtype=np.int32), sizes),
        group=_codes(np.array([name for of_track in each for name in of_track], dtype=object)),
        share=np.repeat(1 / sizes, sizes).astype(np.float32),
    )
