"""The file that a backup is: a ZIP archive whose last member says what the others are, each with its SHA-256.

What is cut short, changed or something else than a backup is known by that, before anything is done with it.
"""

import hashlib
import json
import os
import secrets
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self

from spotify_graph.errors import UserError
from spotify_graph.storage import Address

FORMAT = 1
"""The form of archives that this program writes. It reads no newer one."""
_ABOUT = "backup.json"
_OF = "spotify-graph"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Content:
    """What an archive holds.

    Attributes:
        created: when it was made, in ISO 8601 and UTC.
        versions: of what made it: of this package, and of Neo4j.
        manifest: the number of the lake's manifest.
        tables: what the database's ledger says of each published table: version, rows, fingerprint, status.
        history: whether Dagster's history of runs is in it.
        files: size and SHA-256 of every file, by its name.
    """

    created: str
    versions: Mapping[str, str]
    manifest: int
    tables: Mapping[str, Mapping[str, Any]]
    history: bool
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> Self:
        """The content that was written."""
        return cls(**{name: known[name] for name in cls.__dataclass_fields__})


class Writer:
    """Adds files to an archive that is being written."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, path: Address) -> None:
        """Adds a file under a name."""
        # Parquet and dumps are compressed already.
        with path.open("rb") as source, self._archive.open(_member(name), "w", force_zip64=True) as target:
            self.files[name] = _copied(source, target)


@contextmanager
def writing(file: Path, content: Callable[[], Content]) -> Iterator[Writer]:
    """Writes an archive, which is there once the block ends, whole, and readable by its owner only.

    Args:
        file: the archive, which is not there yet.
        content: says in the end what it holds; the files are known.

    Raises:
        UserError: it can't be written.
    """
    if file.is_dir() or file.exists():
        raise UserError(f"{file} is there already: name a file that is not, or remove it")
    if not file.parent.is_dir():
        raise UserError(f"{file.parent} is not there: make it, or name a file in another folder")
    for stale in file.parent.glob(f".{file.name}.*.part"):
        stale.unlink(missing_ok=True)
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as opened:
            with zipfile.ZipFile(opened, "w") as archive:
                writer = Writer(archive)
                yield writer
                about = {"of": _OF, "format": FORMAT, **asdict(content()), "files": writer.files}
                archive.writestr(_member(_ABOUT), json.dumps(about, indent=1))
            opened.flush()
            os.fsync(opened.fileno())
        new.rename(file)
    except OSError as error:
        raise UserError(f"{file} can't be written ({error.strerror or error}): nothing is left of it") from error
    finally:
        new.unlink(missing_ok=True)


def unpack(file: Path, folder: Path) -> Content:
    """Unpacks an archive into an empty folder, and makes sure of every byte of it.

    Raises:
        UserError: it is no backup, or not a whole one; what was unpacked is not to be used.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            content = _about(file, archive)
            for name, known in content.files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as source, path.open("xb") as target:
                    if _copied(source, target) != known:
                        raise UserError(
                            f"{file} is damaged: {name} in it is not what was backed up; take another backup"
                        )
    except zipfile.BadZipFile as error:
        raise UserError(f"{file} is no backup, or it is cut short or damaged ({error}): take another one") from None
    except OSError as error:
        raise UserError(f"{file} can't be unpacked ({error.strerror or error})") from None
    return content


def _about(file: Path, archive: zipfile.ZipFile) -> Content:
    foreign = UserError(f"{file} is no backup of spotify-graph: `spotify-graph backup` makes one")
    try:
        known = json.loads(archive.read(_ABOUT))
        if known["of"] != _OF:
            raise foreign
        if known["format"] > FORMAT:
            raise UserError(
                f"{file} was made by spotify-graph {known['versions'].get('spotify_graph')}: restore it with that"
            )
        content = Content.from_json(known)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise foreign from None
    if {*content.files, _ABOUT} != set(archive.namelist()) or not all(map(_is_within, content.files)):
        raise UserError(f"{file} is damaged: it does not hold what it says; take another backup")
    return content


def _is_within(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and str(path) == name


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o600 << 16
    return member


def _copied(source: IO[bytes], target: IO[bytes]) -> dict[str, Any]:
    """Copies a file; gives its size and SHA-256."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK_BYTES):
        target.write(chunk)
        digest.update(chunk)
        size += len(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}
