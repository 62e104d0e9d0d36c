"""Tables as people read them in a terminal that is 80 columns wide, and in a file."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from spotify_graph.tables import fits, lay_out


def test_a_table_that_fits_has_a_line_for_each_row_and_numbers_at_their_right_end() -> None:
    layout = lay_out(("what", "count"), [("User", "7"), ("Track", "1,200")], 80, numeric=(False, True))
    assert layout.head == ("what   count",)
    assert layout.body == ("User       7", "Track  1,200")


def test_no_line_ends_in_blanks() -> None:
    layout = lay_out(("a", "note"), [("x", ""), ("y", "something")], 80)
    assert layout.head == ("a  note",)
    assert layout.body == ("x", "y  something")


def test_a_cell_that_is_too_wide_is_wrapped_between_words() -> None:
    layout = lay_out(("id", "title"), [("1", "a very long title of a track")], 20)
    assert layout.body == ("1   a very long", "    title of a track")


def test_a_sentence_for_which_too_little_room_is_left_goes_under_its_row() -> None:
    rows = [("1", "a title of a track", "because you liked one thing and another"), ("2", "another title", "")]
    layout = lay_out(("rank", "title", "because"), rows, 30, numeric=(True, False, False))
    assert layout.head == ("rank  title", "    because")
    assert layout.body == (
        "   1  a title of a track",
        "    because you liked one",
        "    thing and another",
        "   2  another title",
    )


def test_what_is_wide_beyond_that_is_written_upright_without_empty_columns() -> None:
    rows = [("a" * 12, "b" * 12, "c d e"), ("x", "", "z")]
    layout = lay_out(("first", "second", "third"), rows, 20)
    assert layout.head == ()
    assert layout.body == (f"first   {'a' * 12}", f"second  {'b' * 12}", "third   c d e", "", "first   x", "third   z")


def test_wide_characters_count_for_two() -> None:
    layout = lay_out(("name", "n"), [("東京", "1"), ("Bach", "2")], 80, numeric=(False, True))
    assert layout.body == ("東京  1", "Bach  2")


def test_no_rows_leave_the_head() -> None:
    assert lay_out(("a", "b"), [], 80).head == ("a  b",)
    assert lay_out(("a", "b"), [], 80).body == ()


def test_whether_a_table_fits_is_known_before() -> None:
    assert fits(("a", "b"), [("12345", "1")], 8)
    assert not fits(("a", "b"), [("12345", "1")], 7)


cells = st.text(st.sampled_from("ab é東"), max_size=60).map(lambda text: " ".join(text.split()))


@given(st.lists(st.tuples(cells, cells, cells), max_size=4), st.integers(20, 100))
def test_every_word_is_whole_and_only_a_word_sticks_out(rows: list[tuple[str, str, str]], width: int) -> None:
    layout = lay_out(("one", "two", "three"), rows, width)
    lines = [*layout.head, *layout.body]
    words = [word for row in rows for cell in row for word in cell.split()]
    shown = [word for line in layout.body for word in line.split()]
    upright = [zip(("one", "two", "three"), row, strict=True) for row in rows if not layout.head]
    named = [name for row in upright for name, cell in row if cell]
    assert sorted(shown) == sorted(words + named)
    assert all(line == line.rstrip() for line in lines)
    longest = max(map(cell_len, words), default=0)
    assert all(cell_len(line) <= max(width, longest + len("three") + 2) for line in lines)
