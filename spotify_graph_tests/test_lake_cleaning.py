"""What goes of a lake, and what stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from spotify_graph.lake.cleaning import KEPT, Cleaned, clean, is_due
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import Record, Version
from spotify_graph.neo4j_io import revision, staging
from spotify_graph_tests.keyed_rows import Contents, change, contents, rows
from spotify_graph_tests.people import CITY, SCHEMAS, as_parts, as_table

ROWS = pa.table({"n": [1]})
NUMBERS = "numbers/user_events.csv"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def put(lake: Lake) -> Version:
    version = lake.write_table(NUMBERS, ROWS)
    lake.put({NUMBERS: version})
    return version


def later(**more: int) -> datetime:
    """A moment after what was put now may go."""
    return datetime.now(UTC) + KEPT + timedelta(minutes=1, **more)


def test_what_no_manifest_names_any_more_goes_and_what_the_newest_names_stays(lake: Lake) -> None:
    old, new = put(lake), put(lake)
    found = clean(lake, later())
    assert (found.manifests, found.versions) == (1, 1)
    assert found.bytes > 0
    assert not old.path.exists()
    assert lake.latest(NUMBERS) == new
    assert clean(lake, later()) == Cleaned(0, 0, 0)


def test_within_a_day_nothing_goes(lake: Lake) -> None:
    old, new = put(lake), put(lake)
    unseen = lake.write_table(NUMBERS, ROWS)
    assert clean(lake, datetime.now(UTC)) == Cleaned(0, 0, 0)
    assert all(it.path.exists() for it in (old, new, unseen))


def test_what_a_table_with_a_key_is_made_of_stays_with_it(lake: Lake) -> None:
    keys = {"main": ("owner", "thing")}
    first, _ = lake.write_tables("things", "main", [lambda: (rows({("o", 1): 1}), None)], lambda _: {}, keys, Record())
    lake.put({"things": first})
    new: Contents = {("o", 1): 2}
    last = lake.revise_tables("things", "main", first, {"main": change({("o", 1): 1}, new)}, Record())
    lake.put({"things": last})
    clean(lake, later())
    assert contents(lake.latest("things").table("main").read()) == new
    # A base of its own: the former one is not needed any more.
    many: Contents = {("o", number): number for number in range(5_000)}
    lake.put({"things": lake.revise_tables("things", "main", last, {"main": change(new, many)}, Record())})
    clean(lake, later())
    assert not first.path.exists()
    assert contents(lake.latest("things").table("main").read()) == many


def test_what_was_never_put_goes(lake: Lake) -> None:
    put(lake)
    unseen = lake.write_table(NUMBERS, ROWS)
    assert clean(lake, later()).versions == 1
    assert not unseen.path.exists()


def test_what_was_forgotten_goes_with_its_folder(lake: Lake) -> None:
    put(lake)
    lake.put({}, without=[NUMBERS])
    assert clean(lake, later()).versions == 1
    assert not (lake.root / NUMBERS).exists()


def test_what_the_database_was_given_stays_with_what_it_differs_from(lake: Lake) -> None:
    root = lake.root / "graph"
    cities, new = (as_table(rows, SCHEMAS[CITY]) for rows in ([(f"city {n}",) for n in range(200)], [("new",)]))
    base, other = (staging.stage(as_parts(cities), CITY, root) for _ in range(2))
    revised = revision.revise(base, new.slice(1), new, CITY)
    assert revised.base == base.version
    assert clean(lake, later(), [revised.version]).versions == 1
    assert not other.path.exists()
    assert staging.Snapshot.load(revised.path).read().num_rows == 201
    assert clean(lake, later()).versions == 2


def test_cleaning_is_due_once_something_could_have_gone_for_a_day(lake: Lake) -> None:
    put(lake)
    assert not is_due(lake, later(days=9))
    put(lake)
    assert not is_due(lake, later())
    assert is_due(lake, later(days=1))
    clean(lake, later(days=1))
    assert not is_due(lake, later(days=1))
