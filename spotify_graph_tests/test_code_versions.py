"""What changes the name of some code, over a small package; and which code the assets depend on."""

from collections.abc import Callable, Iterator

import pytest

from spotify_graph import code_versions
from spotify_graph.automation import health, held_back
from spotify_graph.code_versions import code_of
from spotify_graph.definitions import build_defs
from spotify_graph_tests.edited import an_edit  # noqa: F401 the fixture `edit`

CLEANING = '''"""Cleaning."""
from shop.words import WORDS

def clean(rows):
    """Takes out what is no word."""
    from shop import limits
    return [row for row in rows if row in WORDS][: limits.MOST]
'''
TIDIED = CLEANING.replace('"""Cleaning."""', "# Which rows are good.").replace("no word", "none")


MODULES = {
    "__init__": "",
    "cleaning": CLEANING,
    "words": "import json\nfrom shop.report import COLOUR\nWORDS = {'a'}\n",
    "limits": "MOST = 3\n",
    "report": "COLOUR = 'red'\n",
}
"""A package whose cleaning takes words from one module, and a limit from another that is imported later."""

Code = Callable[..., str]


@pytest.fixture(scope="module")
def cleaning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Code]:
    """Gives the name of the package's code for cleaning, with other texts for some of its modules."""
    folder = tmp_path_factory.mktemp("code") / "shop"
    folder.mkdir()

    def code(**texts: str) -> str:
        for name, text in (MODULES | texts).items():
            (folder / f"{name}.py").write_text(text)
        code_of.cache_clear()
        code_versions._read.cache_clear()
        return code_of("shop.cleaning", within=("shop.cleaning", "shop.words", "shop.limits"))

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder.parent)
        yield code


def test_a_comment_a_docstring_and_a_line_break_leave_the_code_what_it_was(cleaning: Code) -> None:
    assert TIDIED != CLEANING
    assert cleaning(cleaning=f"\n{TIDIED}\n# the end") == cleaning()


@pytest.mark.parametrize(
    "texts",
    [
        {"cleaning": CLEANING.replace("in WORDS", "not in WORDS")},
        {"words": "WORDS = {'a', 'b'}\n"},
        {"limits": "MOST = 4\n"},
    ],
    ids=["itself", "what it imports", "what it imports within a function"],
)
def test_a_rule_that_changes_makes_it_other_code(cleaning: Code, texts: dict[str, str]) -> None:
    assert cleaning(**texts) != cleaning()


def test_what_lies_outside_plays_no_part(cleaning: Code) -> None:
    assert cleaning(report="COLOUR = 'blue'\n") == cleaning()


def test_a_module_that_is_not_there_is_an_error(cleaning: Code) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"shop\.nothing"):
        code_of("shop.nothing")


def test_dagster_shows_the_code_that_each_asset_is_computed_by() -> None:
    versions = {spec.key.to_user_string(): spec.code_version for spec in build_defs().resolve_all_asset_specs()}
    for page in (held_back.ASSET, health.ASSET):
        del versions[page]  # nothing computes it
    assert all(versions.values()), versions
    together = [
        ("cleaned_events", "rejected_events"),
        ("cleaned_tracks", "rejected_tracks"),
        ("similar_track_edges", "similar_user_edges", "recommended_edges"),
    ]
    assert all(len({versions[asset] for asset in assets}) == 1 for assets in together)
    apart = {"raw_user_events", "raw_tracks", "cleaned_events", "interactions", "track_nodes"}
    apart |= {"played_edges", "recommendation_evaluation", "recommended_edges"}
    assert len({versions[asset] for asset in apart}) == len(apart)


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("spotify_graph.assets.report", set()),
        ("spotify_graph.transforms.evaluation.metrics", {"evaluation"}),
        ("spotify_graph.transforms.recommendations.factors", {"evaluation", "models"}),
        ("spotify_graph.transforms.graph_tables", {"graph"}),
        ("spotify_graph.graph_model", {"files", "graph", "evaluation", "models"}),
    ],
)
def test_only_what_depends_on_a_module_changes_with_it(
    edited: str, changed: set[str], edit: Callable[[str], None]
) -> None:
    roots = {
        "files": "spotify_graph.transforms.cleaning",
        "graph": "spotify_graph.assets.nodes",
        "evaluation": "spotify_graph.assets.held_out",
        "models": "spotify_graph.assets.recommendations",
    }
    before = {what: code_of(module) for what, module in roots.items()}
    edit(edited)
    assert {what for what, module in roots.items() if code_of(module) != before[what]} == changed
