"""What is done when the step of an asset has failed."""

from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, cast

import dagster as dg
from dagster._utils.error import serializable_error_info_from_exc_info

from spotify_graph import landing_folder
from spotify_graph.automation import held_back
from spotify_graph.automation.failures import cause_of
from spotify_graph.lake.intake import FailedIntake, Intake
from spotify_graph.lake.lake import Lake
from spotify_graph.settings import Settings
from spotify_graph.transforms.landed_files import LandedTable, path_of


def recorded_with_its_file(table: LandedTable) -> dg.HookDefinition:
    """Records an error that says nothing about the file that was to be taken in: it is to be tried again.

    A hook, because an asset's body never learns of what fails around it, as in its IO manager or in Dagster.

    Args:
        table: the kind of files.
    """

    @dg.failure_hook(name=f"recorded_with_its_file_of_{table.name}")
    def recorded(context: dg.HookContext) -> None:
        error = context.op_exception
        run = context.instance.get_run_by_id(context.run_id)
        file = run.tags.get("dagster/partition") if run else None
        if file is None or error is None or isinstance(error, held_back.FileRefused):
            return
        settings = Settings.load()
        # What has left the landing folder can't be tried again; what a store doesn't give is new until it does.
        with suppress(FileNotFoundError, ConnectionError):
            failure = FailedIntake(
                digest=landing_folder.digest(settings.landing, path_of(file)),
                at=datetime.now(UTC).isoformat(timespec="seconds"),
                reason=cause_of(_info(error)),
                run_id=context.run_id,
            )
            lake = Lake(settings.lake)
            Intake(lake, table).fail(file, failure)
            held_back.report(context.instance, settings.landing, lake)

    return recorded


def _info(error: BaseException) -> Any:
    return serializable_error_info_from_exc_info((type(error), error, cast("TracebackType", error.__traceback__)))
