"""The job with which an operator lets a refused version through; its configuration is recorded with its run."""

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from pydantic import Field

from spotify_graph.automation import held_back
from spotify_graph.io_managers.pages import Pages
from spotify_graph.lake import acceptance
from spotify_graph.markdown import escaped
from spotify_graph.resources.lake import LakeResource, LandingFolder


class AcceptConfig(dg.Config):
    """What to let through, and why."""

    version: str = Field(description="The refused version, as the refusal names it, or the landed file's name.")
    because: str = Field(min_length=1, description="Why it may go on into the graph; kept with the version.")


@dg.op(name="accept_version")
def _accept(
    context: dg.OpExecutionContext, config: AcceptConfig, lake: LakeResource, landing: LandingFolder, pages: Pages
) -> None:
    accepted = acceptance.accept(lake.lake, config.version, config.because)
    metadata = {"version": accepted.version.name, "accepted": config.because, "run": context.run_id}
    if accepted.file:
        # A refused file's partition counts as failed until then.
        page = pages.unchanged(accepted.asset, accepted.version.path, accepted=config.because, run=context.run_id)
        tags = {DATA_VERSION_TAG: accepted.version.name}
        context.log_event(
            dg.AssetMaterialization(accepted.asset, partition=accepted.file, metadata=page.metadata, tags=tags)
        )
        held_back.report(context.instance, landing.folder, lake.lake)
    else:
        context.log_event(dg.AssetObservation(accepted.asset, metadata=metadata))
    for check in accepted.checks:
        # The newest result of a check decides whether automation goes on.
        context.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(accepted.asset),
                check_name=check,
                passed=True,
                blocking=True,
                description=f"{accepted.file + ' is ' if accepted.file else ''}accepted: {escaped(config.because)}",
                metadata={name: dg.MetadataValue.text(value) for name, value in metadata.items()},
                partition=accepted.file,
            )
        )


@dg.job(
    name="accept_refused_version",
    description="Lets a version through that a gate refused, such as a landed file, and keeps the reason with it."
    " Materialize what follows it then.",
)
def accept() -> None:
    """Lets a refused version through."""
    _accept()
