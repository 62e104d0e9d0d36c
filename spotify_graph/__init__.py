"""Listening logs in, a living recommendation graph in Neo4j out, run and seen through Dagster.

In Python, `recommend` and `similar` answer from the graph of this installation. For many requests in one process, open
a driver once and give it to the functions of the same names in `spotify_graph.serving`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spotify_graph.serving import Recommendations, SimilarTracks

# What a function needs is imported inside it: to import the package should take no time.


def recommend(
    user_id: str,
    k: int = 10,
    *,
    genre: str | None = None,
    artist: str | None = None,
    heard: bool = False,
    disliked: bool = False,
    per_artist: int | None = None,
) -> Recommendations:
    """Recommends tracks to a user, each with its reason: `serving.recommend` on the graph that the settings name.

    Args:
        user_id: for whom; a user whom the graph lacks gets popular tracks.
        k: how many tracks at most, from 1 to 100.
        genre: the genre that they are in, or None for any.
        artist: the artist that they are by, or None for any.
        heard: whether tracks stay in that the user has heard.
        disliked: whether tracks stay in that the user skipped more often than played.
        per_artist: how many tracks of an artist at most, where no artist is asked for; None lets it grow with k,
            from two of ten.

    Raises:
        UserError: a setting or an argument does not fit, the server can't be reached, nothing is published yet, or the
            graph has no such genre or artist.
    """
    from spotify_graph import serving
    from spotify_graph.resources.neo4j import connect
    from spotify_graph.settings import Settings

    settings = Settings.load()
    with connect(settings) as driver:
        return serving.recommend(
            driver,
            settings.neo4j_database,
            user_id,
            k=k,
            genre=genre,
            artist=artist,
            heard=heard,
            disliked=disliked,
            per_artist=per_artist,
        )


def similar(track_id: str, k: int = 10, *, per_artist: int | None = None) -> SimilarTracks:
    """Finds the tracks most similar to a track: `serving.similar` on the graph that the settings name.

    Args:
        track_id: the track.
        k: how many tracks at most, from 1 to 100.
        per_artist: how many tracks of an artist at most; None lets it grow with k, from two of ten.

    Raises:
        UserError: a setting or an argument does not fit, the server can't be reached, nothing is published yet, or the
            graph has no such track.
    """
    from spotify_graph import serving
    from spotify_graph.resources.neo4j import connect
    from spotify_graph.settings import Settings

    settings = Settings.load()
    with connect(settings) as driver:
        return serving.similar(driver, settings.neo4j_database, track_id, k=k, per_artist=per_artist)
