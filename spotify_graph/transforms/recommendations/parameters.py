"""What the models are told: every weight, half-life, cap and size, with the reason for its default."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, create_model

from spotify_graph.graph_model import EVENT_TYPES, POPULARITY_HALF_LIFE_DAYS, EventType

_PAIRS = (10_000, 100_000, 1_000_000)


class _Parameters(BaseModel):
    """The models' parameters, and for each event type its weight, by its name.

    A term is switched off by its neutral value: a weight by 0, a half-life by None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    damping: bool = Field(
        True, description="Whether confidence grows with the logarithm of the weights: the tenth play says less."
    )
    profile_half_life_days: float | None = Field(
        90.0, gt=0, description="After how long an event counts half in what a user likes now; None never forgets."
    )
    cooccurrence_half_life_days: float | None = Field(
        180.0,
        gt=0,
        description="After how long an event counts half in which tracks go together, which lasts longer than what a"
        " user likes now; None never forgets.",
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
    rank: int = Field(
        0,
        ge=0,
        description="How many latent factors a user and a track have. 0 chooses by how many pairs of a user and a track"
        " there are (`sized`).",
    )
    regularization: float = Field(0.03, gt=0, description="How strongly factors are held small.")
    unobserved: float = Field(
        0.3, gt=0, description="The weight of a track that a user never met, beside a unit of feedback."
    )
    linear_tracks: int = Field(
        5_000,
        ge=0,
        description="Of how many tracks, those with most listeners, the linear model is: its work grows with the cube"
        " of them. 0 is none.",
    )
    linear_strength: float = Field(
        10.0,
        gt=0,
        description="The regularization of the linear model, beside the mean of the tracks' listeners.",
    )
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
    unheard: float = Field(
        0.5,
        ge=0,
        description="With how many listeners each track starts within its genre and among its artist's, so that what"
        " nobody has played yet can be recommended by them: half a one, as Krichevsky and Trofimov (1981) count.",
    )
    recommended: int = Field(100, ge=1, le=1000, description="How many tracks are recommended to a user.")
    seed: int = Field(0, ge=0, description="Makes random draws repeatable.")

    def sized(self, pairs: int) -> Self:
        """With the rank that fits the size of the data, unless one is given.

        16 up to 10,000 pairs of a user and a track, 32 up to 100,000, 64 up to a million, then 128: more factors need
        more to learn from, and then pay (Rendle et al., "Revisiting the Performance of iALS on Item Recommendation
        Benchmarks", 2022). The regularization needs no such rule: it grows with what is known of a user or a track, and
        with how many of the others there are.
        """
        return self if self.rank else self.model_copy(update={"rank": 16 * 2 ** sum(pairs > most for most in _PAIRS)})

    @property
    def weights(self) -> Mapping[str, float]:
        """The weight of an event, by event type."""
        return {event.name: getattr(self, event.name) for event in EVENT_TYPES}


def _weight(event: EventType) -> Any:
    """The field of an event type's weight: what speaks for a track never speaks against it, and the other way round."""
    bounds: dict[str, Any] = {"le" if event.weight < 0 else "ge": 0}
    return float, Field(event.weight, description=f"Weight of a {event.name}: {event.because}", **bounds)


if TYPE_CHECKING:
    Parameters = _Parameters
else:
    Parameters = create_model(
        "Parameters",
        __base__=_Parameters,
        __doc__=_Parameters.__doc__,
        __module__=__name__,
        **{event.name: _weight(event) for event in EVENT_TYPES},
    )
