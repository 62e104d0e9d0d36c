"""The group edges: what Neo4j holds under each relationship type."""

from functools import partial

import dagster as dg

from spotify_graph.assets.graph import MANY_ROWS, Differs, Over, Published, Rows, graph_asset
from spotify_graph.graph_model import BY, EVENT_TYPES, IN_GENRE, EventType
from spotify_graph.lake.versions import LakeTable
from spotify_graph.tasks import graph_rows
from spotify_graph.tasks.interactions import INTERACTIONS
from spotify_graph.transforms import graph_tables


def _interaction_edges(event_type: EventType) -> dg.AssetsDefinition:
    def revise(published: Published, interactions: LakeTable) -> Differs | None:
        changes = interactions.changes_since(published.made_from, INTERACTIONS)
        if changes is None or changes.num_rows > MANY_ROWS:
            return None
        return Differs(*graph_tables.changed_edges(changes, event_type))

    @graph_asset(event_type.relationship, revise=revise)
    def edges(over: Over, interactions: LakeTable) -> Rows:
        table = interactions.table(INTERACTIONS)
        parts = [partial(graph_rows.edges, event_type, part) for part in table.parts]
        return Rows(parts, over(table.rows), len(parts))

    return edges


interaction_edges = [_interaction_edges(event_type) for event_type in EVENT_TYPES]


@graph_asset(BY)
def by_edges(over: Over, cleaned_tracks: LakeTable) -> Rows:  # noqa: ARG001 a catalogue is worked on in one piece
    """Every track that names its artist, and that artist."""
    return Rows([lambda: graph_tables.by_edges(cleaned_tracks.read())])


@graph_asset(IN_GENRE)
def in_genre_edges(over: Over, cleaned_tracks: LakeTable) -> Rows:  # noqa: ARG001 likewise
    """Every track that names its genre, and that genre, or each of them."""
    return Rows([lambda: graph_tables.in_genre_edges(cleaned_tracks.read())])
