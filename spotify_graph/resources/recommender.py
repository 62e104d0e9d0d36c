"""The models' parameters and how they are evaluated, as configuration."""

import json
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel, Field, ValidationError

from spotify_graph.errors import UserError
from spotify_graph.settings import Settings
from spotify_graph.transforms.evaluation.protocol import Protocol
from spotify_graph.transforms.recommendations.parameters import Parameters


class Recommender(dg.ConfigurableResource[None]):
    """What the models and their evaluation are told. `SPOTIFY_GRAPH_RECOMMENDER`, a JSON object, overrides defaults."""

    # As text, because a map in Dagster's configuration holds no null.
    overrides: str = Field(
        default="{}",
        description="A JSON object: values in place of the defaults, by the names in"
        " transforms/recommendations/parameters.py and transforms/evaluation/protocol.py. The search starts from them.",
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The configuration of an installation.

        Raises:
            UserError: there is no such parameter, or its value is out of range.
        """
        unknown = [name for name in settings.recommender if name not in {*_names(Parameters), *_names(Protocol)}]
        if unknown:
            known = ", ".join([*_names(Parameters), *_names(Protocol)])
            raise UserError(f"SPOTIFY_GRAPH_RECOMMENDER: there is no {unknown[0]}; there are {known}")
        found = cls(overrides=json.dumps(settings.recommender, sort_keys=True))
        try:
            _ = found.parameters, found.protocol
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise UserError(f"SPOTIFY_GRAPH_RECOMMENDER: {where}: {first['msg']}") from None
        return found

    @property
    def parameters(self) -> Parameters:
        """The models' parameters, before any is tuned."""
        return Parameters(**self._of(Parameters))

    @property
    def protocol(self) -> Protocol:
        """How the evaluation is made."""
        return Protocol(**self._of(Protocol))

    def _of(self, model: type[BaseModel]) -> dict[str, Any]:
        return {name: value for name, value in json.loads(self.overrides).items() if name in model.model_fields}


def _names(model: type[BaseModel]) -> list[str]:
    return list(model.model_fields)
