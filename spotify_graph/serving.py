"""Recommendations served from the graph, each with the reason that a path in the graph gives.

The active model is the one that the registry names: relationships of its version in `(:_Model)`, and no others.
A request is one query, `queries/recommend.cypher`, `similar.cypher` or `similar_users.cypher`. Each answer is of one
version, whole: where another one became active meanwhile, the query is asked again.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar
from uuid import uuid4
from weakref import WeakKeyDictionary

from neo4j import Driver, ManagedTransaction, Session
from neo4j.exceptions import DriverError, Neo4jError

from spotify_graph import queries
from spotify_graph.errors import UsageError, UserError
from spotify_graph.graph_model import (
    ARTIST,
    GENRE,
    POPULARITY_HALF_LIFE_DAYS,
    POPULARITY_SINCE,
    RECOMMENDER,
    TRACK,
    USER,
)
from spotify_graph.neo4j_io.vocabulary import NodeType

T = TypeVar("T")

COLUMNS = ("rank", "track_id", "title", "artist", "genre", "score", "because")
"""The attributes of a line that a table shows."""

MOST = 100
"""The most tracks that a request may ask for: a model keeps no more of a user."""


class NotReadyError(UserError):
    """The graph has nothing to answer from: it is empty, or no model is published."""


class NoModelError(NotReadyError):
    """No version of the model is active."""


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


def recommend(
    driver: Driver,
    database: str,
    user_id: str,
    *,
    k: int = 10,
    genre: str | None = None,
    artist: str | None = None,
    heard: bool = False,
    disliked: bool = False,
    per_artist: int | None = None,
    candidates: Sequence[tuple[str, float]] | None = None,
    as_of: datetime | None = None,
) -> Recommendations:
    """Recommends tracks to a user.

    The model's tracks come first, in its order. Where they are fewer than k, because of what was asked for, or because
    the model knows nothing of the user, popular tracks follow that fit the same conditions; they are looked for among
    the 20 k most popular ones. Then come tracks that nobody has played, by artists whom the user listens to. A user for
    whom nobody else's listening speaks then gets tracks of their own to hear again, and a note that says so.

    Args:
        driver: a connection to the server.
        database: the database to ask.
        user_id: for whom; a user whom the graph lacks gets popular tracks.
        k: how many tracks at most, from 1 to 100.
        genre: the genre that they are in, or None for any; upper and lower case matter only where the graph has both.
        artist: the artist that they are by, or None for any; likewise.
        heard: whether tracks stay in that the user has heard: played, liked, paused or sought.
        disliked: whether tracks stay in that the user skipped more often than played.
        per_artist: how many tracks of an artist at most, where no artist is asked for; None is `per_artist_of(k)`. 1 is
            as diverse as it gets.
        candidates: for the evaluation of a model that is not published, ids and scores of tracks, best first, that
            stand in for what the graph recommends to the user; those that the graph lacks are passed over.
        as_of: for the evaluation likewise, a time: what the user first did at that time or later is left out of
            account, and no popular tracks follow, for popularity knows what came later. The counts are today's.

    Raises:
        UsageError: k or per_artist is out of range.
        NotFoundError: the graph has no such genre or artist.
        NotReadyError: the graph is empty.
        NoModelError: no model is published yet, and no candidates are given.
        ValueError: as_of has no time zone.
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """
    check(k, per_artist)
    per_artist = per_artist_of(k) if per_artist is None else per_artist
    if as_of is not None and as_of.tzinfo is None:
        raise ValueError("as_of has no time zone")
    given: dict[str, Any] = {
        "user_id": user_id,
        "k": k,
        "genre": genre,
        "artist": artist,
        "heard": heard,
        "disliked": disliked,
        "per_artist": per_artist,
        "candidates": None if candidates is None else [list(candidate) for candidate in candidates],
        "as_of": as_of,
    }
    answer = _ask_within(driver, database, given)
    genre, artist = given["genre"], given["artist"]
    lines, alone = list(answer["lines"]), False
    if answer["user_known"] and as_of is None and candidates is None:
        # As of a single listener, who has heard all that anybody plays: of other tracks, the model knows nothing.
        alone = all(line["popularity"] is None for line in lines) and bool(lines or not answer["recommended"])
        if alone:
            lines = sorted(
                (it for it in lines if it["by_same"] or it["genre_listened"]), key=lambda it: not it["by_same"]
            )
        asked = {name: given[name] for name in ("user_id", "k", "genre", "artist", "per_artist")}
        for more in ("recommend_unplayed", "recommend_again") if alone else ("recommend_unplayed",):
            if len(lines) < k:
                lines += _beside(lines, _ask(driver, database, more, asked)["lines"], asked)
    until = answer["until"] and answer["until"].to_native()
    note = None
    if alone and lines:
        note = (
            f"nobody else's listening recommends anything to user {user_id!r}:"
            " these are tracks that nobody has played, by their artists or in their genres, and their own to hear again"
        )
    elif not answer["recommended"]:
        note = (
            f"nothing is recommended to user {user_id!r} yet"
            if answer["user_known"]
            else f"the graph has no user {user_id!r}"
        )
        if lines:
            note += f": these are the most popular tracks{_within(genre, artist)}"
        elif as_of is None:
            note += f", and no track{_within(genre, artist)} that anybody plays is left to serve"
    return Recommendations(
        user_id=user_id,
        known=answer["user_known"],
        model=answer["version"],
        until=until,
        note=note,
        tracks=tuple(_recommendation(rank, line, until, genre, artist) for rank, line in enumerate(lines, start=1)),
    )


def popular(
    driver: Driver,
    database: str,
    *,
    k: int = 10,
    genre: str | None = None,
    artist: str | None = None,
    per_artist: int | None = None,
) -> PopularTracks:
    """Finds the tracks that most people listen to, of late: those that a user whom the graph lacks is recommended.

    Args:
        driver: a connection to the server.
        database: the database to ask.
        k: how many tracks at most, from 1 to 100; they are looked for among the 20 k most popular ones.
        genre: the genre that they are in, or None for any; upper and lower case matter only where the graph has both.
        artist: the artist that they are by, or None for any; likewise.
        per_artist: how many tracks of an artist at most, where no artist is asked for; None is `per_artist_of(k)`.

    Raises:
        UsageError: k or per_artist is out of range.
        NotFoundError: the graph has no such genre or artist.
        NotReadyError: the graph is empty.
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """
    check(k, per_artist)
    per_artist = per_artist_of(k) if per_artist is None else per_artist
    # An id is never empty. With none at all, the server would need another plan for the query.
    given: dict[str, Any] = {"user_id": "", "heard": False, "disliked": False, "candidates": None, "as_of": None}
    given |= {"k": k, "genre": genre, "artist": artist, "per_artist": per_artist}
    answer = _ask_within(driver, database, given, model=False)
    genre, artist = given["genre"], given["artist"]
    until = answer["until"] and answer["until"].to_native()
    tracks = [_recommendation(rank, line, until, genre, artist) for rank, line in enumerate(answer["lines"], start=1)]
    return PopularTracks(
        model=answer["version"],
        until=until,
        note=None if tracks else f"nobody plays any track{_within(genre, artist)}",
        tracks=tuple(
            PopularTrack(
                rank=track.rank,
                track_id=track.track_id,
                title=track.title,
                artist=track.artist,
                genre=track.genre,
                because=track.because,
                listeners=track.evidence.listeners,
            )
            for track in tracks
        ),
    )


def _beside(
    lines: Sequence[Mapping[str, Any]], more: Sequence[Mapping[str, Any]], asked: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """As many of more lines as there is room for: in the answer, and of their artists."""
    ids, of_artist = {line["track_id"] for line in lines}, Counter(line["artist"] for line in lines)
    found = []
    for line in more:
        by = line["artist"]
        full = by is not None and asked["artist"] is None and of_artist[by] >= asked["per_artist"]
        if line["track_id"] not in ids and not full:
            found.append(line)
            of_artist[by] += 1
    return found[: asked["k"] - len(lines)]


def similar(
    driver: Driver, database: str, track_id: str, *, k: int = 10, per_artist: int | None = None
) -> SimilarTracks:
    """Finds the tracks most similar to a track: who listens to the one listens to the other.

    Args:
        driver: a connection to the server.
        database: the database to ask.
        track_id: the track.
        k: how many tracks at most, from 1 to 100.
        per_artist: how many tracks of an artist at most; None is `per_artist_of(k)`.

    Raises:
        UsageError: k or per_artist is out of range.
        NotFoundError: the graph has no such track.
        NotReadyError: the graph is empty.
        NoModelError: no model is published yet.
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """
    check(k, per_artist)
    per_artist = per_artist_of(k) if per_artist is None else per_artist
    answer = _ask_whole(driver, database, "similar", {"track_id": track_id, "k": k, "per_artist": per_artist})
    _require_graph(answer, model=True)
    if not answer["track_known"]:
        _find(driver, database, TRACK, track_id)
    return SimilarTracks(
        track_id=track_id,
        title=answer["title"],
        model=answer["version"],
        until=answer["until"].to_native(),
        note=None if answer["lines"] else f"the model finds no track similar to {track_id!r}: too few listen to it",
        tracks=tuple(_similar_track(rank, **line) for rank, line in enumerate(answer["lines"], start=1)),
    )


def similar_users(driver: Driver, database: str, user_id: str, *, k: int = 10) -> SimilarUsers:
    """Finds the users whose taste is most like a user's, and what they share.

    Args:
        driver: a connection to the server.
        database: the database to ask.
        user_id: the user.
        k: how many users at most, from 1 to 100.

    Raises:
        UsageError: k is out of range.
        NotFoundError: the graph has no such user.
        NotReadyError: the graph is empty.
        NoModelError: no model is published yet.
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """
    check(k)
    answer = _ask_whole(driver, database, "similar_users", {"user_id": user_id, "k": k})
    _require_graph(answer, model=True)
    if not answer["user_known"]:
        _find(driver, database, USER, user_id)
    return SimilarUsers(
        user_id=user_id,
        model=answer["version"],
        until=answer["until"].to_native(),
        note=None if answer["lines"] else f"the model finds nobody whose taste is like that of {user_id!r}",
        users=tuple(
            _similar_user(rank, answer["listened"], **line) for rank, line in enumerate(answer["lines"], start=1)
        ),
    )


def per_artist_of(k: int) -> int:
    """How many tracks of an artist an answer holds at most: two of ten, and a fifth of a long one."""
    return max(2, -(-k // 5))


def check(k: int, per_artist: int | None = None) -> None:
    """Checks the numbers of a request; those who answer it do, and it needs no connection.

    Raises:
        UsageError: one is out of range.
    """
    if not 1 <= k <= MOST:
        raise UsageError(f"k is {k}; it must be a whole number from 1 to {MOST}")
    if per_artist is not None and per_artist < 1:
        raise UsageError(f"per_artist is {per_artist}; it must be a whole number of at least 1")


_texts = cache(queries.serving)
_COMPILED_AFTER = 12
"""The server compiles the expressions of a query that it was asked ten times, which takes up to a second."""
_prefixes: "WeakKeyDictionary[Driver, str]" = WeakKeyDictionary()
"""What stands before the queries over drivers that they are prepared for."""
_NO_MODEL = "no recommendations are published yet: `spotify-graph materialize` makes them"
_IN_FORCE = "OPTIONAL MATCH (model:_Model {name: $name}) RETURN model.version AS version"


def prepare(driver: Driver, database: str) -> None:
    """Has the server plan and compile the queries anew, so that no request over this driver waits for that again.

    That takes seconds, in which requests go by the plans from before. From then on they go by the new ones, however
    much the graph changes: to be repeated when it has.

    Args:
        driver: a connection to the server.
        database: the database to ask.

    Raises:
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """
    asked = {"user_id": "", "track_id": "", "k": 1, "per_artist": 1, "heard": False, "disliked": False}
    asked |= dict.fromkeys(("genre", "artist", "candidates", "as_of"))

    def work(transaction: ManagedTransaction, text: str) -> None:
        transaction.run(text, asked=asked).consume()

    # The server compiles each text for itself, and goes by the newest plan of what is the same but for comments.
    prefix = f"CYPHER replan=skip // {uuid4().hex}\n"
    with queries.session(driver, database) as session:
        for text in _texts().values():
            session.execute_read(work, f"CYPHER replan=force {text}")
            for _ in range(_COMPILED_AFTER):
                session.execute_read(work, prefix + text)
    _prefixes[driver] = prefix


def require_model(driver: Driver, database: str) -> str:
    """The active version of the model.

    Raises:
        NoModelError: none is.
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """
    version = _read(driver, database, _active_version)
    if version is None:
        raise NoModelError(_NO_MODEL)
    return version


def _active_version(asking: Session | ManagedTransaction) -> str | None:
    version: str | None = asking.run(_IN_FORCE, name=RECOMMENDER).single(strict=True)["version"]
    return version


def _ask(driver: Driver, database: str, query: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    text = _text(driver, query)
    return _read(driver, database, lambda asking: _row(asking, text, parameters))


def _ask_whole(driver: Driver, database: str, query: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Asks for what the model says, and again where its version went out of force meanwhile.

    Its relationships are removed from then on, while a query that follows them may still run.
    """

    def work(asking: Session | ManagedTransaction) -> Mapping[str, Any]:
        row = _row(asking, text, parameters)
        while row["version"] != _active_version(asking):
            row = _row(asking, text, parameters)
        return row

    text = _text(driver, query)
    return _read(driver, database, work)


