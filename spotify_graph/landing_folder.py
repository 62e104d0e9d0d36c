"""The landing folder, of this machine or of a store: which files lie there, their digests, and copies of them.

A file is named by its path within the folder, with slashes. One pass lists all of them, folders of folders included. Of
a file of this machine its place is looked at before it is opened: a link that leaves the folder is never followed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from filecmp import cmp
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from upath import UPath

from spotify_graph import storage
from spotify_graph.errors import UserError
from spotify_graph.storage import Address
from spotify_graph.transforms import landing
from spotify_graph.transforms.landed_files import is_passed_over, path_fault, shown_name, table_of

_TRIES = 3
_TIMES = ("LastModified", "mtime", "updated", "last_modified", "modified", "created")
"""What stores call the time at which an object was written."""
_TAGS = ("ETag", "etag", "generation", "md5Hash", "checksum")
"""What they call something that is another one with each content."""
_LINK = "it is a link to a folder: such links are not followed; land the folder itself"


@dataclass(frozen=True)
class Look:
    """What is known of a file without opening it. It has not been changed while that stays equal.

    Attributes:
        identity: its number in the file system, which goes with the file when that is renamed; in a store, the tag of
            its content.
        size: in bytes.
        mtime_ns: when its bytes were written last, in nanoseconds; in a file system, anyone may set it to anything.
        ctime_ns: when anything about it was changed last, its name and its mtime included; nobody can set it.
    """

    identity: int | str
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True)
class Lying:
    """What lies in the landing folder.

    Attributes:
        files: every file, those that are still being written among them, by path.
        faults: the folders that could not be looked into, by path, and why.
    """

    files: Mapping[str, Look]
    faults: Mapping[str, str]


def is_made(folder: Address) -> bool:
    """Whether there is a landing folder. A store has no folders, which nobody has to make."""
    return not isinstance(folder, Path) or folder.is_dir()


def listed(folder: Address, without: Collection[str] = ()) -> Lying:
    """Lists the landing folder and its folders, but for those whose names begin with a dot or an underscore.

    Args:
        folder: the landing folder.
        without: names in it that are left out, with all that they hold.

    Raises:
        UserError: it can't be read.
    """
    try:
        files, faults = dict[str, Look](), dict[str, str]()
        for path, found in _walk(folder) if isinstance(folder, Path) else _objects(folder):
            if path.split("/")[0] in without:
                continue
            if isinstance(found, str):
                faults[path] = found
            else:
                files[path] = found
    except OSError as error:  # which a ConnectionError is
        raise UserError(
            f"The landing folder {folder} cannot be read ({error.strerror or error}): point SPOTIFY_GRAPH_LANDING to"
            " the folder that your logs land in, or write sample logs with `spotify-graph generate`."
        ) from None
    return Lying(files, faults)


def _walk(folder: Path, within: str = "") -> Iterator[tuple[str, Look | str]]:
    """Each file of this machine's with what is known of it, and each folder that is not looked into with why."""
    with os.scandir(folder / within) as entries:
        found = sorted(entries, key=lambda it: it.name)
    for entry in found:
        path = f"{within}{entry.name}"
        if _is_folder(entry) and (not entry.is_symlink() or table_of(path) is None):
            if is_passed_over(f"{path}/"):
                continue
            if entry.is_symlink():
                yield path, _LINK
                continue
            try:
                yield from _walk(folder, f"{path}/")
            except FileNotFoundError:
                continue
            except OSError as error:
                yield path, f"it cannot be read: {error.strerror or error}"
        elif known := _look_at(Path(entry.path)):
            yield path, known


def has_logs(folder: Path, name: str) -> bool:
    """Whether a folder in the landing folder holds a file that is taken in, in itself or in a folder of it."""
    with suppress(OSError):
        return any(table_of(path) for path, _ in _walk(folder, f"{name}/"))
    return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as links in a circle
        return False


def _look_at(path: Path) -> Look | None:
    """What a directory entry says, of what a link leads to where that is there; None where the entry has gone."""
    for status in (path.stat, path.lstat):
        with suppress(OSError):
            return look_of(status())
    return None


