"""A person is forgotten: out of lake, rejected rows, graph, models, imports, history and logs, and then looked for.

What is being done is remembered first, so that the next run completes what a killed one began. In the end every file of
the home is read, and the answer names those in which the id still stands.
"""

from __future__ import annotations

import bz2
import gzip
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING

from spotify_graph import first_load, landing_folder, runs, sample_data, storage
from spotify_graph.automation.cleaning import in_database
from spotify_graph.automation.partitions import FILES
from spotify_graph.care import backups
from spotify_graph.errors import NotFoundError, UsageError, UserError
from spotify_graph.imports import door, landing
from spotify_graph.imports.catalogue import OURS
from spotify_graph.imports.pieces import OF_ACCOUNT, Store
from spotify_graph.lake import cleaning, indexes, manifest, people, removal
from spotify_graph.lake.intake import Intake
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.people import Leaving
from spotify_graph.lake.traces import Traces
from spotify_graph.local import locks
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.parts import SPOOL
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings
from spotify_graph.storage import Address
from spotify_graph.times import utc
from spotify_graph.transforms.landed_files import USER_EVENTS

if TYPE_CHECKING:
    from spotify_graph.run_report import RunReport

_DATABASE = "neo4j/data"
"""What of a home is the database's: no file of it is text."""
_PACKED = {".gz", ".bz2", ".zst", ".zip"}
"""How the names of files end whose words are not to be seen in their bytes."""
_WRITTEN_ANEW = {"dagster.yaml", "neo4j.conf"}
"""Settings, which are written at each start, and in which nobody is named."""


