"""The thresholds of the gates, as configuration."""

from typing import Self

import dagster as dg
from pydantic import Field, ValidationError

from spotify_graph.errors import UserError
from spotify_graph.settings import Settings


class Gates(dg.ConfigurableResource[None]):
    """Where each gate draws its line. `SPOTIFY_GRAPH_GATES`, a JSON object, overrides the defaults."""

    rejected_error: float = Field(
        default=0.05, ge=0, le=1, description="A file with a larger share of rejected rows stays out."
    )
    rejected_warn: float = Field(default=0.005, ge=0, le=1, description="A larger share of rejected rows is a warning.")
    duplicates_warn: float = Field(
        default=0.05, ge=0, le=1, description="A larger share of duplicate rows is a warning."
    )
    uncatalogued_warn: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="A larger share of events on tracks that the catalogue lacks is a warning.",
    )
    drop_error: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="A larger drop of events, users or tracks since the last publication is stopped.",
    )
    stale_warn_hours: float = Field(
        default=48, gt=0, description="It's a warning when the newest event is older than this many hours."
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The thresholds of an installation.

        Raises:
            UserError: there is no such threshold, or its value is out of range.
        """
        unknown = [name for name in settings.gates if name not in cls.model_fields]
        if unknown:
            known = ", ".join(name for name in cls.model_fields if not name.startswith("_"))
            raise UserError(f"SPOTIFY_GRAPH_GATES: there is no {unknown[0]}; there are {known}")
        try:
            return cls(**settings.gates)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise UserError(f"SPOTIFY_GRAPH_GATES: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