def look_of(status: os.stat_result) -> Look:
    """What a file's directory entry says."""
    return Look(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _objects(folder: UPath) -> Iterator[tuple[str, Look | str]]:
    storage.must_answer(folder)
    root = folder.path.rstrip("/")
    with _answering():
        found = folder.fs.find(root, detail=True)
    for name, about in sorted(found.items()):
        path = name.removeprefix(f"{root}/")
        inner, slash, last = path.rpartition("/")
        # An object that stands for a folder has no name in it; what lies in hidden folders is passed over as on disk.
        if path != name and last and not is_passed_over(inner + slash):
            yield path, _look_of_object(about)


def _look_of_object(about: Mapping[str, Any]) -> Look:
    tag = next((str(about[name]).strip('"') for name in _TAGS if about.get(name)), "")
    time = next((about[name] for name in _TIMES if about.get(name)), 0)
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    # Whole seconds: a listing may say more of them than the object itself.
    written = int(time.timestamp() if isinstance(time, datetime) else time) * 10**9
    return Look(tag, int(about.get("size") or 0), written, written)


def look(folder: Address, path: str) -> Look:
    """What is known of a file.

    Raises:
        FileNotFoundError: it is not there.
        OSError: it can't be looked at.
    """
    if isinstance(folder, Path):
        return look_of((folder / path).stat())
    with _answering():
        return _look_of_object(folder.fs.info(_object(folder, path)))


def is_there(folder: Address, path: str) -> bool:
    """Whether a file is there; a link is, wherever it leads.

    Raises:
        OSError: its store does not answer.
    """
    if isinstance(folder, Path):
        return os.path.lexists(folder / path)
    with _answering():
        return bool(folder.fs.exists(_object(folder, path)))


def size(folder: Address, path: str) -> int:
    """How large a file is, in bytes; a link is as large as its target's name.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: its store does not answer.
    """
    return (folder / path).lstat().st_size if isinstance(folder, Path) else look(folder, path).size


def digest(folder: Address, path: str, *, lasting: bool = False) -> str:
    """The digest of a file, as `landing.digest` makes it of one of this machine.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: as there, or its store does not answer.
    """
    if isinstance(folder, Path):
        return landing.digest(folder / path, folder, lasting=lasting)
    with _answering(), folder.fs.open(_object(folder, path), "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of_copy(copy: Path) -> str:
    """The SHA-256 of the bytes of a file of ours, in hexadecimal."""
    with copy.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy(folder: Address, path: str, to: Path) -> str | None:
    """Copies a file, so that nothing that happens in the landing folder meanwhile changes what is read.

    A file that is changed or replaced while it is copied is copied again.

    Args:
        folder: the landing folder.
        path: the file.
        to: where the copy goes.

    Returns:
        Why it can't be copied, where that is the file's fault; or None.

    Raises:
        FileNotFoundError: it is not there any more.
        UserError: it kept being written to.
        OSError: something failed that says nothing about the file, such as a full disk.
    """
    if isinstance(folder, Path):
        return landing.copy_landed(folder / path, folder, to)
    if fault := path_fault(path):
        return fault
    for _ in range(_TRIES):
        before = look(folder, path)
        with _answering():
            folder.fs.get_file(_object(folder, path), str(to))
        if look(folder, path) == before:
            return None
    raise UserError(f"{shown_name(path)} is being written to: it is taken in once it stays as it is")


def put(folder: Address, name: str, write: Callable[[Path], object]) -> None:
    """Puts a file into the landing folder, whole, unless it lies there already as it is.

    Args:
        folder: the landing folder, made where it is missing.
        name: the file's name.
        write: writes it to a path of this machine.

    Raises:
        OSError: it can't be written.
    """
    if isinstance(folder, Path):
        folder.mkdir(parents=True, exist_ok=True)
        new, place = folder / f".{name}.part", folder / name
        write(new)
        if place.exists() and cmp(new, place, shallow=False):
            new.unlink()
        else:
            new.replace(place)
        return
    with TemporaryDirectory(prefix="spotify-graph-") as scratch:
        new = Path(scratch, name)
        write(new)
        with _answering():
            if not is_there(folder, name) or digest(folder, name) != digest_of_copy(new):
                folder.fs.put_file(str(new), _object(folder, name))


def remove(folder: Address, name: str) -> None:
    """Removes a file, if it is there."""
    if isinstance(folder, Path):
        (folder / name).unlink(missing_ok=True)
        return
    with _answering(), suppress(FileNotFoundError):
        folder.fs.rm_file(_object(folder, name))


@contextmanager
def _answering() -> Iterator[None]:
    """Makes one kind of error of those that stores have.

    Raises:
        ConnectionError: a store can't be asked.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error


def _object(folder: UPath, path: str) -> str:
    # No UPath: it would take `..` and `//` in a name for something.
    return f"{folder.path.rstrip('/')}/{path}"
