"""A graph that is seen at a glance: three tracks of one artist, played and liked by three users."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neo4j import Driver

from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests.platform import Platform, installed

TRACKS = ("track_id,artist,album,duration_ms,genre", *(f"t{i},Ann,First,180000,jazz" for i in range(3)))
HEADER = "user_id,track_id,event_type,event_ts,session_id,device"
PLAYS = [("u0", "t0"), ("u0", "t2"), ("u1", "t1"), ("u1", "t2"), ("u2", "t2")]


def event(user: str, track: str, kind: str) -> str:
    """A line of a log."""
    return f"{user},{track},{kind},2026-01-01T10:00:00Z,s,web"


def plays(platform: Platform) -> list[tuple[str, str]]:
    """Who played what, as the graph says it."""
    rows = platform.ask("MATCH (u:User)-[:PLAYED]->(t:Track) RETURN u.user_id AS user, t.track_id AS track")
    return sorted((row["user"], row["track"]) for row in rows)


@contextmanager
def published(folder: Path, server: LocalNeo4j, driver: Driver) -> Iterator[Platform]:
    """An installation whose graph has them."""
    with installed(folder, server, driver, stale_warn_hours=1e9) as platform:
        platform.land("tracks.csv", *TRACKS)
        platform.land("user_events_1.csv", HEADER, *(event(*pair, "play") for pair in PLAYS))
        platform.land("user_events_2.csv", HEADER, *(event(f"u{i}", f"t{i}", "like") for i in range(3)))
        assert platform.refresh().exit_code == 0
        yield platform
