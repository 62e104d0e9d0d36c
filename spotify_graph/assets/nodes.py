"""The group nodes: what Neo4j holds under each label."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from spotify_graph.assets.graph import MANY_ROWS, Differs, Over, Published, Rows, Watch, graph_asset
from spotify_graph.checks import gates as gate
from spotify_graph.graph_model import ARTIST, GENRE, TRACK, USER
from spotify_graph.lake import keyed
from spotify_graph.lake.versions import LakeTable
from spotify_graph.tasks import graph_rows
from spotify_graph.tasks.interactions import DEVICES, POPULARITY
from spotify_graph.transforms import graph_tables

if TYPE_CHECKING:
    import pyarrow as pa

_UNCATALOGUED = Watch(
    gate.UNCATALOGUED_SHARE,
    lambda counts, gates, sample: gate.uncatalogued_share(counts["events"], counts["uncatalogued"], gates, sample),
)


def _revised_tracks(published: Published, cleaned_tracks: LakeTable, interactions: LakeTable) -> Differs | None:
    import pyarrow.compute as pc

    changes = interactions.changes_since(published.made_from, POPULARITY)
    same_catalogue = cleaned_tracks.names.items() <= published.made_from.inputs.items()
    if changes is None or changes.num_rows > MANY_ROWS or not same_catalogue:
        return None
    touched = changes.select(["track_id"]).group_by("track_id").aggregate([])
    sums = interactions.table(POPULARITY)
    catalogue = cleaned_tracks.read(where=pc.field("track_id").isin(pc.unique(touched["track_id"])))
    now = sums.find(touched)
    were, are = (graph_tables.track_nodes(catalogue, it) for it in (keyed.before(now, changes, sums.keys), now))
    return Differs(were, are, *_uncatalogued(cleaned_tracks.read(["track_id"]), sums.read(["track_id", "events"])))


def _uncatalogued(catalogue: "pa.Table", sums: "pa.Table") -> tuple[dict[str, int], Callable[[], list[object]]]:
    """What the gate on uncatalogued tracks looks at.

    Args:
        catalogue: every track of it: track_id.
        sums: what is summed of all tracks: track_id and events.
    """
    import pyarrow.compute as pc

    of_others = sums.filter(~pc.field("track_id").isin(pc.unique(catalogue["track_id"])))

    def sample() -> list[object]:
        found = of_others.group_by("track_id").aggregate([("events", "sum")]).slice(0, gate.SAMPLE)
        rows: list[object] = found.rename_columns(["track_id", "events"]).to_pylist()
        return rows

    events, uncatalogued = (pc.sum(rows["events"]).as_py() or 0 for rows in (sums, of_others))
    return {"events": events, "uncatalogued": uncatalogued}, sample


@graph_asset(TRACK, _UNCATALOGUED, _revised_tracks)
def track_nodes(over: Over, cleaned_tracks: LakeTable, interactions: LakeTable) -> Rows:  # noqa: ARG001 sums are few
    """Every track of the catalogue, and every track that only events name."""
    catalogue, sums = cleaned_tracks.read(), interactions.table(POPULARITY).read()
    tracks = graph_tables.track_nodes(catalogue, sums)
    counts, sample = _uncatalogued(catalogue, sums)
    return Rows([lambda: tracks], counts=counts, sample=sample)


def _revised_users(published: Published, interactions: LakeTable) -> Differs | None:
    changes = interactions.changes_since(published.made_from, DEVICES)
    if changes is None or changes.num_rows > MANY_ROWS:
        return None
    devices = interactions.table(DEVICES)
    now = devices.find(changes.select(["user_id"]).group_by("user_id").aggregate([]))
    before = keyed.before(now, changes, devices.keys)
    return Differs(graph_tables.user_nodes(before), graph_tables.user_nodes(now))


@graph_asset(USER, revise=_revised_users)
def user_nodes(over: Over, interactions: LakeTable) -> Rows:
    """Every user with an event."""
    devices = interactions.table(DEVICES)
    parts = [partial(graph_rows.users, part) for part in devices.parts]
    return Rows(parts, over(devices.rows), len(parts))


@graph_asset(ARTIST)
def artist_nodes(over: Over, cleaned_tracks: LakeTable) -> Rows:  # noqa: ARG001 a catalogue is worked on in one piece
    """Every artist of the catalogue."""
    return Rows([lambda: graph_tables.artist_nodes(cleaned_tracks.read())])


@graph_asset(GENRE)
def genre_nodes(over: Over, cleaned_tracks: LakeTable) -> Rows:  # noqa: ARG001 likewise
    """Every genre of the catalogue."""
    return Rows([lambda: graph_tables.genre_nodes(cleaned_tracks.read())])
