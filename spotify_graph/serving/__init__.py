"""Recommendations served from the graph, each with the reason that a path in the graph gives.

The active model is the one that the registry names: relationships of its version in `(:_Model)`, and no others.
A request is one query, `queries/recommend.cypher`, `similar.cypher` or `similar_users.cypher`. Each answer is of one
version, whole: where another one became active meanwhile, the query is asked again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from neo4j import Driver

from spotify_graph import queries
from spotify_graph.errors import UsageError
from spotify_graph.graph_model import ARTIST, GENRE, POPULARITY_HALF_LIFE_DAYS, POPULARITY_SINCE, TRACK, USER
from spotify_graph.neo4j_io.vocabulary import NodeType
from spotify_graph.serving.answers import (
    Evidence,
    PopularTrack,
    PopularTracks,
    Recommendation,
    Recommendations,
    Seed,
    SharedTrack,
    SimilarTrack,
    SimilarTracks,
    SimilarUser,
    SimilarUsers,
)
from spotify_graph.serving.reading import NO_MODEL, NoModelError, NotReadyError, ask, ask_whole, prepare, require_model

__all__ = [
    "COLUMNS",
    "MOST",
    "Evidence",
    "NoModelError",
    "NotReadyError",
    "PopularTrack",
    "PopularTracks",
    "Recommendation",
    "Recommendations",
    "Seed",
    "SharedTrack",
    "SimilarTrack",
    "SimilarTracks",
    "SimilarUser",
    "SimilarUsers",
    "check",
    "per_artist_of",
    "popular",
    "prepare",
    "recommend",
    "require_model",
    "similar",
    "similar_users",
]

COLUMNS = ("rank", "track_id", "title", "artist", "genre", "score", "because")
"""The attributes of a line that a table shows."""

MOST = 100
"""The most tracks that a request may ask for: a model keeps no more of a user."""


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
        heard: whether tracks stay in that the user has heard: any event but a skip says so.
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
                lines += _beside(lines, ask(driver, database, more, asked)["lines"], asked)
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
    answer = ask_whole(driver, database, "similar", {"track_id": track_id, "k": k, "per_artist": per_artist})
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
    answer = ask_whole(driver, database, "similar_users", {"user_id": user_id, "k": k})
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


def _ask_within(driver: Driver, database: str, given: dict[str, Any], *, model: bool = True) -> Mapping[str, Any]:
    """Asks for tracks of a genre and an artist, and puts the names that are meant in the place of those given."""
    model = model and given["candidates"] is None
    answer = ask_whole(driver, database, "recommend", given)
    _require_graph(answer, model=model)
    meant = {
        name: _find(driver, database, node, given[name])
        for name, node in (("genre", GENRE), ("artist", ARTIST))
        if given[name] is not None and not answer[f"{name}_known"]
    }
    if meant:
        given |= meant
        answer = ask_whole(driver, database, "recommend", given)
    return answer


def _find(driver: Driver, database: str, node: NodeType, key: str) -> str:
    with queries.session(driver, database) as session:
        return session.execute_read(queries.find, node, key)


def _require_graph(answer: Mapping[str, Any], *, model: bool) -> None:
    if not answer["tracks"]:
        raise NotReadyError("the graph is empty: `spotify-graph materialize` fills it")
    if model and answer["version"] is None:
        raise NoModelError(NO_MODEL)


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
    """Such as "because you like A (41 listeners of both) and play B (17)"."""
    first, *others = seeds
    said = f"because you {_verb(first)} {first.title or first.track_id} ({_count(first.listeners, 'listener')} of both)"
    for other in others:
        verb = "" if other.liked == first.liked else f"{_verb(other)} "
        said += f" and {verb}{other.title or other.track_id} ({other.listeners:,})"
    return said


def _verb(seed: Seed) -> str:
    return "like" if seed.liked else "play"


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