@dataclass(frozen=True)
class Forgotten:
    """How a person was forgotten.

    Attributes:
        events: how many good events were taken out of the lake.
        run: how lake and graph were brought up to date.
        left: the files of the home in which the id still stands, once lake and graph are without it.
        rebuilt: whether the local database was built anew, so that none of its files were written with the id.
        additions: why it was not, though it is a local one; or None.
        sources: files of others that hold the id: in the landing folder, and among the exports.
        backups: the backups that are known to have been made before, and are there.
    """

    events: int
    run: RunReport
    left: tuple[Address, ...] = ()
    rebuilt: bool = False
    additions: str | None = None
    sources: tuple[Address, ...] = ()
    backups: tuple[Path, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing in the home tells of the person any more."""
        return not self.run.failures and not self.run.held_back and not self.left


def forget(
    settings: Settings,
    user_id: str,
    say: Callable[[str], None],
    working: Callable[[str], None],
    progress: Callable[[int, int], None],
    *,
    discard_additions: bool = False,
) -> Forgotten:
    """Forgets a person, and has what lands of them again stay out.

    Args:
        settings: the installation's settings.
        user_id: the person's id, as it is in the graph.
        say: told a line for each asset that is done.
        working: told what is being worked on now.
        progress: told how many assets are done, and of how many.
        discard_additions: build the local database anew also where others have added something to it, which goes.

    Raises:
        UsageError: it is no id.
        NotFoundError: nothing here is about such a person.
        UserError: Neo4j does not answer.
    """
    if not user_id.strip() or user_id != user_id.strip():
        raise UsageError(f"{user_id!r} is no user's id: ids are without white space at both ends")
    with connect(settings, say):
        pass
    with locks.turn(settings, "`spotify-graph forget --user`", say):
        lake = Lake(settings.lake)
        if not people.read(lake.root).has(user_id) and not _is_known(settings, user_id):
            raise NotFoundError(
                f"there is nothing of a user {user_id} in {settings.home} or {settings.landing}: ids are"
                " case-sensitive, and `spotify-graph list users --like TEXT` finds them"
            )
        models = lake.find("recommendation_evaluation") is not None
        since = utc(datetime.now(UTC), "seconds")
        people.begin(lake.root, Leaving(user_id, since, models, discard_additions))
        return _take_out(settings, people.leaving(lake.root)[-1], say, working, progress)


def complete(
    settings: Settings,
    say: Callable[[str], None],
    working: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> list[Forgotten]:
    """Completes what a process began that died: there is nothing to do where none did."""
    if not people.leaving(settings.lake):
        return []
    with locks.turn(settings, "`spotify-graph forget --user`", say):
        waiting = people.leaving(settings.lake)
        if waiting:
            say(f"{len(waiting)} that {'was' if len(waiting) == 1 else 'were'} being forgotten: completing that first")
        return [_take_out(settings, person, say, working, progress) for person in waiting]


def let_back(settings: Settings, user_id: str, say: Callable[[str], None]) -> list[str]:
    """Takes in again what lands of a person who was forgotten.

    Returns:
        The files that will be read again, whose records were kept out.

    Raises:
        NotFoundError: nobody of that id was forgotten.
        UserError: the person is being forgotten now.
    """
    with locks.turn(settings, "`spotify-graph forget --user --undo`", say):
        if any(person.user_id == user_id for person in people.leaving(settings.lake)):
            raise UserError(f"{user_id} is being forgotten: `spotify-graph materialize` completes that first")
        if not people.let_back(settings.lake, user_id):
            raise NotFoundError(f"no user {user_id} was forgotten here: ids are case-sensitive")
        return removal.have_read_again(Lake(settings.lake))


def must_not_be_under_way(settings: Settings) -> None:
    """Makes sure that nobody is being forgotten.

    Raises:
        UserError: somebody is.
    """
    if people.leaving(settings.lake):
        raise UserError("somebody is being forgotten, which was interrupted: `spotify-graph materialize` completes it")


def returned(lake: Lake) -> list[str]:
    """The people who were forgotten, and are in the lake again, as after a restore."""
    known = people.read(lake.root)
    if not known.forgotten:
        return []
    import pyarrow.compute as pc

    found = set()
    for asset in ("raw_user_events", "cleaned_events"):
        for file, named in lake.manifest.of(asset).items():
            for name in {named.latest, named.active} - {None}:
                for path in lake.version(f"{asset}/{file}", str(name)).files:
                    ids = pc.unique(storage.read(path, ["user_id"])["user_id"].drop_null()).to_pylist()
                    found |= {user_id.strip() for user_id in ids if known.has(user_id.strip())}
    return sorted(found)


def _take_out(
    settings: Settings,
    person: Leaving,
    say: Callable[[str], None],
    working: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> Forgotten:
    user_id, lake = person.user_id, Lake(settings.lake)
    working("landed files")
    imported = _out_of_imports(settings, lake, user_id)
    events = imported.events + removal.take_out(lake, user_id)
    rebuild, additions = _rebuild(settings, person, say)
    run = runs.recompute(
        settings, say, working, progress, models=person.models, rebuild=rebuild, take_in=imported.written
    )
    told = Forgotten(events, run, rebuilt=rebuild, additions=additions)
    if not run.complete:
        return told
    working("old versions, history and logs")
    _purge(settings, lake)
    traces = Traces(user_id, *imported.gone)
    for file in _files(settings):
        if _may_be_redacted(settings, file):
            with suppress(FileNotFoundError):
                traces.redact_file(file) if isinstance(file, Path) else traces.redact_json(file)
    people.done(lake.root, user_id)
    working("looking for the id in every file")
    return replace(
        told,
        left=tuple(_traced(traces, _files(settings))),
        sources=tuple(_traced(traces, _sources(settings))),
        backups=tuple(backups.there(settings)),
    )


def _rebuild(settings: Settings, person: Leaving, say: Callable[[str], None]) -> tuple[bool, str | None]:
    """Whether the database is built anew, and why not where it is a local one."""
    if settings.neo4j_uri is not None or not LocalNeo4j(settings).has_database():
        return False, None
    if not person.discard_additions:
        try:
            first_load.must_be_ours(settings, say)
        except UserError as error:
            return False, str(error)
    return True, None


@dataclass(frozen=True)
class _Imported:
    """What became of the histories that were imported.

    Attributes:
        events: how many good events of the person were in the lake.
        gone: the files in the landing folder that had been made for the person alone.
        written: those that were made anew.
    """

    events: int = 0
    gone: tuple[str, ...] = ()
    written: tuple[str, ...] = ()


def _out_of_imports(settings: Settings, lake: Lake, user_id: str) -> _Imported:
    """Takes a person out of the imported histories, and the files that were made of these in the landing folder."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    store = Store(door.root(settings))
    names = store.names()
    changed = False
    for name in names:
        # As the landing folder spells people of a log of many.
        spelled = {user_id, f"{OF_ACCOUNT}{user_id.removeprefix(f'{name}-')}"}
        for piece in store.pieces(name) if name != user_id else ():
            table = pq.read_table(piece.path)
            theirs = pc.fill_null(pc.is_in(table["user"].cast(pa.string()), pa.array(sorted(spelled))), False)
            if pc.any(theirs).as_py():
                new = piece.path.with_name(f".{piece.path.stem}.new")
                pq.write_table(_encoded_anew(table.filter(pc.invert(theirs))), new, compression="zstd")
                new.replace(piece.path)
                changed = True
    own, intake = landing.events_file(user_id), Intake(lake, USER_EVENTS)
    entry = intake.find(own)
    is_own = user_id in names or entry is not None or landing_folder.is_there(settings.landing, own)
    if is_own:
        store.forget(user_id)
        intake.forget(own)
        intake.unknow(own)
        with runs.instance(settings) as dagster:
            dagster.delete_dynamic_partition(str(FILES[USER_EVENTS.name].name), own)
        landing_folder.remove(settings.landing, own)
    if changed or is_own:
        landing.write(store, settings.landing, settings.placeholders)
        written = (*(landing.events_file(name) for name in store.names()), OURS)
        return _Imported((entry.in_graph or 0) if entry else 0, (own,) if is_own else (), written)
    return _Imported()


def _encoded_anew(table: object) -> object:
    """A table whose dictionaries have the words that are used, and no others."""
    import pyarrow as pa

    assert isinstance(table, pa.Table)  # noqa: S101 for the type checker
    columns = [
        column.cast(pa.string()).dictionary_encode() if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, table.column_names).replace_schema_metadata(table.schema.metadata)


def _purge(settings: Settings, lake: Lake) -> None:
    """Removes every version of the lake that is not the newest, whatever its age, and what work left behind."""
    with connect(settings) as driver:
        given = in_database(driver, settings.neo4j_database)
    for path in (lake.root / "graph").glob("*/*"):
        if path.name in given or path.name in _latest(lake, f"graph/{path.parent.name}"):
            with suppress(FileNotFoundError):
                Snapshot.load(path).by_itself()
    cleaning.clean(lake, datetime.now(UTC) + 2 * cleaning.KEPT, given)
    storage.remove(lake.root / SPOOL)
    for file in list(storage.files_in(lake.root)):
        if file.parent.name == indexes.FOLDER:
            # They are made anew when they are asked for.
            file.unlink(missing_ok=True)


def _latest(lake: Lake, entry: str) -> set[str]:
    named = lake.manifest.entries.get(entry)
    return {named.latest} if named else set()


def _is_known(settings: Settings, user_id: str) -> bool:
    traces = Traces(user_id, landing.events_file(user_id))
    files = (file for file in _files(settings) if not _is_of_database(settings, file))
    return next(_traced(traces, files), None) is not None or next(_traced(traces, _sources(settings)), None) is not None


def _traced(traces: Traces, files: Iterator[Address]) -> Iterator[Address]:
    for file in files:
        with suppress(FileNotFoundError):
            if _holds(traces, file):
                yield file


def _holds(traces: Traces, file: Address) -> bool:
    if not isinstance(file, Path):
        if file.suffix not in _PACKED:
            return traces.stands_in(file)
        with TemporaryDirectory(prefix="spotify-graph-") as folder:
            copy = Path(folder, file.name)
            file.fs.get_file(file.path, str(copy))
            return _holds(traces, copy)
    opened: Callable[[Path], IO[bytes]] | None = {".gz": gzip.open, ".bz2": bz2.open}.get(file.suffix)  # type: ignore[assignment]
    try:
        if opened:
            with opened(file) as stream:
                return traces.are_in(stream)
        if file.suffix == ".zst":
            import pyarrow as pa

            with pa.CompressedInputStream(pa.OSFile(str(file)), "zstd") as stream:
                return traces.are_in(stream)
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                return any(_is_in_member(traces, archive, name) for name in archive.namelist())
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        pass  # it is looked at as it is
    return traces.stands_in(file)


def _is_in_member(traces: Traces, archive: zipfile.ZipFile, name: str) -> bool:
    with archive.open(name) as stream:
        return traces.are_in(stream)


def _files(settings: Settings) -> Iterator[Address]:
    """Every file that the platform has written: in the home, in the lake, and where Dagster keeps its history."""
    others = set(_folders_of_others(settings))
    homes = {settings.home, _dagster_home(settings)}
    if isinstance(settings.lake, Path):
        homes.add(settings.lake)
    else:
        yield from storage.files_in(settings.lake)
    roots = [it for it in homes if not any(other in it.parents for other in homes)]
    for root in roots:
        for folder, names, files in os.walk(root):
            names[:] = [name for name in names if Path(folder, name) not in others]
            for name in files:
                file = Path(folder, name)
                if name not in _WRITTEN_ANEW and file.is_file() and not file.is_symlink():
                    yield file


def _sources(settings: Settings) -> Iterator[Address]:
    """The files that people put somewhere, which stay as they are."""
    for root in _folders_of_others(settings):
        yield from sorted(storage.files_in(root), key=str)


def _folders_of_others(settings: Settings) -> tuple[Address, ...]:
    """What lands, exports, and the truth about sample logs."""
    landed = settings.landing
    truth = (sample_data.beside(landed).user_tastes.parent,) if isinstance(landed, Path) else ()
    return landed, settings.exports, *truth


def _may_be_redacted(settings: Settings, file: Address) -> bool:
    """Whether it is history, a log or a record of what was found: texts, in which no program looks for an id."""
    lake, dagster = settings.lake, _dagster_home(settings)
    told = {dagster, settings.home / "failures", settings.home / "logs", settings.home / "neo4j" / "logs"}
    if lake in file.parents:
        return file.suffix == ".json" and file.parent.name not in {people.FOLDER, manifest.FOLDER}
    return any(folder in file.parents for folder in told)


def _dagster_home(settings: Settings) -> Path:
    return Path(os.environ.get("DAGSTER_HOME") or settings.dagster_home)


def _is_of_database(settings: Settings, file: Address) -> bool:
    return (settings.home / _DATABASE) in file.parents
