"""Runs that the command line makes: assets materialized in this process, recorded in the Dagster instance."""

import os
import shutil
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import dagster as dg

from spotify_graph import first_load
from spotify_graph.automation import accept as accepting
from spotify_graph.automation import health, held_back, orphans
from spotify_graph.automation.exports import take_lying
from spotify_graph.automation.failures import cause_of
from spotify_graph.automation.ingest import Ingest, IngestMany, runs_of
from spotify_graph.automation.landed import LandedFile, files_of, listed, look, release
from spotify_graph.automation.partitions import FILES
from spotify_graph.automation.run_log import log_run
from spotify_graph.definitions import build_defs
from spotify_graph.errors import UsageError, UserError
from spotify_graph.graph_model import FACTS
from spotify_graph.lake import acceptance, cleaning
from spotify_graph.lake.intake import KINDS, PARTITIONED, Entry, Intake
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.preparation import prepare
from spotify_graph.local import locks
from spotify_graph.resources.neo4j import connect
from spotify_graph.resources.spark import SparkResource
from spotify_graph.run_report import NAMED, RunReport, Watcher, unseen
from spotify_graph.settings import PACKAGE, Settings
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS, LandedTable

_SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_HELD_BACK = {"refused", "invalid name"}
_UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def instance(settings: Settings) -> dg.DagsterInstance:
    """The Dagster instance that the UI and the daemon share with the command line.

    Runs of the command line whose process was killed are recorded as failed: else they would count as under way for
    ever, and hold up the queue of the UI and the daemon.

    Raises:
        UserError: SPOTIFY_GRAPH_HOME can't be written to.
    """
    settings.make_home()
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(settings.dagster_home)))
    if home == settings.dagster_home:
        home.mkdir(exist_ok=True)
        shutil.copyfile(PACKAGE / "dagster.yaml", home / "dagster.yaml")
    dagster = dg.DagsterInstance.get()
    orphans.end(dagster)
    return dagster


def end_orphans(dagster: dg.DagsterInstance) -> None:
    """Records as failed what the UI or the daemon left under way, as when the machine went down with them.

    Only for a moment when neither runs: a run of theirs does not name its process before it has begun.
    """
    for run in dagster.get_runs(dg.RunsFilter(statuses=_UNDER_WAY)):
        if not orphans.process_of(run):
            dagster.report_run_failed(run, orphans.WHY)


def materialize(
    settings: Settings,
    selection: str,
    say: Callable[[str], None],
    working: Callable[[str], None],
    progress: Callable[[int, int], None] = unseen,
    *,
    rebuild: bool = False,
    discard_additions: bool = False,
) -> RunReport:
    """Takes in the landed files that are new or changed, then materializes the rest of the selection.

    Where another run of this home is under way, this waits for it, and then does what that has left to do.

    A selection of nothing but assets by file is materialized for every landed file. Where the local database is empty
    and much is to be loaded, it is built in one go.

    Args:
        settings: the installation's settings.
        selection: which assets, in Dagster's asset selection syntax.
        say: told a line for each asset that is done, and now and then within a long publication.
        working: told what is being worked on now.
        progress: told how many assets are done, and of how many.
        rebuild: build the local database in one go, whatever it holds.
        discard_additions: do so also where others have added something to it, which goes.

    Raises:
        UsageError: the selection is not valid, selects nothing, or lacks a part of the graph that is to be rebuilt.
        UserError: nothing has landed; Neo4j does not answer; there is no local database to rebuild, or others have
            added something to it.
    """
    defs = build_defs()
    keys = _selected(defs, selection)
    # Known at once, before Neo4j and Spark are started for nothing, and before others are waited for.
    if rebuild and not _graph() <= keys:
        raise UsageError("a rebuild is of the whole graph: select everything")
    if rebuild and settings.neo4j_uri is not None:
        raise UserError("a rebuild is of the local database: unset NEO4J_URI")
    who = (
        "`spotify-graph materialize`"
        if selection == "*"
        else f"`spotify-graph materialize --select {quote(selection)}`"
    )
    with locks.turn(settings, who, say):
        if rebuild and not discard_additions:
            first_load.must_be_ours(settings, say)
        prepare(settings.lake, say)
        refused = take_lying(settings, say)
        report = _materialize(settings, defs, keys, say, working, progress, rebuild=rebuild)
    return replace(report, held_back=(*refused, *report.held_back))


