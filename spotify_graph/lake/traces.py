"""Where an id stands in files, whatever they are: found in all of them, and replaced in those that hold text.

An id stands where it is spelled, as it is or as JSON, HTML and addresses spell it, and is no part of a longer word.
"""

from __future__ import annotations

import html
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from spotify_graph import storage
from spotify_graph.storage import Address

REPLACEMENT = "[forgotten]"
"""What stands in the place of an id that was replaced."""

_SQLITE = b"SQLite format 3\x00"
_PARQUET, _ARROW = b"PAR1", b"ARROW1"
_CHUNK = 16 << 20
_BUSY_S = 60
# What these keys and columns hold says what is what in Dagster's history, and nothing about a person.
_STRUCTURE = {
    "__class__",
    "__enum__",
    "asset_key",
    "dagster_event_type",
    "event_type_value",
    "job_name",
    "key",
    "level",
    "path",
    "pipeline_name",
    "run_id",
    "solid_handle",
    "status",
    "step_key",
}
_NOT_OF_PEOPLE = {"track_id", "artist", "title", "album", "genre", "name", "event_type", "reasons", "file"}
"""Columns whose values are no ids of people, whatever they look like."""


class Traces:
    """The places where an id stands.

    Args:
        user_id: the id.
        more: further words that say who it is, such as the name of a file: words that nothing else is called.
    """

    def __init__(self, user_id: str, *more: str) -> None:
        self._words = [user_id, *more]
        self._everywhere = re.compile("|".join(map(re.escape, more)) or r"(?!)")
        spellings = dict.fromkeys(
            spelled
            for word in self._words
            for once in (word, html.escape(word), quote(word), quote(word, safe=""), repr(word)[1:-1])
            for spelled in (once, *_in_json(once))
        )
        alternatives = "|".join(map(_bounded, sorted(spellings, key=len, reverse=True)))
        self._text = re.compile(alternatives)
        self._bytes = re.compile("|".join(map(_bounded, spellings)).encode())
        self._spelled = [spelled.encode() for spelled in spellings]
        self._longest = max(map(len, self._spelled))

    def redact(self, text: str) -> str:
        """The text without the id."""
        return self._text.sub(REPLACEMENT, self._everywhere.sub(REPLACEMENT, text))

    def redacted(self, value: Any, key: str = "") -> Any:
        """JSON values without it."""
        if isinstance(value, str):
            return self._everywhere.sub(REPLACEMENT, value) if key in _STRUCTURE else self.redact(value)
        if isinstance(value, dict):
            return {
                (name if name.startswith("__") else self.redact(name)): self.redacted(it, name)
                for name, it in value.items()
            }
        if isinstance(value, list):
            return [self.redacted(it, key) for it in value]
        return value

    def redact_file(self, file: Path) -> bool:
        """Replaces it in a file of text, of JSON or of SQLite. Whether it stood there."""
        if not self._is_in_bytes(file):
            return False
        if _head(file) == _SQLITE:
            return self._redact_sqlite(file)
        if file.suffix == ".json":
            return self.redact_json(file)
        content = file.read_bytes()
        # In place: who has it open goes on writing at its end.
        with file.open("r+b") as opened:
            opened.write(self._bytes.sub(REPLACEMENT.encode(), content))
            opened.truncate()
        return True

    def redact_json(self, file: Address) -> bool:
        """Replaces it in a JSON document. Whether it stood there."""
        if not self._is_in_bytes(file):
            return False
        text = file.read_text(encoding="utf-8")
        try:
            new = json.dumps(self.redacted(json.loads(text)), indent=1, ensure_ascii=False)
        except ValueError:
            new = self.redact(text)
        storage.put(file, new, private=not file.stat().st_mode & 0o077)
        return True

    def _redact_sqlite(self, file: Path) -> bool:
        with closing(sqlite3.connect(file, timeout=_BUSY_S, isolation_level=None)) as database:
            database.create_function(
                "stands_in", 1, lambda text: isinstance(text, str) and bool(self._text.search(text))
            )
            database.create_function("without", 2, self._without)
            database.execute("PRAGMA secure_delete = ON")
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                for _, column, *_ in database.execute(f'PRAGMA table_info("{table}")').fetchall():
                    without = f"""UPDATE "{table}" SET "{column}" = without('{column}', "{column}")"""  # noqa: S608
                    database.execute(f'{without} WHERE stands_in("{column}")')
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return True

    def _without(self, column: str, text: str) -> str:
        if column in _STRUCTURE:
            return self._everywhere.sub(REPLACEMENT, text)
        with suppress(ValueError):
            value = json.loads(text)
            if isinstance(value, dict | list):
                return json.dumps(self.redacted(value))
        return self.redact(text)

    def stands_in(self, file: Address) -> bool:
        """Whether it stands in a file; of Parquet and Arrow in columns that may be about people."""
        head = _head(file)
        if head.startswith((_PARQUET, _ARROW)):
            return self._is_in_table(file, parquet=head.startswith(_PARQUET))
        return self._is_in_bytes(file)

    def are_in(self, stream: IO[bytes]) -> bool:
        """Whether it stands in what a stream gives."""
        rest = b""
        while chunk := stream.read(_CHUNK):
            both = rest + chunk
            # To look for the bytes alone is a hundred times as fast, and says no of nearly every chunk.
            if any(spelled in both for spelled in self._spelled) and self._bytes.search(both):
                return True
            rest = chunk[-self._longest - 4 :]
        return False

    def _is_in_bytes(self, file: Address) -> bool:
        with file.open("rb") as opened:
            return self.are_in(opened)

    def _is_in_table(self, file: Address, *, parquet: bool) -> bool:
        # Statistics are in the file's end, as they are.
        batches = storage.parquet(file).iter_batches() if parquet else storage.read_arrow(file).to_batches()
        return any(self._is_in_column(batch[name]) for batch in batches for name in _of_people(batch.schema))

    def _is_in_column(self, column: Any) -> bool:
        import pyarrow.compute as pc

        texts = pc.list_flatten(column) if str(column.type).startswith("list") else column
        known = pc.unique(texts.dictionary_decode() if str(column.type).startswith("dictionary") else texts)
        maybe = [pc.match_substring(known, word) for word in self._words]
        return any(self._text.search(text) for mask in maybe for text in known.filter(mask).to_pylist() if text)


def _of_people(schema: Any) -> list[str]:
    """The columns of text that may be about people."""
    texts = ("string", "large_string", "dictionary<values=string", "list<")
    return [
        field.name
        for field in schema
        if field.name.removeprefix("old_") not in _NOT_OF_PEOPLE
        and str(field.type).startswith(texts)
        and "string" in str(field.type)
    ]


def _in_json(text: str) -> Iterator[str]:
    """Spelled in JSON, and in JSON within JSON."""
    for ascii_ in (True, False):
        once = json.dumps(text, ensure_ascii=ascii_)[1:-1]
        yield once
        yield json.dumps(once)[1:-1]


def _bounded(text: str) -> str:
    """Where it is no part of a longer word; JSON's spelling of a line's end is no part of it."""
    before = r"(?:(?<![0-9A-Za-z_])|(?<=\\[ntr]))" if re.match(r"\w", text) else ""
    after = r"(?![0-9A-Za-z_])" if re.search(r"\w\Z", text) else ""
    return f"{before}{re.escape(text)}{after}"


def _head(file: Address) -> bytes:
    with file.open("rb") as opened:
        return bytes(opened.read(len(_SQLITE)))
