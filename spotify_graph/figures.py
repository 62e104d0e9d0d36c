"""The platform's figures for a monitor: what waits, what is refused, how many rows, what is published since when."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from spotify_graph.automation.health import WAITING
from spotify_graph.automation.landed import files_of, listed
from spotify_graph.errors import UserError
from spotify_graph.graph_model import RECOMMENDER
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.preparation import must_answer
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import ledger, models
from spotify_graph.neo4j_io.ledger import Status
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings
from spotify_graph.times import utc

REFUSED = ("refused", "invalid name")
"""The states of files that stay out of the graph until somebody does something."""
_KNOWN = (*WAITING, *REFUSED, "passed", "accepted", "forgotten")
_ROWS = ("rows_read", "cleaned", "duplicates", "rejected")
_ANSWER_S = 5
KEPT_SECONDS = 15
"""How long a page is kept for whoever asks again."""


@dataclass(frozen=True)
class PublishedTable:
    """What the ledger says of a table of the graph.

    Attributes:
        table: the asset.
        status: how far its publication has got, as `ledger.Status` names it.
        rows: how many rows it has.
        published_at: when it was published last, or None.
        verified_at: when the graph was last found to equal it since, or None.
    """

    table: str
    status: str
    rows: int
    published_at: str | None
    verified_at: str | None


@dataclass(frozen=True)
class Figures:
    """Where the platform stands at one moment. Times are in ISO 8601 and UTC.

    Attributes:
        at: when it was asked.
        problems: what could not be asked, in a line each.
        files: how many files there are in each state.
        files_waiting: how many are still to be taken in.
        files_refused: how many stay out until somebody does something.
        rows: rows_read, cleaned, duplicates and rejected, of all files' latest contents.
        newest_event_at: when the newest event of the graph was, or None.
        tables: what is published; none where Neo4j does not answer.
        published_at: when something was last published, or None.
        publication_age_seconds: how long ago that is, or None.
        verified: whether every published table is verified since; None where that is not known.
        model: the version of the model that answers, or None.
        model_since: since when it does, or None.
    """

    at: str
    problems: tuple[str, ...] = ()
    files: dict[str, int] = field(default_factory=dict)
    files_waiting: int = 0
    files_refused: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    newest_event_at: str | None = None
    tables: tuple[PublishedTable, ...] = ()
    published_at: str | None = None
    publication_age_seconds: int | None = None
    verified: bool | None = None
    model: str | None = None
    model_since: str | None = None

    def document(self) -> dict[str, Any]:
        """The figures as JSON holds them."""
        return asdict(self)


def now(settings: Settings) -> Figures:
    """Looks where the platform stands. A local Neo4j is not started for it."""
    at, problems, found = datetime.now(UTC), list[str](), dict[str, Any]()
    for look in (_files, _events, _graph):
        try:
            found |= look(settings)
        except UserError as error:
            problems.append(str(error))
        except Exception as error:  # noqa: BLE001 what can't be asked is no reason to tell nothing
            problems.append(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    published = found.get("published_at")
    age = None if published is None else max(0, int((at - datetime.fromisoformat(published)).total_seconds()))
    return Figures(utc(at, "seconds"), tuple(problems), publication_age_seconds=age, **found)


def _files(settings: Settings) -> dict[str, Any]:
    must_answer(settings.lake)
    files = files_of(listed(settings), settings)
    states = Counter(file.state for file in files)
    counts = [file.entry.counts for file in files if file.entry]
    return {
        "files": {state.replace(" ", "_"): states[state] for state in _KNOWN},
        "files_waiting": sum(states[state] for state in WAITING),
        "files_refused": sum(states[state] for state in REFUSED),
        "rows": {name: sum(it.get(name, 0) for it in counts) for name in _ROWS},
    }


def _events(settings: Settings) -> dict[str, Any]:
    must_answer(settings.lake)
    interactions = Lake(settings.lake).pin().find("interactions")
    micros = interactions.record.details.get("newest") if interactions else None
    return {"newest_event_at": None if micros is None else utc(datetime.fromtimestamp(micros / 1e6, UTC), "seconds")}


def _graph(settings: Settings) -> dict[str, Any]:
    if settings.neo4j_uri is None and LocalNeo4j(settings).find() is None:
        raise UserError("Neo4j does not run: what is published is not known")
    with connect(settings, connection_timeout=_ANSWER_S) as driver:
        entries = ledger.read(driver, settings.neo4j_database)
        model = models.active(driver, settings.neo4j_database, RECOMMENDER)
    tables = tuple(
        PublishedTable(it.asset, str(it.status), it.rows, _utc(it.finished_at), _utc(it.verified_at))
        for _, it in sorted(entries.items())
    )
    finished = [it.finished_at for it in entries.values() if it.finished_at]
    return {
        "tables": tables,
        "published_at": _utc(max(finished, default=None)),
        "verified": all(it.status is Status.PUBLISHED and it.verified_at for it in entries.values()),
        "model": model.version if model else None,
        "model_since": _utc(model.switched_at) if model else None,
    }


def _utc(time: datetime | None) -> str | None:
    return None if time is None else utc(time.astimezone(UTC), "seconds")


def prometheus(figures: Figures) -> str:
    """The figures as a page in Prometheus' text format."""
    registry = CollectorRegistry()

    def gauge(name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"spotify_graph_{name}", about, labels, registry=registry)

    files = gauge("files", "Landed files, by what became of them.", "state")
    for state, count in figures.files.items():
        files.labels(state).set(count)
    if figures.files:
        gauge("files_waiting", "Files that are still to be taken in.").set(figures.files_waiting)
        gauge("files_refused", "Files that stay out until somebody does something.").set(figures.files_refused)
    rows = gauge("file_rows", "Rows of all files' latest contents, by what became of them.", "what")
    for what, count in figures.rows.items():
        rows.labels(what).set(count)
    of_tables: dict[str, tuple[str, Callable[[PublishedTable], float | None]]] = {
        "table_rows": ("Rows of a published table.", lambda it: it.rows),
        "table_in_sync": ("Whether a table is published and the graph equals it.", lambda it: it.status == "published"),
        "table_published_timestamp_seconds": ("When a table was published.", lambda it: _seconds(it.published_at)),
        "table_verified_timestamp_seconds": (
            "When the graph was found to equal a table that was not published again since.",
            lambda it: _seconds(it.verified_at),
        ),
    }
    for name, (about, value) in of_tables.items():
        of_table = gauge(name, about, "table")
        for it in figures.tables:
            if (of_it := value(it)) is not None:
                of_table.labels(it.table).set(of_it)
    single = {
        "publication_age_seconds": ("How long ago something was last published.", figures.publication_age_seconds),
        "verified": ("Whether every table is verified since it was published.", figures.verified),
        "newest_event_timestamp_seconds": ("When the newest event was.", _seconds(figures.newest_event_at)),
        "model_since_timestamp_seconds": ("Since when the model answers.", _seconds(figures.model_since)),
        "problems": ("How much could not be asked for this page.", len(figures.problems)),
    }
    for name, (about, found) in single.items():
        if found is not None:
            gauge(name, about).set(found)
    if figures.model:
        gauge("active_model", "The model that answers.", "version").labels(figures.model).set(1)
    return generate_latest(registry).decode()


def _seconds(time: str | None) -> float | None:
    return None if time is None else datetime.fromisoformat(time).timestamp()


def kept(settings: Settings) -> Callable[[], str]:
    """The page for Prometheus, which is made anew where somebody asks who has not asked for a while."""
    page, made = "", float("-inf")

    def asked() -> str:
        nonlocal page, made
        if monotonic() - made > KEPT_SECONDS:
            page, made = prometheus(now(settings)), monotonic()
        return page

    return asked
