"""The group nodes: what Neo4j holds under each label."""

from functools import partial

from spotify_graph.assets.graph import Rows, Watch, Work, graph_asset
from spotify_graph.checks import gates as gate
from spotify_graph.graph_model import ARTIST, GENRE, TRACK, USER
from spotify_graph.io_managers.lake import LakeTable
from spotify_graph.neo4j_io import buckets
from spotify_graph.parts import shuffle
from spotify_graph.tasks import graph_rows
from spotify_graph.transforms import graph_tables

_UNCATALOGUED = Watch(
    gate.UNCATALOGUED_SHARE,
    lambda counts, gates, sample: gate.uncatalogued_share(counts["events"], counts["uncatalogued"], gates, sample),
)


@graph_asset(TRACK, _UNCATALOGUED)
def track_nodes(work: Work, cleaned_tracks: LakeTable, interactions: LakeTable) -> Rows:
    """Every track of the catalogue, and every track that only events name."""
    import pyarrow as pa
    import pyarrow.compute as pc

    run = work.over(interactions.rows)
    heard = run(partial(graph_rows.heard, interactions.schema), interactions.parts)
    tracks = graph_tables.track_nodes(cleaned_tracks.read(), pa.concat_tables(heard))
    others = tracks.filter(pc.invert(tracks["catalogued"])).select(["track_id", "events"])
    return Rows(
        [lambda: tracks],
        counts={"events": pc.sum(tracks["events"]).as_py() or 0, "uncatalogued": pc.sum(others["events"]).as_py() or 0},
        sample=lambda: others.slice(0, gate.SAMPLE).to_pylist(),
    )


@graph_asset(USER)
def user_nodes(work: Work, cleaned_events: LakeTable, interactions: LakeTable) -> Rows:  # noqa: ARG001 its gates count
    """Every user with an event."""
    schema, run = cleaned_events.schema, work.over(cleaned_events.rows)
    count = buckets.count_for(cleaned_events.rows)
    seen = partial(graph_rows.read_seen, schema)
    parts = shuffle(cleaned_events.part, seen, "user_id", count, work.folder, run)
    return Rows([partial(graph_rows.users, schema, part) for part in parts], run, count)


@graph_asset(ARTIST)
def artist_nodes(work: Work, cleaned_tracks: LakeTable) -> Rows:  # noqa: ARG001 a catalogue is worked on in one piece
    """Every artist of the catalogue."""
    return Rows([lambda: graph_tables.artist_nodes(cleaned_tracks.read())])


@graph_asset(GENRE)
def genre_nodes(work: Work, cleaned_tracks: LakeTable) -> Rows:  # noqa: ARG001 likewise
    """Every genre of the catalogue."""
    return Rows([lambda: graph_tables.genre_nodes(cleaned_tracks.read())])
