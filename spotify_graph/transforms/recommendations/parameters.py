"""What the models are told: every weight, half-life, cap and size, with the reason for its default."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from spotify_graph.graph_model import LIKE, PAUSE, PLAY, POPULARITY_HALF_LIFE_DAYS, SEEK, SKIP


class Parameters(BaseModel):
    """The models' parameters. A term is switched off by its neutral value: a weight by 0, a half-life by None."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    play: float = Field(1.0, ge=0, description="Weight of a play: the unit.")
    like: float = Field(
        2.0, ge=0, description="Weight of a like: said on purpose, and a tenth as frequent as plays; worth two of them."
    )
    pause: float = Field(
        0.3, ge=0, description="Weight of a pause: somebody listened until then, and may come back; weak evidence."
    )
    seek: float = Field(
        0.3, ge=0, description="Weight of a seek: somebody looks for a place in the track; weak evidence."
    )
    skip: float = Field(
        -0.5,
        le=0,
        description="Weight of a skip: it speaks against the track, and never counts as a play. Less than a play,"
        " because people also skip what they like when the moment is wrong.",
    )
    damping: bool = Field(
        True, description="Whether confidence grows with the logarithm of the weights: the tenth play says less."
    )
    profile_half_life_days: float | None = Field(
        90.0, gt=0, description="After how long an event counts half in what a user likes now; None never forgets."
    )
    cooccurrence_half_life_days: float | None = Field(
        45.0,
        gt=0,
        description="After how long an event counts half in which tracks go together. What was heard in the same weeks"
        " says more about that than what was heard in the same year, while a user's taste lasts; None never forgets.",
    )
    popularity_half_life_days: float | None = Field(
        float(POPULARITY_HALF_LIFE_DAYS),
        gt=0,
        description="After how long a listener counts half in a track's popularity; None never forgets.",
    )
    history_cap: int = Field(
        100,
        ge=2,
        description="How many tracks of a user count for which tracks and users go together: the strongest ones."
        " Pairs grow with the square of a history, and with the cap only with the number of users.",
    )
    neighbours: int = Field(100, ge=1, description="How many neighbours of a track are kept.")
    bm25_k1: float = Field(1.2, ge=0, description="How soon a higher confidence stops to count for more, as in BM25.")
    bm25_b: float = Field(0.75, ge=0, le=1, description="How much a long history counts for less, as in BM25.")
    rank: int = Field(16, ge=1, description="How many latent factors a user and a track have.")
    regularization: float = Field(0.05, gt=0, description="How strongly factors are held small.")
    alpha: float = Field(1.0, gt=0, description="What a unit of feedback adds to the confidence 1 of no feedback.")
    iterations: int = Field(8, ge=1, description="How often the factors of users and of tracks are solved in turn.")
    similar_users: int = Field(50, ge=1, description="How many similar users are kept of a user.")
    similar_among: int = Field(
        20_000,
        ge=1,
        description="Among how many users, those with most confidence, similar ones are sought: so that the work grows"
        " with the number of users and not with its square.",
    )
    prior: float = Field(
        2.0, gt=0, description="How many units of confidence everybody's genres and artists weigh beside a user's own."
    )
    recommended: int = Field(100, ge=1, le=1000, description="How many tracks are recommended to a user.")
    seed: int = Field(0, ge=0, description="Makes random draws repeatable.")

    @property
    def weights(self) -> Mapping[str, float]:
        """The weight of an event, by event type."""
        return {
            PLAY.name: self.play,
            LIKE.name: self.like,
            PAUSE.name: self.pause,
            SEEK.name: self.seek,
            SKIP.name: self.skip,
        }
