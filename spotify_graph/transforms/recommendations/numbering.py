"""Numbers for users and tracks: the models work with arrays, and arrays with positions."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spotify_graph.transforms.names import SEVERAL

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


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


def catalogue(cleaned_tracks: DataFrame, cleaned_events: DataFrame) -> Catalogue:
    """The tracks of the catalogue and of the events.

    Args:
        cleaned_tracks: track_id, genre (several with SEVERAL between them) and artist, one row for each track.
        cleaned_events: track_id.
    """
    named = cleaned_events.select("track_id").distinct()
    known = cleaned_tracks.select("track_id", "genre", "artist")
    tracks = known.join(named, "track_id", "full").orderBy("track_id").toPandas()
    genres = tracks["genre"].to_numpy(object)
    return Catalogue(
        ids=tracks["track_id"].to_numpy(object),
        genre=_codes(genres),
        artist=_codes(tracks["artist"].to_numpy(object)),
        genres=_groups(genres),
    )


def numbered_tracks(tracks: Catalogue, like: DataFrame) -> DataFrame:
    """track_id and track, its number, in the session of another DataFrame."""
    numbers = enumerate(tracks.ids.tolist())
    return like.sparkSession.createDataFrame([(id_, i) for i, id_ in numbers], "track_id string, track int")


def numbered_users(cleaned_events: DataFrame) -> DataFrame:
    """user_id and user, its number: its place in the ascending order of the ids of all users with events."""
    users = cleaned_events.select("user_id").distinct()
    return users.select("user_id", (F.row_number().over(Window.orderBy("user_id")) - 1).alias("user"))


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
