"""Addresses that a browser opens from an asset's page.

Its query in Neo4j Browser, a drawn neighbourhood, and the jobs that Spark did for it.
"""

from pathlib import Path
from typing import Self
from urllib.parse import quote

import dagster as dg
from pydantic import Field

from spotify_graph.graph_model import EVENT_TYPES, RECOMMENDED, RELATIONSHIPS, TABLES
from spotify_graph.lake import documents
from spotify_graph.local import service
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType
from spotify_graph.resources import jobs
from spotify_graph.settings import Settings

_JOBS = 20
"""How many of Spark's jobs a page leads to: the latest ones."""
_SHOWN = 50
"""How much of the graph a query draws: what a person can look at."""
_EVENTS = "|".join(event.relationship.type for event in EVENT_TYPES)
_CATALOGUE = "|".join(it.type for it in RELATIONSHIPS if it not in [event.relationship for event in EVENT_TYPES])
_OTHERS = {
    "cleaned_events": f"MATCH path = (:User)-[:{_EVENTS}]->(:Track) RETURN path LIMIT {_SHOWN}",
    "interactions": f"MATCH path = (:User)-[:{_EVENTS}]->(:Track) RETURN path LIMIT {_SHOWN}",
    "cleaned_tracks": f"MATCH path = (:Track)-[:{_CATALOGUE}]->() RETURN path LIMIT {_SHOWN}",
    "published_graph": (
        f"MATCH (user:User) WITH user LIMIT 1 MATCH path = (user)-[:{_EVENTS}]->(track:Track)"
        f" WITH path, track LIMIT 20 MATCH about = (track)-[:{_CATALOGUE}]->() RETURN path, about"
    ),
}


def query_of(asset: str) -> str | None:
    """The query that draws what an asset is in the graph, or becomes there; None of what never gets there."""
    table = TABLES.get(asset)
    return _of_table(table) if table else _OTHERS.get(asset)


def _of_table(table: GraphTable) -> str:
    if isinstance(table, NodeType):
        return f"MATCH (node:{table.label}) RETURN node LIMIT {_SHOWN}"
    ends = table.start.node.label, table.end.node.label
    return f"MATCH path = (:{ends[0]})-[:{table.type}]->(:{ends[1]}) RETURN path LIMIT {_SHOWN}"


class Links(dg.ConfigurableResource[None]):
    """The services that the pages of assets lead to."""

    home: str = Field(description="The home, which says where the local server's Browser and the HTTP service are.")
    neo4j_browser: str | None = Field(None, description="The Neo4j Browser of a server of one's own.")
    local_server: bool = Field(True, description="Whether the server is the local one, with a Browser of its own.")
    http_service: str | None = Field(
        None, description="The HTTP service, where it has not said otherwise; none where it asks for a token."
    )
    spark_history: str | None = Field(None, description="Spark's history server.")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The services of an installation."""
        return cls(
            home=str(settings.home),
            neo4j_browser=settings.neo4j_browser,
            local_server=settings.neo4j_uri is None,
            http_service=None if settings.serve_token_file else service.default_address(settings),
            spark_history=settings.spark_history,
        )

    def in_neo4j_browser(self, asset: str) -> str | None:
        """The address at which it has an asset's query; None without a query, or where no Browser is known."""
        query, browser = query_of(asset), self.neo4j_browser or self._local_browser()
        return f"{browser}?cmd=edit&arg={quote(query)}" if query and browser else None

    def drawn(self, asset: str) -> str | None:
        """The address at which the HTTP service draws what an asset of the graph is about, around somebody well known.

        It names no node: Dagster keeps it, and would remember a person who is forgotten.

        Args:
            asset: the asset's name.

        Returns:
            The address; None of an asset that is no table of the graph, or where the service asks for a token.
        """
        table = TABLES.get(asset)
        if table is None or self.http_service is None:
            return None
        node = table if isinstance(table, NodeType) else (table.start if table is RECOMMENDED else table.end).node
        return f"{service.address(Path(self.home), self.http_service)}/draw?kind={node.label.lower()}"

    def spark_jobs(self) -> str | None:
        """Links to what Spark did for the step that is under way, as Markdown: jobs, each with its DAG and its stages.

        They lead to the history server, which has them for good, and to Spark's own pages where there is none; None
        where Spark did nothing for the step.
        """
        seen = jobs.seen()
        if seen is None or not (seen.jobs or seen.remote):
            return None
        after = _in_history(seen, self.spark_history)
        where = after or seen.ui
        found = [f"[job {job}]({where}/jobs/job/?id={job})" for job in seen.jobs[-_JOBS:]] if where else []
        found += [f"[all of the run]({after})"] if after else []
        found += [f"[Spark UI]({seen.ui}) while the run lasts"] if seen.ui else []
        return ", ".join(found) or None

    def _local_browser(self) -> str | None:
        # Not from `local.neo4j`, whose driver takes long to import: a file is taken in without it.
        ports = documents.read(Path(self.home, "neo4j", "ports.json")) if self.local_server else None
        return f"http://127.0.0.1:{ports['http']}/browser/" if ports else None


def tell_run(history: str | None) -> None:
    """Says in the log and in the tags of the run that is under way, if one is, where its Spark is seen.

    Args:
        history: the address of Spark's history server.
    """
    seen = jobs.seen()
    try:
        step = dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return
    if seen is None:
        return
    addresses = {"spark/ui": seen.ui, "spark/history": _in_history(seen, history)}
    known = {name: address for name, address in addresses.items() if address}
    step.log.info(f"Spark application {seen.name}" + "".join(f", {name} {it}" for name, it in known.items()))
    step.instance.add_run_tags(step.run_id, {"spark/application": seen.name, **known})


def _in_history(seen: jobs.Application, history: str | None) -> str | None:
    return f"{history.rstrip('/')}/history/{seen.name}" if history else None
