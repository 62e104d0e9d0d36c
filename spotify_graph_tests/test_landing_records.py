"""The scanner of RFC 4180 records, without files and Spark."""

import csv
import io
import random
import time
import tracemalloc
from typing import Any

import pytest

from spotify_graph.transforms.records import BLOCK_BYTES, KEPT_BYTES, LINE_BYTES, LOOK_AHEAD_BYTES, fields_of, scan

Row = tuple[int, list[str] | None, str]


def scanned(text: bytes, width: int = 2) -> list[Row]:
    """Each record as its line, its fields (None where malformed) and its text."""
    names = [f"c{index}" for index in range(width)]
    return [_row(record, names) for batch in scan(io.BytesIO(text), names) for record in batch.to_pylist()]


def _row(record: dict[str, Any], names: list[str]) -> Row:
    fields = [record[name] for name in names]
    if record["malformed"]:
        assert fields == [None] * len(names)
        return record["line"], None, record["raw"]
    return record["line"], fields, ",".join(fields) if record["raw"] is None else record["raw"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"a,b\n", [(1, ["a", "b"], "a,b")]),
        (b"a,b", [(1, ["a", "b"], "a,b")]),
        (b"a,b\r\nc,d\r\n", [(1, ["a", "b"], "a,b"), (2, ["c", "d"], "c,d")]),
        (b"a,b\r", [(1, ["a", "b"], "a,b")]),
        (b",\n", [(1, ["", ""], ",")]),
        (b" a , b \n", [(1, [" a ", " b "], " a , b ")]),
        (b"\n\r\na,b\n\nc,d\n\n", [(3, ["a", "b"], "a,b"), (5, ["c", "d"], "c,d")]),
        (b'"a","b"\n', [(1, ["a", "b"], '"a","b"')]),
        (b'"",""\n', [(1, ["", ""], '"",""')]),
        (b'"a,1","say ""b"""\n', [(1, ["a,1", 'say "b"'], '"a,1","say ""b"""')]),
        (b'"a\nb","c\r\nd"\r\ne,f\n', [(1, ["a\nb", "c\r\nd"], '"a\nb","c\r\nd"'), (4, ["e", "f"], "e,f")]),
        (b'a,"b\n\n"', [(1, ["a", "b\n\n"], 'a,"b\n\n"')]),
        ("\ufeffa,\U0001f3b5\n".encode(), [(1, ["\ufeffa", "\U0001f3b5"], "\ufeffa,\U0001f3b5")]),
        (b"a\x00,\x00\n", [(1, ["a\x00", "\x00"], "a\x00,\x00")]),
        (b"a\rb,c\n", [(1, ["a\rb", "c"], "a\rb,c")]),
        (b"null,NaN\n", [(1, ["null", "NaN"], "null,NaN")]),
    ],
)
def test_a_good_record_is_its_fields_its_line_and_its_text(text: bytes, expected: list[Row]) -> None:
    assert scanned(text) == expected


@pytest.mark.parametrize(
    "line",
    [
        "a",
        "a,b,c",
        '"a","b","c"',
        'a "quoted" word,b',
        'a"b,c',
        '"a"b,c',
        '"a" ,b',
        'a,"b',
        '"a,b',
        '"',
        'a,"""',
        "   ",
    ],
)
def test_a_malformed_line_costs_no_other_line(line: str) -> None:
    text = f"1,2\n{line}\n3,4\n".encode()
    assert scanned(text) == [(1, ["1", "2"], "1,2"), (2, None, line), (3, ["3", "4"], "3,4")]


def test_a_stray_quote_that_meets_another_one_far_below_costs_those_two_lines() -> None:
    good = [f"{number},x" for number in range(100)]
    text = "\n".join(['a,"b', *good, 'c,"d', "e,f"]).encode()
    rows = scanned(text)
    assert [row for row in rows if row[1] is None] == [(1, None, 'a,"b'), (102, None, 'c,"d')]
    assert len(rows) == 103


def test_a_record_that_fits_the_width_may_end_within_the_look_ahead_and_no_later() -> None:
    inside = b"x" * (LOOK_AHEAD_BYTES - 10)
    beyond = b"x" * (LOOK_AHEAD_BYTES + 10)
    assert scanned(b'a,"\n' + inside + b'"\nb,c\n') == [
        (1, ["a", "\n" + inside.decode()], 'a,"\n' + inside.decode() + '"'),
        (3, ["b", "c"], "b,c"),
    ]
    assert [(line, fields) for line, fields, _ in scanned(b'a,"\n' + beyond + b'"\nb,c\n')] == [
        (1, None),
        (2, None),
        (3, ["b", "c"]),
    ]


