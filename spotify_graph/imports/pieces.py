"""What is kept of a person's exports: for each file its listens, as Arrow columns in a Parquet file.

A piece is named by the content that it was taken from: the same file again, in an archive or out of it, replaces what
it gave. It holds the attributes of `meaning.Listen`, and nothing else of the export.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotify_graph.imports.meaning import Listen, Track

if TYPE_CHECKING:
    import pyarrow as pa

_NONE = -1
_META = b"spotify_graph"
_TEXTS = ("track", "device", "session", "user")
OF_ACCOUNT = "~"
"""What a hashed account begins with."""
FORMAT = 1
"""Pieces of another one are not read."""


@dataclass
class _Words:
    """Texts, each once, and for each row which of them it has."""

    numbers: dict[str, int] = field(default_factory=dict)
    rows: array[int] = field(default_factory=lambda: array("i"))

    def add(self, word: str) -> None:
        self.rows.append(self.numbers.setdefault(word, len(self.numbers)))


class Gathered:
    """Listens as they come, in little memory: a half million are 20 MB."""

    def __init__(self) -> None:
        self._kind, self._whole = array("b"), array("b")
        self._start, self._played = array("q"), array("q")
        self._words = {name: _Words() for name in _TEXTS}
        self._tracks: dict[Track, str] = {}

    def __len__(self) -> int:
        return len(self._kind)

    def add(self, listen: Listen) -> None:
        """Takes one."""
        self._kind.append(listen.kind)
        self._whole.append(listen.whole)
        self._start.append(_NONE if listen.start_ms is None else listen.start_ms)
        self._played.append(_NONE if listen.played_ms is None else listen.played_ms)
        if (track := self._tracks.get(listen.track)) is None:
            track = self._tracks[listen.track] = _as_text(listen.track)
        for name, word in (("track", track), ("device", listen.device), ("session", listen.session)):
            self._words[name].add(word)
        self._words["user"].add(listen.user)

    def users(self) -> set[str]:
        """Who listens, where the source says so."""
        return {user for user in self._words["user"].numbers if user}

    def table(self, about: About, user: Callable[[str], str]) -> pa.Table:
        """All of them.

        Args:
            about: what is known of the piece.
            user: what is to be kept of the users that the source names.
        """
        import pyarrow as pa

        def texts(name: str) -> pa.DictionaryArray:
            words = self._words[name]
            spelled = [user(word) if name == "user" else word for word in words.numbers]
            coded = pa.DictionaryArray.from_arrays(pa.array(words.rows, pa.int32()), pa.array(spelled, pa.string()))
            # Several words may have become one.
            return coded.cast(pa.string()).dictionary_encode() if name == "user" else coded

        columns = {
            "kind": pa.array(self._kind, pa.int8()),
            "whole": pa.array(self._whole, pa.int8()),
            "start": pa.array(self._start, pa.int64()),
            "played": pa.array(self._played, pa.int64()),
            **{name: texts(name) for name in _TEXTS},
        }
        return pa.table(columns).replace_schema_metadata({_META: json.dumps(about.__dict__)})


@dataclass(frozen=True)
class About:
    """What is known of a piece as a whole.

    Attributes:
        source: what it was taken from, as `opening` names it, or the mapping's name.
        first_ms: when the first stream of the file ended, whether it was taken or set aside; None where it has none.
        last_ms: when the last one did.
        dated_ms: for likes without a time, when the newest stream of the same download ended; None where it has none.
        format: of the piece.
    """

    source: str
    first_ms: int | None = None
    last_ms: int | None = None
    dated_ms: int | None = None
    format: int = FORMAT


@dataclass(frozen=True)
class Piece:
    """What was taken from a file.

    Attributes:
        path: where it is.
        about: what is known of it as a whole.
    """

    path: Path
    about: About

    def table(self) -> pa.Table:
        """Its listens, in the order of the file."""
        import pyarrow.parquet as pq

        return pq.read_table(self.path, read_dictionary=list(_TEXTS))

    @cached_property
    def digest(self) -> str:
        """Of the content that it was taken from."""
        return self.path.stem


class Store:
    """The pieces in a home, by the name that a person gave."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Whose pieces there are."""
        return sorted(decoded(path.name) for path in self.root.glob("*/") if not path.name.startswith("."))

    def pieces(self, name: str) -> Iterator[Piece]:
        """A person's pieces."""
        import pyarrow.parquet as pq

        for path in sorted((self.root / encoded(name)).glob("*.parquet")):
            about = json.loads(pq.read_schema(path).metadata[_META])
            if about["format"] == FORMAT:
                yield Piece(path, About(**about))

    def keep(self, name: str, digest: str, about: About, gathered: Gathered, user: Callable[[str], str]) -> None:
        """Puts a piece in the place of what the same content gave before, whole or not at all."""
        import pyarrow.parquet as pq

        folder = self.root / encoded(name)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{digest}.parquet"
        if path.exists():
            before = About(**json.loads(pq.read_schema(path).metadata[_META]))
            dates = [date for date in (before.dated_ms, about.dated_ms) if date is not None]
            about = About(about.source, about.first_ms, about.last_ms, min(dates, default=None))
        new = folder / f".{digest}.new"
        pq.write_table(gathered.table(about, user), new, compression="zstd", use_dictionary=True)
        new.replace(path)

    def forget(self, name: str) -> int:
        """Takes a person's pieces out. How many there were."""
        folder, count = self.root / encoded(name), 0
        for path in folder.glob("*.parquet"):
            path.unlink()
            count += 1
        with suppress(OSError):
            folder.rmdir()
        return count

    def hashed(self, account: str) -> str:
        """An account in a log of many, so that nobody reads which it was: begins with OF_ACCOUNT."""
        return f"{OF_ACCOUNT}{blake2b(account.encode(), key=self._key(), digest_size=5).hexdigest()}"

    def _key(self) -> bytes:
        """It is made once, and stays in the home."""
        path = self.root / ".key"
        with suppress(FileExistsError):
            self.root.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(os.urandom(16))
        return path.read_bytes()


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


def encoded(name: str) -> str:
    """A person's name as a part of a file's: letters, digits and dashes stay, another byte is _ and two digits."""
    return "".join(chr(byte) if chr(byte) in _PLAIN else f"_{byte:02x}" for byte in name.encode())


def decoded(name: str) -> str:
    """What `encoded` made a part of a file's name of."""
    plain, *coded = name.split("_")
    return b"".join([plain.encode(), *(bytes.fromhex(part[:2]) + part[2:].encode() for part in coded)]).decode()


def _as_text(track: Track) -> str:
    return json.dumps([track.artist, track.title, track.album, track.ids, track.duration_ms], ensure_ascii=False)


def track_of(text: str) -> Track:
    """The track in a cell of a piece's column `track`."""
    artist, title, album, ids, duration = json.loads(text)
    return Track(artist, title, album, tuple(ids), duration)


def column(table: pa.Table, name: str) -> Any:
    """A column of numbers as NumPy has it, or of texts as the numbers of the words in `words`."""
    chunked = table.column(name).combine_chunks()
    array_ = chunked.indices if name in _TEXTS else chunked
    return array_.to_numpy(zero_copy_only=False)


def words(table: pa.Table, name: str) -> list[str]:
    """The texts that the rows of a column have."""
    found: list[str] = table.column(name).combine_chunks().dictionary.to_pylist()
    return found