def _read(driver: Driver, database: str, work: Callable[[Session | ManagedTransaction], T]) -> T:
    """Reads in one round trip for each query; where that fails, in a transaction that is retried, which takes more."""
    with queries.session(driver, database) as session:
        try:
            return work(session)
        except (DriverError, Neo4jError) as error:
            if not error.is_retryable():
                raise
        return session.execute_read(work)


def _text(driver: Driver, query: str) -> str:
    return _prefixes.get(driver, "") + _texts()[query]


def _row(asking: Session | ManagedTransaction, text: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(asking.run(text, asked=dict(parameters)).single(strict=True))


def _ask_within(driver: Driver, database: str, given: dict[str, Any], *, model: bool = True) -> Mapping[str, Any]:
    """Asks for tracks of a genre and an artist, and puts the names that are meant in the place of those given."""
    model = model and given["candidates"] is None
    answer = _ask_whole(driver, database, "recommend", given)
    _require_graph(answer, model=model)
    meant = {
        name: _find(driver, database, node, given[name])
        for name, node in (("genre", GENRE), ("artist", ARTIST))
        if given[name] is not None and not answer[f"{name}_known"]
    }
    if meant:
        given |= meant
        answer = _ask_whole(driver, database, "recommend", given)
    return answer


def _find(driver: Driver, database: str, node: NodeType, key: str) -> str:
    with queries.session(driver, database) as session:
        return session.execute_read(queries.find, node, key)


def _require_graph(answer: Mapping[str, Any], *, model: bool) -> None:
    if not answer["tracks"]:
        raise NotReadyError("the graph is empty: `spotify-graph materialize` fills it")
    if model and answer["version"] is None:
        raise NoModelError(_NO_MODEL)


def _recommendation(
    rank: int, line: Mapping[str, Any], until: datetime | None, genre: str | None, artist: str | None
) -> Recommendation:
    evidence = Evidence(
        popular=bool(line["popular"]),
        listeners=_listeners(line["popularity"], until),
        seeds=tuple(Seed(**seed) for seed in line["seeds"]),
        same_artist=line["by_same"],
        same_artist_title=line["by_same_title"],
        peers=line["peers"] or 0,
        genre_listened=bool(line["genre_listened"]),
        plays=line.get("plays", 0),
        last=line["last"].to_native() if line.get("last") else None,
        liked=line.get("liked", False),
    )
    return Recommendation(
        rank=rank,
        track_id=line["track_id"],
        title=line["title"],
        artist=line["artist"],
        genre=_listed(line["genres"]),
        score=line["score"],
        because=_popular(evidence, genre, artist) if evidence.popular else _because(evidence, line["genre_listened"]),
        evidence=evidence,
    )


def _similar_track(rank: int, *, genres: Sequence[str], shared_genres: Sequence[str], **line: Any) -> SimilarTrack:
    reasons = [f"{_count(line['listeners'], 'listener')} of both"]
    if line["same_artist"]:
        reasons.append("same artist")
    if shared_genres:
        reasons.append(f"both in {_listed(shared_genres)}")
    return SimilarTrack(
        rank=rank, genre=_listed(genres), same_genre=bool(shared_genres), because="; ".join(reasons), **line
    )


def _similar_user(rank: int, listened: int, *, tracks: Sequence[Mapping[str, Any]], **line: Any) -> SimilarUser:
    shared = line["shared"]
    because = "the model finds that your tastes are alike"
    if shared:
        named = " and ".join(track["title"] or track["track_id"] for track in tracks)
        because = f"listens to {shared} of the {listened} tracks that you like and play most, such as {named}"
    return SimilarUser(rank=rank, because=because, tracks=tuple(SharedTrack(**track) for track in tracks), **line)


def _listed(genres: Sequence[str]) -> str | None:
    return ", ".join(genres) or None


def _listeners(popularity: float | None, until: datetime | None) -> float | None:
    if popularity is None or until is None:
        return None
    return float(2 ** (popularity - (until - POPULARITY_SINCE) / timedelta(days=POPULARITY_HALF_LIFE_DAYS)))


def _because(evidence: Evidence, genre: str | None) -> str:
    """The two strongest reasons for a track that the model recommends, which is in a genre that the user listens to."""
    if evidence.last is not None:
        heard = f"you played it {_count(evidence.plays, 'time')}" if evidence.plays else "you saved it"
        return (
            f"{heard}{' and liked it' if evidence.liked and evidence.plays else ''}, last on {evidence.last:%Y-%m-%d}"
        )
    reasons = []
    if evidence.seeds:
        reasons.append(_liked_or_played(evidence.seeds))
    if evidence.same_artist is not None:
        reasons.append(f"same artist as {evidence.same_artist_title or evidence.same_artist}")
    if evidence.peers:
        reasons.append(f"liked by {_count(evidence.peers, 'user')} with a taste like yours")
    if reasons:
        return "; ".join(reasons[:2])
    if genre is not None:
        reasons.append(f"in {genre}, which you listen to")
    if recent := _recent(evidence):
        reasons.append(f"{recent} this month")
    return "; ".join(reasons) or "the model expects that you like it"


def _liked_or_played(seeds: Sequence[Seed]) -> str:
    """Such as "because you liked A (41 listeners of both) and play B (17)"."""
    first, *others = seeds
    said = f"because you {_verb(first)} {first.title or first.track_id} ({_count(first.listeners, 'listener')} of both)"
    for other in others:
        verb = "" if other.liked == first.liked else f"{_verb(other)} "
        said += f" and {verb}{other.title or other.track_id} ({other.listeners:,})"
    return said


def _verb(seed: Seed) -> str:
    return "liked" if seed.liked else "play"


def _popular(evidence: Evidence, genre: str | None, artist: str | None) -> str:
    """The reason for a track that is there for its popularity within what was asked for."""
    recent = _recent(evidence)
    among = "" if artist is None else " among the tracks"
    return f"popular{among}{_within(genre, artist)}" + (f" this month ({recent})" if recent else "")


def _recent(evidence: Evidence) -> str | None:
    """How many listened lately, in words; None where it would be nobody."""
    number = round(evidence.listeners or 0)
    return f"about {_count(number, 'listener')}" if number else None


def _within(genre: str | None, artist: str | None) -> str:
    return (f" in {genre}" if genre is not None else "") + (f" by {artist}" if artist is not None else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