def test_records_across_blocks_keep_their_fields_and_lines() -> None:
    record = 'a,"one\ntwo"'
    for padding in range(BLOCK_BYTES - 12, BLOCK_BYTES + 3):
        fillers = ["f," + "x" * (size - 3) for size in (BLOCK_BYTES // 2, padding - BLOCK_BYTES // 2)]
        rows = scanned("\n".join([*fillers, record, record, "b,c"]).encode())
        texts = [*enumerate(fillers, 1), (3, record), (5, record), (7, "b,c")]
        assert [(line, text) for line, _, text in rows] == texts
        assert all(fields is not None for _, fields, _ in rows)


@pytest.mark.parametrize("before", [b"", b"a,b\n", b'a,"b\n', b"x," + b"y" * (BLOCK_BYTES - 9) + b"\n"])
@pytest.mark.parametrize("behind", [b"", b"\nc,d"])
@pytest.mark.parametrize("size", [LINE_BYTES - 1, LINE_BYTES, 3 * LINE_BYTES])
def test_a_line_that_is_too_long_is_malformed_by_itself_and_its_beginning_is_kept(
    before: bytes, behind: bytes, size: int
) -> None:
    line = b"a,\xc3\xa9" + b"x" * (size - 4)
    *first, found = scanned(before + line + behind)[: None if not behind else -1]
    assert len(first) == before.count(b"\n")
    assert found[0] == before.count(b"\n") + 1
    whole = size + len(behind[:1])
    if whole <= LINE_BYTES:
        assert found[2] == line.decode()
    else:
        assert found[1:] == (None, f"{line[:KEPT_BYTES].decode()}... ({whole:,} bytes)")
    if behind:
        last = scanned(before + line + behind)[-1]
        assert last == (before.count(b"\n") + 2, ["c", "d"], "c,d")


class Endless(io.RawIOBase):
    """Bytes that are nowhere but where they are asked for."""

    def __init__(self, size: int, content: bytes) -> None:
        self.left, self.content = size, content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self.left)
        buffer[:count] = (self.content * (count // len(self.content) + 1))[:count]
        self.left -= count
        return count


@pytest.mark.parametrize("content", [b"x", b'"', b"\x00", b"\xff", "é".encode()])
def test_a_field_of_50_mb_takes_no_more_memory_than_a_few_blocks(content: bytes) -> None:
    tracemalloc.start()
    [batch] = scan(io.BufferedReader(Endless(50_000_000, content)), ["c0", "c1"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * BLOCK_BYTES
    [row] = batch.to_pylist()
    assert row["malformed"]
    assert row["bad_encoding"] == (content == b"\xff")
    assert row["raw"].endswith("... (50,000,000 bytes)")


def test_what_is_not_utf8_is_marked_and_shown_escaped() -> None:
    text = b'\xe9,b\n\xc3\xa9,b\n"\xe9",b\n\xe9\n\xed\xa0\x80,x\n'
    records = [record for batch in scan(io.BytesIO(text), ["c0", "c1"]) for record in batch.to_pylist()]
    assert [record["bad_encoding"] for record in records] == [True, False, True, True, True]
    assert [record["c0"] for record in records] == ["\\xe9", "é", "\\xe9", None, "\\xed\\xa0\\x80"]
    assert [record["raw"] for record in records] == [None, None, '"\\xe9",b', "\\xe9", None]


def test_no_physical_line_of_random_text_is_lost_or_doubled() -> None:
    for seed in range(300):
        dice = random.Random(seed)  # noqa: S311
        text = "".join(dice.choices('ab,"\n\r\x00é', weights=[4, 4, 4, 2, 3, 1, 1, 1], k=dice.randrange(200)))
        lines = [line.removesuffix("\r") for line in text.split("\n")]
        rows = scanned(text.encode())
        held = {}
        for line, _, raw in rows:
            *inner, last = raw.split("\n")
            for number, part in enumerate([*(part.removesuffix("\r") for part in inner), last], line):
                assert number not in held
                held[number] = part
        assert {number: part for number, part in enumerate(lines, 1) if part or number in held} == held


def test_good_records_are_those_that_pythons_csv_reader_reads() -> None:
    for seed in range(50):
        dice = random.Random(seed)  # noqa: S311
        rows = [["".join(dice.choices('ab,"\n é', k=dice.randrange(5))) for _ in range(3)] for _ in range(20)]
        buffer = io.StringIO(newline="")
        line_end = dice.choice(["\n", "\r\n"])
        csv.writer(buffer, dice.choice(["excel", "unix"]), lineterminator=line_end).writerows(rows)
        assert [fields for _, fields, _ in scanned(buffer.getvalue().encode(), 3)] == rows


def test_the_fast_way_and_the_thorough_way_agree() -> None:
    quoted = '"a","b"'  # sends the whole block the thorough way
    for seed in range(300):
        dice = random.Random(seed)  # noqa: S311
        text = "".join(dice.choices("ab,\n\r\x00\ufeff\x0b\x1a\u2028", weights=[3, 3, 6, 5, 1, 1, 1, 1, 1, 1], k=40))
        text += "\n"
        assert scanned((text + quoted).encode())[:-1] == scanned(text.encode())


@pytest.mark.parametrize("line", [b'a,"\n', b'"\n', b'a,""\n', b'"a\n""', b'a,"b"c\n', b"a,b,c\n"])
def test_hostile_input_takes_time_in_proportion_to_its_size(line: bytes) -> None:
    started = time.process_time()
    count = sum(batch.num_rows for batch in scan(io.BytesIO(b'a,"\n' + line * 50_000), ["c0", "c1"]))
    assert count > 0
    assert time.process_time() - started < 5


def test_a_header_line_is_split_like_a_record() -> None:
    assert fields_of(b'"a",b\r\n') == [b"a", b"b"]
    assert fields_of(b'"a,b\n') is None
