"""The watch on people's exports, in their own folder and in the landing folder, and the job that takes them in."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
from pydantic import Field

from spotify_graph import landing_folder
from spotify_graph.errors import UserError
from spotify_graph.imports import door
from spotify_graph.imports.dropped import Dropped, Seen, dropped
from spotify_graph.imports.report import Report
from spotify_graph.settings import Settings
from spotify_graph.storage import Address
from spotify_graph.transforms.landed_files import is_being_written, table_of


class ImportConfig(dg.Config):
    """What to import."""

    path: str = Field(description="What to import: the path of a folder, an archive or a file.")
    user: str | None = Field(
        None, description="Whose it is; else names of folders or archives say it, one for each person."
    )
    mapping: str | None = Field(
        None, description="What the columns of another log mean: the path of a TOML file, or the name of a mapping."
    )
    replace: bool = Field(False, description="Whether what was imported before for these people is dropped.")


@dg.op(name="import_history")
def _import(context: dg.OpExecutionContext, config: ImportConfig) -> None:
    try:
        report = door.take(
            Settings.load(),
            Path(config.path),
            user=config.user,
            mapped_by=config.mapping,
            replace=config.replace,
            say=context.log.info,
        )
    except UserError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    for line in report.notes:
        context.log.info(line)
    metadata = _metadata(report)
    context.add_output_metadata(metadata)
    if not report.complete:
        raise dg.Failure("; ".join(report.refusals), metadata=metadata, allow_retries=False)


def _metadata(report: Report) -> dict[str, dg.MetadataValue]:
    return {
        "files": dg.MetadataValue.json(report.file_rows()),
        "histories": dg.MetadataValue.json(report.user_rows()),
        "events": dg.MetadataValue.int(sum(sum(it.events.values()) for it in report.users)),
    }


@dg.job(description="Takes in listening histories, such as Spotify's downloads: they go into the landing folder.")
def import_listening_histories() -> None:
    """Takes in listening histories."""
    _import()


def lying(settings: Settings) -> list[Dropped]:
    """The exports in the folder for them, and those in the landing folder."""
    seen = Seen(door.root(settings)).read()
    return dropped([*_entries(settings.exports), *_not_logs(settings.landing)], seen)


def in_landing(settings: Settings) -> dict[str, Dropped]:
    """The exports in the landing folder, by name."""
    return {it.path.name: it for it in dropped(_not_logs(settings.landing), Seen(door.root(settings)).read())}


def _entries(folder: Path) -> Iterator[Path]:
    try:
        names = os.listdir(folder)  # noqa: PTH208 names, no paths
    except OSError:  # most have none
        return
    yield from (folder / name for name in names if not is_being_written(name))


def _not_logs(folder: Address) -> Iterator[Path]:
    """What lies there and is neither a log nor a folder of logs. An export is one of this machine's."""
    if isinstance(folder, Path):
        found = (path for path in _entries(folder) if not table_of(path.name))
        yield from (path for path in found if not path.is_dir() or not landing_folder.has_logs(folder, path.name))


def take_lying(settings: Settings, say: Callable[[str], None]) -> list[str]:
    """Imports the exports that lie there and were not imported yet.

    Args:
        settings: the installation's settings.
        say: told of each of them.

    Returns:
        A line for each that was not, or not wholly, and why.
    """
    refused = []
    for it in lying(settings):
        if it.known or it.fault:
            continue
        try:
            report = door.take(settings, it.path, user=it.name)
        except UserError as error:
            refused.append(str(error))
            continue
        taken, aside = (sum(row[name] for row in report.file_rows()) for name in ("taken", "set_aside"))
        say(f"{it.name}: {taken:,} events are taken of an export, {aside:,} rows set aside")
        for note in report.notes:
            say(note)
        refused += report.refusals
    return refused


@dg.sensor(
    job=import_listening_histories,
    minimum_interval_seconds=20,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks for people's exports, in their folder and in the landing folder, and has each of them imported.",
)
def new_exports(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Asks for one run for each export, once it is complete: unchanged over two looks."""
    settings = Settings.load()
    found = [it for it in lying(settings) if not it.known]
    before = json.loads(context.cursor or "{}")
    settled = [it for it in found if it.name and before.get(str(it.path)) == it.mark]
    unsettled = [it for it in found if it.name and it not in settled]
    unnamed = [it.fault for it in found if it.fault]
    for fault in unnamed:
        context.log.warning(fault)
    said = [
        f"{len(settled)} exports to import now",
        f"{len(unsettled)} waiting to become stable" if unsettled else "",
        f"not imported: {'; '.join(unnamed)}" if unnamed else "",
    ]
    report = f"{settings.exports} and {settings.landing}: {', '.join(filter(None, said))}"
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{it.path.name}@{it.mark[:16]}",
                run_config={"ops": {"import_history": {"config": {"path": str(it.path), "user": it.name}}}},
            )
            for it in settled
        ],
        skip_reason=None if settled else dg.SkipReason(report),
        cursor=json.dumps({str(it.path): it.mark for it in found if it.name}),
    )
