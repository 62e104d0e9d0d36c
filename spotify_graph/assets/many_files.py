"""The job that takes in many landed files of events by one run: the same as `ingest_events` does, file after file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from pydantic import Field

from spotify_graph.assets import cleaned, raw
from spotify_graph.automation import held_back
from spotify_graph.automation.ingest import INGEST_MANY
from spotify_graph.checks import gates as gate
from spotify_graph.io_managers.pages import Pages
from spotify_graph.lake.intake import Intake, refusal_of
from spotify_graph.lake.verdicts import Finding
from spotify_graph.lake.versions import Version
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.lake import LakeResource, LandingFolder
from spotify_graph.resources.spark import SparkResource
from spotify_graph.transforms.landed_files import USER_EVENTS, check_name

AT_ONCE = 50
"""How many files the lake and Dagster are told of at once: so many are done again at most where a run is killed."""


class ManyFilesConfig(dg.Config):
    """What to take in."""

    files: list[str] = Field(description="The files, by name.")


@dataclass(frozen=True)
class _Taken:
    """A file whose gates have let it through. Nobody sees it yet.

    Attributes:
        versions: what was written of it, by asset.
        pages: what Dagster's pages say of that.
        findings: what the gates found, by asset.
    """

    versions: Mapping[str, Version]
    pages: tuple[dg.MaterializeResult[Any], ...]
    findings: Mapping[str, list[Finding]]

    def events(self, file: str) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
        """What Dagster is told of the file's partition."""
        for page in self.pages:
            tags = {DATA_VERSION_TAG: page.data_version.value} if page.data_version else None
            assert page.asset_key  # noqa: S101 every page names its asset
            yield dg.AssetMaterialization(page.asset_key, partition=file, metadata=page.metadata, tags=tags)
        for asset, findings in self.findings.items():
            for finding in findings:
                yield _evaluation(gate.of_file(finding, asset, file, self.versions[asset].name), file)


@dg.op(name="take_in_files", out=dg.Out(dg.Nothing))
def _take_in(
    context: dg.OpExecutionContext,
    config: ManyFilesConfig,
    spark: SparkResource,
    gates: Gates,
    lake: LakeResource,
    landing: LandingFolder,
    pages: Pages,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation | dg.Output[None]]:
    """Takes in what the gates let through. Any other file is left to a run of its own, which shows what is wrong."""
    intake = Intake(lake.lake, USER_EVENTS)
    files, taken = list(map(check_name, config.files)), 0
    for start in range(0, len(files), AT_ONCE):
        found: dict[str, _Taken] = {}
        for file in files[start : start + AT_ONCE]:
            try:
                it = _examined(intake, file, spark, gates, landing, pages)
            except (OSError, MemoryError):  # such as a full disk, which says nothing about the file
                raise
            except Exception:
                context.log.warning(f"{file} is left to a run of its own", exc_info=True)
                continue
            if isinstance(it, _Taken):
                found[file] = it
            else:
                context.log.warning(f"{file} is left to a run of its own: {it}")
        # Dagster first: what it is told of again does no harm, and what it is not told of never gets into the graph.
        for file, it in found.items():
            yield from it.events(file)
        versions = {file: it.versions for file, it in found.items()}
        held_back.record_all(context.instance, landing.folder, intake, versions)
        taken += len(found)
        context.log.info(f"{taken} of {len(files)} files are taken in")
    yield dg.Output(None, metadata={"files": len(files), "taken in": taken})


def _examined(
    intake: Intake, file: str, spark: SparkResource, gates: Gates, landing: LandingFolder, pages: Pages
) -> _Taken | str | None:
    """A file that the gates let through, or why they don't."""
    records, read, page = raw.take_in(intake, landing, pages, file)
    if page is None:
        return next(finding.description for finding in read if finding.refuses)
    it = cleaned.judge(intake.lake, records, file, spark, gates, landing, pages, pictures=False)
    if not it.version.record.holds:
        return refusal_of(it.version)
    return _Taken(
        {"raw_user_events": records, "cleaned_events": it.version, "rejected_events": it.rejected},
        (page, *it.pages),
        {"raw_user_events": read, "cleaned_events": list(it.findings)},
    )


def _evaluation(result: dg.AssetCheckResult, file: str) -> dg.AssetCheckEvaluation:
    assert result.asset_key  # noqa: S101 every result names both
    assert result.check_name  # noqa: S101
    return dg.AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
        partition=file,
    )


@dg.job(
    name=INGEST_MANY,
    description="Takes in many user-event files by one run, as `ingest_events` does with one. A file that can't go into"
    " the graph is left to a run of its own.",
)
def ingest_many() -> None:
    """Takes in many files."""
    _take_in()
