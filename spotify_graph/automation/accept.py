"""The job with which an operator lets a refused version through; its configuration is recorded with its run."""

import dagster as dg
from pydantic import Field

from spotify_graph.io_managers import acceptance
from spotify_graph.settings import Settings


class AcceptConfig(dg.Config):
    """What to let through, and why."""

    version: str = Field(description="The refused version, as the refusal names it.")
    because: str = Field(min_length=1, description="Why it may go on into the graph; kept with the version.")


@dg.op(name="accept_version")
def _accept(context: dg.OpExecutionContext, config: AcceptConfig) -> None:
    asset, checks = acceptance.accept(Settings.load().lake, config.version, config.because)
    metadata = {"version": config.version, "accepted": config.because, "run": context.run_id}
    context.log_event(dg.AssetObservation(asset, metadata=metadata))
    for check in checks:
        # The newest result of a check decides whether automation goes on.
        context.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(asset),
                check_name=check,
                passed=True,
                blocking=True,
                description=f"accepted: {config.because}",
                metadata={name: dg.MetadataValue.text(value) for name, value in metadata.items()},
            )
        )


@dg.job(name="accept", description="Lets a refused version through, on purpose. Materialize what follows it then.")
def accept() -> None:
    """Lets a refused version through."""
    _accept()