def _materialize(
    settings: Settings,
    defs: dg.Definitions,
    keys: set[dg.AssetKey],
    say: Callable[[str], None],
    working: Callable[[str], None],
    progress: Callable[[int, int], None],
    *,
    rebuild: bool,
) -> RunReport:
    by_file = {table.name: keys & _by_file(table) for table in KINDS}
    rest = keys - set().union(*by_file.values())
    listing = listed(settings)
    release(listing, Lake(settings.lake))
    files = files_of(listing, settings)
    others = [f"{it.file} is not taken in: {it.reason}" for it in listing.others]
    if not files:
        more = [f"and {len(others) - NAMED} more"] if len(others) > NAMED else []
        lying = "".join(f"; {line}" for line in [*others[:NAMED], *more])
        raise UserError(
            f"no {TRACKS.pattern} and no {USER_EVENTS.pattern} in {settings.landing}: put the logs there,"
            f" set SPOTIFY_GRAPH_LANDING, or make some with `spotify-graph generate`{lying}"
        )
    todo = [
        file for file in files if by_file[file.table.name] and (file.pending or (not rest and file.look and file.entry))
    ]
    total = sum(len(by_file[file.table.name]) for file in todo) + len(rest)
    watcher = Watcher(say, working, total, progress)
    for file in (file for file in files if file.look and by_file[file.table.name]):
        if file.state in _HELD_BACK and file not in todo:
            watcher.held_back.append(f"{file.name}: {file.note}")
        if file.state == "forgotten":
            say(f"{file.name}: {file.note}")
    if any(by_file.values()) and not any(file.look and file.state != "forgotten" for file in files):
        watcher.held_back += others
    else:
        for line in others:
            say(line)
    needs_neo4j = _needs_neo4j(defs, keys)
    working("starting Neo4j" if needs_neo4j else "starting")
    with SparkResource.from_settings(settings).held():
        size = sum(file.bytes for file in files)
        build = _graph() <= keys and (rebuild or first_load.is_due(settings, size, say))
        if needs_neo4j and not build:
            with connect(settings, say):
                pass
        with instance(settings) as dagster:
            _take_in(defs, dagster, todo, by_file, watcher)
            if build:
                rest = _build(defs, dagster, rest, watcher, rebuild=rebuild)
            if rest:
                _run(defs, dagster, rest, watcher)
            if needs_neo4j and cleaning.is_due(Lake(settings.lake), datetime.now(UTC)):
                job = defs.resolve_job_def("clean_lake")
                job.execute_in_process(instance=dagster, run_config=_SILENT, raise_on_error=False)
            health.report(settings, dagster)
    return watcher.report()


def _build(
    defs: dg.Definitions, dagster: dg.DagsterInstance, rest: set[dg.AssetKey], watcher: Watcher, *, rebuild: bool
) -> set[dg.AssetKey]:
    """Materializes what the graph is computed from, and builds the database. Gives the assets that are left to do."""
    before = rest & _upstream(defs, _graph())
    if before and not _run(defs, dagster, before, watcher):
        return set()
    run_id = str(uuid4())
    # Where it fails, the assets are materialized all the same, and they fail with what is a failure for the user.
    dagster.add_event_listener(run_id, Watcher(watcher.say, watcher.working, total=0))
    job = defs.resolve_job_def(first_load.first_load.name)
    log_run(dagster, job, run_id)
    result = job.execute_in_process(
        instance=dagster,
        run_id=run_id,
        tags=orphans.tags_of_this_process(),
        raise_on_error=False,
        # What others have added, if anything, was asked about before all this work.
        run_config={
            "ops": {"build_database": {"config": {"rebuild": rebuild, "discard_additions": rebuild}}},
            **_SILENT,
        },
    )
    if not result.success:
        watcher.say(f"{_why(result)}: the tables are written one by one instead")
    return rest - before


def forget(
    settings: Settings,
    file: str,
    say: Callable[[str], None],
    working: Callable[[str], None],
    progress: Callable[[int, int], None] = unseen,
) -> tuple[Entry, RunReport]:
    """Takes a file's contribution out of the lake, and then out of the graph.

    Args:
        settings: the installation's settings.
        file: the file's name.
        say: told a line for each asset that is done.
        working: told what is being worked on now.
        progress: told how many assets are done, and of how many.

    Returns:
        What was known of the file, and how the graph's refresh went.

    Raises:
        UserError: the file is not in the lake; Neo4j does not answer.
    """
    prepare(settings.lake, say)
    found = [it for it in look(settings) if it.name == file and it.entry]
    if not found:
        if any(file in Intake(Lake(settings.lake), table).forgotten() for table in KINDS):
            raise UserError(f"{file} is taken out already: `spotify-graph materialize` takes it out of the graph, too")
        known = ", ".join(it.name for it in look(settings) if it.entry) or "none"
        raise UserError(f"{file} is not in the lake; there: {known}")
    with connect(settings, say):
        pass
    table, defs = found[0].table, build_defs()
    with locks.turn(settings, f"`spotify-graph forget {file}`", say), instance(settings) as dagster:
        lake = Lake(settings.lake)
        entry = Intake(lake, table).forget(file)
        dagster.delete_dynamic_partition(str(FILES[table.name].name), file)
        held_back.report(dagster, settings.landing, lake)
        rest = _selected(defs, "*").difference(*(_by_file(it) for it in KINDS))
        if not lake.find("recommendation_evaluation"):
            # Models that nobody asked for yet hold nothing of the file.
            rest -= _selected(defs, "group:evaluation or group:recommendations")
        watcher = Watcher(say, working, len(rest), progress)
        with SparkResource.from_settings(settings).held():
            _run(defs, dagster, rest, watcher)
    assert entry  # noqa: S101 it was found above
    return entry, watcher.report()


