"""The page of guarantees says what the tests hold."""

import ast
import re
from pathlib import Path

from spotify_graph_tests.guarantees import PAGE, with_table

HELD_BY = re.compile(r"`(test_\w+)::(test_\w+)`")


def test_the_table_of_hostile_files_on_the_page_is_the_one_that_is_tested() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "`make guarantees` writes it anew"


def test_every_test_that_the_page_names_is_there() -> None:
    named = HELD_BY.findall(PAGE.read_text(encoding="utf-8"))
    assert named
    there = {
        (file.stem, it.name)
        for file in Path(__file__).parents[1].glob("spotify_graph*_tests/test_*.py")
        for it in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(it, ast.FunctionDef)
    }
    assert set(named) - there == set()
