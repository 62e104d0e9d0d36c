"""The group nodes: what Neo4j holds under each label."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from spotify_graph.assets.graph import MANY_ROWS, Differs, Published, Rows, Watch, Work, graph_asset
from spotify_graph.checks import gates as gate
from spotify_graph.graph_model import ARTIST, GENRE, TRACK, USER
from spotify_graph.lake.versions import LakeTable
from spotify_graph.neo4j_io import buckets
from spotify_graph.parts import shuffle
from spotify_graph.tasks import graph_rows
from spotify_graph.transforms import graph_tables

if TYPE_CHECKING:
    import pyarrow as pa

_UNCATALOGUED = Watch(
    gate.UNCATALOGUED_SHARE,
    lambda counts, gates, sample: gate.uncatalogued_share(counts["events"], counts["uncatalogued"], gates, sample),
)


def _revised_tracks(published: Published, cleaned_tracks: LakeTable, interactions: LakeTable) -> Differs | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    changes = interactions.changes_since(published.made_from)
    same_catalogue = cleaned_tracks.names.items() <= published.made_from.inputs.items()
    if changes is None or changes.num_rows > MANY_ROWS or not same_catalogue:
        return None
    touched = pc.field("track_id").isin(pc.unique(changes["track_id"]))
    before = published.snapshot.read()
    # Popularity is a sum of floats, which can't be taken away from exactly: it is summed anew.
    heard = graph_tables.heard(interactions.read(where=touched))
    are = graph_tables.track_nodes(cleaned_tracks.read(where=touched), heard)
    others = pa.concat_tables([rows.select(["track_id", "catalogued"]) for rows in (before.filter(~touched), are)])
    uncatalogued = others.filter(~pc.field("catalogued"))["track_id"]
    counts, sample = _uncatalogued(
        pc.sum(interactions.read(["count"])["count"]).as_py() or 0,
        interactions.read(["track_id", "count"], pc.field("track_id").isin(uncatalogued.combine_chunks())),
    )
    return Differs(before.filter(touched), are, counts, sample)


def _uncatalogued(events: int, of_others: "pa.Table") -> tuple[dict[str, int], Callable[[], list[object]]]:
    """What the gate on uncatalogued tracks looks at.

    Args:
        events: how many events there are.
        of_others: the interactions with tracks that the catalogue lacks: track_id and count.
    """
    import pyarrow.compute as pc

    def sample() -> list[object]:
        found = of_others.group_by("track_id").aggregate([("count", "sum")]).slice(0, gate.SAMPLE)
        rows: list[object] = found.rename_columns(["track_id", "events"]).to_pylist()
        return rows

    return {"events": events, "uncatalogued": pc.sum(of_others["count"]).as_py() or 0}, sample


@graph_asset(TRACK, _UNCATALOGUED, _revised_tracks)
def track_nodes(work: Work, cleaned_tracks: LakeTable, interactions: LakeTable) -> Rows:
    """Every track of the catalogue, and every track that only events name."""
    import pyarrow as pa
    import pyarrow.compute as pc

    run = work.over(interactions.rows)
    heard = run(partial(graph_rows.heard, interactions.schema), interactions.parts)
    tracks = graph_tables.track_nodes(cleaned_tracks.read(), pa.concat_tables(heard))
    others = tracks.filter(~pc.field("catalogued")).select(["track_id", "events"]).rename_columns(["track_id", "count"])
    counts, sample = _uncatalogued(pc.sum(tracks["events"]).as_py() or 0, others)
    return Rows([lambda: tracks], counts=counts, sample=sample)


def _revised_users(
    published: Published,
    cleaned_events: LakeTable,
    interactions: LakeTable,  # noqa: ARG001 its gates count
) -> Differs | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    came = cleaned_events.came_since(published.made_from)
    if came is None or came.rows > MANY_ROWS:
        return None
    new = graph_rows.read_seen(cleaned_events.schema, came)
    were = published.snapshot.read().filter(pc.field("user_id").isin(pc.unique(new["user_id"])))
    known = graph_tables.seen_of(were).select(new.column_names)
    return Differs(were, graph_tables.user_nodes(pa.concat_tables([known, new])))


@graph_asset(USER, revise=_revised_users)
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
