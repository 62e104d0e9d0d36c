"""What is answered: lines with their reasons, as data and in words."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Seed:
    """A track that the user likes or plays, and that is similar to the recommended one.

    Attributes:
        track_id: its id.
        title: its title, or None.
        liked: whether the user liked it; else they play it.
        listeners: how many users listen to both tracks.
    """

    track_id: str
    title: str | None
    liked: bool
    listeners: int


@dataclass(frozen=True)
class Evidence:
    """What the graph has to say for a recommended track.

    Attributes:
        popular: whether it is there for its popularity alone, and not because the model recommends it.
        listeners: its listeners around the time of the newest event that the model was trained on; one who last played
            it n months of 30 days before counts 2^-n. None where nobody plays it.
        seeds: up to two similar tracks that the user likes or plays; here and below, of the 50 strongest such tracks.
        same_artist: the track by the same artist that the user likes or plays most, or None.
        same_artist_title: that track's title, or None.
        peers: how many of the 20 users whose taste is most similar liked it.
        genre_listened: whether the user likes or plays tracks of its genre, or of one of them.
        plays: for a track that is there to hear again, how often the user has played it.
        last: when the user played or liked it last, likewise; else None.
        liked: whether the user liked it, likewise.
    """

    popular: bool
    listeners: float | None
    seeds: tuple[Seed, ...]
    same_artist: str | None
    same_artist_title: str | None
    peers: int
    genre_listened: bool
    plays: int = 0
    last: datetime | None = None
    liked: bool = False


@dataclass(frozen=True)
class Recommendation:
    """A track that is recommended to a user.

    Attributes:
        rank: its place in the answer, from 1.
        track_id: its id.
        title: its title, or None.
        artist: its artist, or None.
        genre: its genre, or its genres with commas between them, or None.
        score: the model's score, comparable within the user's; None for a track that is there for its popularity.
        because: why, in words.
        evidence: why, as data.
    """

    rank: int
    track_id: str
    title: str | None
    artist: str | None
    genre: str | None
    score: float | None
    because: str
    evidence: Evidence


@dataclass(frozen=True)
class Recommendations:
    """The answer to a request for recommendations.

    Attributes:
        user_id: for whom.
        known: whether the graph has that user.
        model: the active version of the model, or None where none is and candidates were given.
        until: the time of the newest event that it was trained on, or None likewise.
        note: what to know of the answer as a whole, or None: that it is not the model's.
        tracks: the tracks, best first.
    """

    user_id: str
    known: bool
    model: str | None
    until: datetime | None
    note: str | None
    tracks: tuple[Recommendation, ...]


@dataclass(frozen=True)
class PopularTrack:
    """A track that many listen to.

    Attributes:
        rank: its place in the answer, from 1.
        track_id: its id.
        title: its title, or None.
        artist: its artist, or None.
        genre: its genre, or its genres with commas between them, or None.
        because: why, in words.
        listeners: its listeners, as `Evidence` counts them; None where no model says around which time.
    """

    rank: int
    track_id: str
    title: str | None
    artist: str | None
    genre: str | None
    because: str
    listeners: float | None


@dataclass(frozen=True)
class PopularTracks:
    """The answer to a request for popular tracks.

    Attributes:
        model: the active version of the model, or None.
        until: the time of the newest event that it was trained on, around which listeners are counted, or None.
        note: what to know of the answer as a whole, or None: that there is nothing in it.
        tracks: the tracks, best first.
    """

    model: str | None
    until: datetime | None
    note: str | None
    tracks: tuple[PopularTrack, ...]


@dataclass(frozen=True)
class SharedTrack:
    """A track that two users listen to.

    Attributes:
        track_id: its id.
        title: its title, or None.
    """

    track_id: str
    title: str | None


@dataclass(frozen=True)
class SimilarUser:
    """A user whose taste is like another's.

    Attributes:
        rank: their place in the answer, from 1.
        user_id: their id.
        score: the model's score, comparable within the other user's.
        because: why, in words.
        shared: how many they like or play of the 50 tracks that the other user likes and plays most.
        tracks: up to two of those.
    """

    rank: int
    user_id: str
    score: float
    because: str
    shared: int
    tracks: tuple[SharedTrack, ...]


@dataclass(frozen=True)
class SimilarUsers:
    """The answer to a request for similar users.

    Attributes:
        user_id: whom they are similar to.
        model: the active version of the model.
        until: the time of the newest event that it was trained on.
        note: what to know of the answer as a whole, or None: that there is nobody in it.
        users: the users, the most similar one first.
    """

    user_id: str
    model: str
    until: datetime
    note: str | None
    users: tuple[SimilarUser, ...]


@dataclass(frozen=True)
class SimilarTrack:
    """A track that is similar to another.

    Attributes:
        rank: its place in the answer, from 1.
        track_id: its id.
        title: its title, or None.
        artist: its artist, or None.
        genre: its genre, or its genres with commas between them, or None.
        score: the model's score, comparable within the other track's.
        because: why, in words.
        listeners: how many users listen to both.
        same_artist: whether both are by the same artist.
        same_genre: whether there is a genre that both are in.
    """

    rank: int
    track_id: str
    title: str | None
    artist: str | None
    genre: str | None
    score: float
    because: str
    listeners: int
    same_artist: bool
    same_genre: bool


@dataclass(frozen=True)
class SimilarTracks:
    """The answer to a request for similar tracks.

    Attributes:
        track_id: what they are similar to.
        title: its title, or None.
        model: the active version of the model.
        until: the time of the newest event that it was trained on.
        note: what to know of the answer as a whole, or None: that there is nothing in it.
        tracks: the tracks, best first.
    """

    track_id: str
    title: str | None
    model: str
    until: datetime
    note: str | None
    tracks: tuple[SimilarTrack, ...]
