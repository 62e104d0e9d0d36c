"""How near the models come to the best ranking there is, on logs as real listeners leave them.

A fifth of what each listener likes is held out of the log, the parameters are searched in what is left, and who knows
how the log was drawn says what could be found.
"""

from pathlib import Path

import pytest

from spotify_graph.transforms.evaluation import metrics
from spotify_graph.transforms.evaluation.rankers import baselines, combined
from spotify_graph.transforms.recommendations.scores import MODELS
from spotify_graph_tests.real_like_logs import KINDS, generate
from spotify_graph_tests.real_tastes import RealTastes

SHARE = {**dict.fromkeys(KINDS, 0.9), "drift": 0.87}
"""How much of what the best ranking finds is to be found: less where what listeners have left still speaks for them."""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_recommended_finds_nine_tenths_of_what_can_be_found_and_no_single_model_surely_more(
    tmp_path: Path, kind: str, seed: int
) -> None:
    tastes = RealTastes.learned(generate(KINDS[kind], seed), tmp_path)
    [combination, best] = tastes.recalls({"all": combined(tastes.tuned.combination), "best": tastes.best}).values()
    assert combination.mean() >= SHARE[kind] * best.mean()
    for single, values in tastes.recalls({**baselines(), **MODELS}).items():
        assert metrics.mean(values - combination).low <= 0, single
