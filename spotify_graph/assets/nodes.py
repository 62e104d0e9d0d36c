"""The group nodes: what Neo4j holds under each label."""

from collections.abc import Callable
from functools import partial

from spotify_graph.assets.graph import MANY_ROWS, Differs, Published, Rows, Watch, Work, graph_asset
from spotify_graph.checks import gates as gate
from spotify_graph.graph_model import ARTIST, GENRE, TRACK, USER
from spotify_graph.lake import keyed
from spotify_graph.lake.versions import LakeTable
from spotify_graph.tasks import graph_rows
from spotify_graph.tasks.interactions import DEVICES, POPULARITY
from spotify_graph.transforms import graph_tables

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
    catalogue = cleaned_tracks.read(where=pc.field("track_id").isin(touched["track_id"]))
    now = sums.find(touched)
    were, are = (graph_tables.track_nodes(catalogue, it) for it in (keyed.before(now, changes, sums.keys), now))
    return Differs(were, are, *_uncatalogued(cleaned_tracks, interactions))


def _uncatalogued(
    cleaned_tracks: LakeTable, interactions: LakeTable
) -> tuple[dict[str, int], Callable[[], list[object]]]:
    """What the gate on uncatalogued tracks looks at."""
    import pyarrow.compute as pc

    known = cleaned_tracks.read(["track_id"])["track_id"]
    sums = interactions.table(POPULARITY).read(["track_id", "events"])
    of_others = sums.filter(~pc.field("track_id").isin(known))

    def sample() -> list[object]:
        found = of_others.group_by("track_id").aggregate([("events", "sum")]).slice(0, gate.SAMPLE)
        rows: list[object] = found.rename_columns(["track_id", "events"]).to_pylist()
        return rows

    events, uncatalogued = (pc.sum(rows["events"]).as_py() or 0 for rows in (sums, of_others))
    return {"events": events, "uncatalogued": uncatalogued}, sample


@graph_asset(TRACK, _UNCATALOGUED, _revised_tracks)
def track_nodes(work: Work, cleaned_tracks: LakeTable, interactions: LakeTable) -> Rows:  # noqa: ARG001 sums are few
    """Every track of the catalogue, and every track that only events name."""
    tracks = graph_tables.track_nodes(cleaned_tracks.read(), interactions.table(POPULARITY).read())
    counts, sample = _uncatalogued(cleaned_tracks, interactions)
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
def user_nodes(work: Work, interactions: LakeTable) -> Rows:
    """Every user with an event."""
    parts = interactions.table(DEVICES).parts
    return Rows([partial(graph_rows.users, part) for part in parts], work.over(interactions.rows), len(parts))


@graph_asset(ARTIST)
def artist_nodes(work: Work, cleaned_tracks: LakeTable) -> Rows:  # noqa: ARG001 a catalogue is worked on in one piece
    """Every artist of the catalogue."""
    return Rows([lambda: graph_tables.artist_nodes(cleaned_tracks.read())])


@graph_asset(GENRE)
def genre_nodes(work: Work, cleaned_tracks: LakeTable) -> Rows:  # noqa: ARG001 likewise
    """Every genre of the catalogue."""
    return Rows([lambda: graph_tables.genre_nodes(cleaned_tracks.read())])