def recompute(
    settings: Settings,
    say: Callable[[str], None],
    working: Callable[[str], None],
    progress: Callable[[int, int], None] = unseen,
    *,
    models: bool,
    rebuild: bool,
    take_in: Collection[str] = (),
) -> RunReport:
    """Materializes what is computed from all files. Whose turn it is, is the caller's to see to.

    Args:
        settings: the installation's settings.
        say: told a line for each asset that is done.
        working: told what is being worked on now.
        progress: told how many assets are done, and of how many.
        models: the models as well, which are published also where they are worse than the ones before.
        rebuild: build the local database anew, in one go.
        take_in: landed files to take in before, where they are new or changed.

    Raises:
        UserError: Neo4j does not answer.
    """
    defs = build_defs()
    rest = _selected(defs, "*").difference(*(_by_file(it) for it in KINDS))
    config: dict[str, Any] = {"ops": {"recommender_model": {"config": {"publish_worse": True}}}}
    if not models:
        rest -= _selected(defs, "group:evaluation or group:recommendations")
        config = {}
    todo = [file for file in look(settings) if file.pending and file.name in take_in]
    watcher = Watcher(say, working, len(rest) + sum(len(_by_file(file.table)) for file in todo), progress)
    with SparkResource.from_settings(settings).held(), instance(settings) as dagster:
        _take_in(defs, dagster, todo, {table.name: _by_file(table) for table in KINDS}, watcher)
        if rebuild:
            rest = _build(defs, dagster, rest, watcher, rebuild=True)
        if rest:
            _run(defs, dagster, rest, watcher, config=config)
    return watcher.report()


def accept(settings: Settings, version: str, because: str, say: Callable[[str], None]) -> None:
    """Records an operator's decision to let a refused version through, in a run that has it as its configuration.

    Raises:
        UserError: no version of that name waits for a decision.
    """
    acceptance.refused(Lake(settings.lake), version)  # what is mistyped is no failed run
    config = {"ops": {"accept_version": {"config": {"version": version, "because": because}}}, **_SILENT}
    with locks.turn(settings, f"`spotify-graph accept {version}`", say), instance(settings) as dagster:
        job = build_defs().resolve_job_def(accepting.accept.name)
        result = job.execute_in_process(instance=dagster, run_config=config, raise_on_error=False)
        if not result.success:
            raise UserError(_why(result))


def run_job(
    settings: Settings,
    name: str,
    say: Callable[[str], None],
    working: Callable[[str], None],
    progress: Callable[[int, int], None] = unseen,
) -> tuple[dg.ExecuteInProcessResult, RunReport]:
    """Runs a job of assets that a schedule runs as well. Whose turn it is, is the caller's to see to.

    Args:
        settings: the installation's settings.
        name: the job.
        say: told a line for each asset that is done.
        working: told what is being worked on now.
        progress: told how many assets are done, and of how many.

    Returns:
        The run, and how it ended.

    Raises:
        UserError: Neo4j does not answer.
    """
    defs, run_id = build_defs(), str(uuid4())
    with connect(settings, say):
        pass
    with SparkResource.from_settings(settings).held(), instance(settings) as dagster:
        job = defs.resolve_job_def(name)
        watcher = Watcher(say, working, sum(1 for _ in job.asset_layer.executable_asset_keys), progress)
        dagster.add_event_listener(run_id, watcher)
        log_run(dagster, job, run_id)
        result = job.execute_in_process(
            instance=dagster,
            run_id=run_id,
            tags=orphans.tags_of_this_process(),
            raise_on_error=False,
            run_config={**(job.run_config or {}), **_SILENT},
        )
    if not result.success and not watcher.failures and not watcher.held_back:
        watcher.failures.append(_unstarted(run_id))
    return result, watcher.report()


def _unstarted(run_id: str) -> str:
    return f"the run failed before its first step; see run {run_id} in the Dagster UI"


def _why(result: dg.ExecuteInProcessResult) -> str:
    """Why a run failed."""
    errors = [event.step_failure_data.error for event in result.get_step_failure_events()]
    return cause_of(errors[0]) if errors and errors[0] else f"see run {result.run_id} in the Dagster UI"


