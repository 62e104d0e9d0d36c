"""How the evaluation is made."""

from pydantic import BaseModel, ConfigDict, Field


class Protocol(BaseModel):
    """What the evaluation is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tune: bool = Field(True, description="Whether parameters are searched in the validation window.")
    search_days: int = Field(
        7,
        ge=0,
        description="For how many days of new events the parameters that a search found are kept: what was best a few"
        " days ago is so today, and a search nearly doubles the time of an evaluation. 0 searches each time.",
    )
    window_days: int | None = Field(
        None, ge=1, description="Days in each window; a tenth of the log, at the most 28 days, where None."
    )
    gap_days: int = Field(1, ge=0, description="Days between what is known and what is predicted.")
    users: int = Field(5_000, ge=1, description="How many users are asked at the most.")
    served_users: int = Field(
        200, ge=0, description="How many of them are also served from the graph, to measure what is served."
    )