def _selected(defs: dg.Definitions, selection: str) -> set[dg.AssetKey]:
    try:
        with warnings.catch_warnings():
            # Dagster's own parser calls a beta parameter of Dagster's.
            warnings.simplefilter("ignore", dg.BetaWarning)
            # Assets that are computed together, such as the good rows and the rejected ones, are materialized together.
            selected = dg.AssetSelection.from_string(selection).required_multi_asset_neighbors()
            keys = selected.resolve(defs.resolve_asset_graph())
    except Exception as error:  # noqa: BLE001 the parser raises errors of several libraries
        raise UsageError(f"--select {selection!r}: {_first_line(error)}") from None
    if not keys:
        raise UsageError(f"--select {selection!r} selects no asset; `spotify-graph status` lists them")
    return set(keys)


def _upstream(defs: dg.Definitions, keys: set[dg.AssetKey]) -> set[dg.AssetKey]:
    """What assets are computed from, with what is computed together with that."""
    selection = dg.AssetSelection.assets(*keys).upstream(include_self=False).required_multi_asset_neighbors()
    return set(selection.resolve(defs.resolve_asset_graph())) - keys


def _graph() -> set[dg.AssetKey]:
    """The assets of the graph that follow from logs and catalogue alone."""
    return {dg.AssetKey(table.asset) for table in FACTS}


def _by_file(table: LandedTable) -> set[dg.AssetKey]:
    return {dg.AssetKey(name) for name in PARTITIONED[table.name]}


def _needs_neo4j(defs: dg.Definitions, keys: set[dg.AssetKey]) -> bool:
    """Whether some of the assets need Neo4j."""
    graph, needed = defs.resolve_asset_graph(), {"neo4j", "neo4j_io_manager"}
    return any(graph.assets_def_for_key(key).required_resource_keys & needed for key in keys)


def _take_in(
    defs: dg.Definitions,
    dagster: dg.DagsterInstance,
    files: Iterable[LandedFile],
    by_file: Mapping[str, set[dg.AssetKey]],
    watcher: Watcher,
) -> None:
    """Takes in landed files, by the runs that the sensor would ask for."""
    ingests = [Ingest.of(file) for file in files]
    whole = by_file[USER_EVENTS.name] == _by_file(USER_EVENTS)
    for run in runs_of(ingests) if whole else ingests:
        for kind in {it.table.name: it.partitions for it in run.files}.values():
            dagster.add_dynamic_partitions(str(kind.name), [it.file for it in run.files])
        taken = _run_of_many(defs, dagster, watcher, run) if isinstance(run, IngestMany) else set()
        for ingest in run.files:
            if ingest.file not in taken:
                _run(defs, dagster, by_file[ingest.table.name], watcher, ingest)


def _run_of_many(
    defs: dg.Definitions, dagster: dg.DagsterInstance, watcher: Watcher, run: IngestMany
) -> set[str | None]:
    """Takes in files by one run; the files that it did not leave out."""
    run_id, watcher.file = str(uuid4()), None
    dagster.add_event_listener(run_id, watcher)
    job = defs.resolve_job_def(run.job)
    log_run(dagster, job, run_id)
    result = job.execute_in_process(
        instance=dagster,
        run_id=run_id,
        tags={**orphans.tags_of_this_process(), **run.tags},
        raise_on_error=False,
        run_config={**run.run_config, **_SILENT},
    )
    return {event.partition for event in result.get_asset_materialization_events()}


def _run(
    defs: dg.Definitions,
    dagster: dg.DagsterInstance,
    keys: set[dg.AssetKey],
    watcher: Watcher,
    ingest: Ingest | None = None,
    config: Mapping[str, Any] = MappingProxyType({}),
) -> bool:
    """Materializes assets in a run of their own; whether all of them are done, and their gates passed.

    The run that takes in a file is of the job that the sensor asks for, too.
    """
    run_id = str(uuid4())
    watcher.file = ingest.file if ingest else None
    dagster.add_event_listener(run_id, watcher)
    job = defs.resolve_job_def(ingest.job) if ingest else defs.resolve_implicit_global_asset_job_def()
    log_run(dagster, job, run_id, watcher.file)
    result = job.execute_in_process(
        instance=dagster,
        run_id=run_id,
        asset_selection=sorted(keys),
        partition_key=watcher.file,
        tags={**orphans.tags_of_this_process(), **(ingest.tags if ingest else {})},
        raise_on_error=False,
        run_config={**config, **_SILENT},
    )
    done = {event.asset_key for event in result.get_asset_materialization_events()}
    watcher.pass_over(keys - {key for key in done if key})
    if not result.success and not watcher.failures and not watcher.held_back:
        watcher.failures.append(_unstarted(run_id))
    return result.success


def _first_line(error: object) -> str:
    return str(error).strip().splitlines()[0]
