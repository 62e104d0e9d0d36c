"""Files and folders at an address: a path of this machine, or one of an object store such as s3://bucket/folder.

A path is a path, as ever. An address with a scheme is opened by fsspec, which has a package for each kind of store. A
store has no folders and renames nothing; what is written is there at once, whole, or not at all. So nothing here leans
on a rename: a file that must not be seen half is `put`, and of several writers one wins by `put_if_absent`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from fsspec import AbstractFileSystem, filesystem, get_filesystem_class
from upath import UPath

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

Address = Path | UPath
"""Where a file or a folder is."""


_ANSWER_S = 10
"""How long a store may take to answer when it is asked whether it does."""


def at(address: str | Address) -> Address:
    """A file or a folder: `s3://bucket/key` of a store, anything without a scheme of this machine.

    Raises:
        ImportError: the package is not installed that opens such an address.
        ValueError: no package opens such an address.
    """
    if not isinstance(address, str):
        return address
    if address.startswith("file:"):
        return Path(address.removeprefix("file:").removeprefix("//"))
    if "://" not in address:
        return Path(address)
    get_filesystem_class(urlsplit(address).scheme)
    # Others write there meanwhile: what was listed before is asked for again.
    return UPath(address, use_listings_cache=False)


def must_answer(folder: Address) -> None:
    """Makes sure that a folder's store answers, and lets us look into it.

    Raises:
        ConnectionError: it doesn't, and why.
    """
    if isinstance(folder, Path):
        return
    container = folder.path.partition("/")[0] or "/"
    try:
        if folder.protocol == "s3":
            # Not whether it exists: where S3 does not answer, nothing does.
            _impatient(folder).info(container)
        elif not folder.fs.exists(container):
            raise FileNotFoundError(container)
    except FileNotFoundError:
        raise ConnectionError(f"there is no {container} in it, or nobody is let in with these credentials") from None
    except Exception as error:  # noqa: BLE001 each store has errors of its own
        raise ConnectionError(f"{type(error).__name__}: {error}") from None


def _impatient(folder: UPath) -> AbstractFileSystem:
    """What opens a store of S3, and asks it once: it would else go on asking for minutes where nobody answers."""
    once = {"connect_timeout": _ANSWER_S, "read_timeout": _ANSWER_S, "retries": {"max_attempts": 0}}
    store = filesystem("s3", **folder.storage_options, config_kwargs=once)
    store.retries = 1
    return store


def put(file: Address, text: str, *, private: bool = False) -> None:
    """Writes a file in place of the one that is there, if any: whole or not at all.

    Args:
        file: the file.
        text: what it is to hold.
        private: whether only its owner may read it; in a store, the store's own rules say who may.
    """
    if isinstance(file, Path):
        _written_beside(file, text, 0o600 if private else 0o666).replace(file)
    else:
        file.fs.pipe_file(file.path, text.encode())


def put_if_absent(file: Address, text: str) -> bool:
    """Writes a file unless there is one: of several that do it at once, one succeeds.

    Returns:
        Whether it was written.
    """
    if not isinstance(file, Path):
        with suppress(FileExistsError):
            file.fs.pipe_file(file.path, text.encode(), mode="create")
            return True
        return False
    new = _written_beside(file, text)
    try:
        os.link(new, file)
    except FileExistsError:
        return False
    finally:
        with suppress(FileNotFoundError):
            new.unlink()
    return True


def _written_beside(file: Path, text: str, mode: int = 0o666) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{uuid4().hex[:8]}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as opened:
        opened.write(text)
    return new


def make_folder(folder: Address) -> None:
    """Makes a folder, where there is such a thing."""
    if isinstance(folder, Path):
        folder.mkdir(parents=True, exist_ok=True)


def remove(folder: Address) -> None:
    """Removes a folder with all that is in it, if it is there."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        with suppress(FileNotFoundError):
            folder.fs.rm(folder.path, recursive=True)


def remove_if_empty(folder: Address) -> None:
    """Removes a folder in which nothing is. A store has no such thing."""
    if isinstance(folder, Path) and not any(folder.iterdir()):
        folder.rmdir()


def rename(folder: Address, new: Address) -> None:
    """Gives a folder another name; in a store its files are copied, and the old ones removed in the end."""
    if isinstance(folder, Path) and isinstance(new, Path):
        folder.rename(new)
        return
    for file in files_in(folder):
        copy = new / relative(file, folder)
        copy.write_bytes(file.read_bytes())
    remove(folder)


def relative(file: Address, folder: Address) -> str:
    """A file's path within a folder that it is in, with slashes."""
    return file.as_posix().removeprefix(f"{folder.as_posix()}/")


def matching(folder: Address, pattern: str) -> list[Address]:
    """What matches a pattern within a folder, in the order of the names."""
    found: list[Address] = [folder / relative(it, folder) for it in folder.glob(pattern)]
    return sorted(found, key=str)


def files_in(folder: Address) -> Iterator[Address]:
    """The files in a folder and its folders."""
    if isinstance(folder, Path):
        return (file for file in folder.rglob("*") if file.is_file())
    # One request for all of them, in place of one for each folder and one for each file.
    root = folder
    return (root / file.removeprefix(f"{root.path}/") for file in root.fs.find(root.path))


@contextmanager
def work_folder(folder: Address) -> Iterator[Path]:
    """An empty folder of this machine, which is removed in the end: this one, unless it is in a store."""
    if not isinstance(folder, Path):
        with TemporaryDirectory(prefix="spotify-graph-") as other:
            yield Path(other)
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def dataset(files: Sequence[str | Address], columns: pa.Schema | None = None, **options: Any) -> ds.Dataset:
    """The rows of Parquet files of one store.

    Args:
        files: the files.
        columns: their names and types; None asks the first file.
        options: as `pyarrow.dataset.dataset` takes them.
    """
    import pyarrow.dataset as ds

    first = at(files[0]) if files else Path()
    if isinstance(first, Path):
        return ds.dataset([str(file) for file in files], schema=columns, **options)
    return ds.dataset([_path(at(file)) for file in files], schema=columns, filesystem=_arrow(first), **options)


def parquet(file: str | Address) -> pq.ParquetFile:
    """A Parquet file, opened."""
    import pyarrow.parquet as pq

    place = at(file)
    if isinstance(place, Path):
        return pq.ParquetFile(place)
    return pq.ParquetFile(place.path, filesystem=_arrow(place))


def read(file: str | Address, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a Parquet file."""
    import pyarrow.parquet as pq

    place = at(file)
    return pq.read_table(_path(place), columns=columns and list(columns), filesystem=_arrow(place))


def metadata(file: str | Address) -> pq.FileMetaData:
    """What is known of a Parquet file."""
    import pyarrow.parquet as pq

    place = at(file)
    return pq.read_metadata(_path(place), filesystem=_arrow(place))


def write(rows: pa.Table, file: str | Address, **options: Any) -> int:
    """Writes rows to a Parquet file; its size in bytes.

    Args:
        rows: the rows.
        file: the file.
        options: as `pyarrow.parquet.write_table` takes them.
    """
    import pyarrow.parquet as pq

    place = at(file)
    pq.write_table(rows, _path(place), filesystem=_arrow(place), **options)
    return int(place.stat().st_size)


@contextmanager
def writer(file: str | Address, columns: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Writes a Parquet file group by group. Where that fails, a store has no file."""
    import pyarrow.parquet as pq

    place = at(file)
    with pq.ParquetWriter(_path(place), columns, filesystem=_arrow(place)) as opened:
        yield opened


@contextmanager
def arrow_writer(file: Address, columns: pa.Schema) -> Iterator[pa.ipc.RecordBatchFileWriter]:
    """Writes a file of Arrow's own format, whole or not at all."""
    import pyarrow as pa

    if not isinstance(file, Path):
        with file.open("wb") as opened, pa.ipc.new_file(opened, columns) as written:
            yield written
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{uuid4().hex}")
    with pa.ipc.new_file(str(new), columns) as written:
        yield written
    new.replace(file)


def read_arrow(file: Address) -> pa.Table:
    """The rows of a file of Arrow's own format; of this machine's, they are mapped into memory."""
    import pyarrow as pa

    source = pa.memory_map(str(file)) if isinstance(file, Path) else pa.BufferReader(file.read_bytes())
    return pa.ipc.open_file(source).read_all()


def _path(place: Address) -> str:
    return str(place) if isinstance(place, Path) else str(place.path)


def _arrow(place: Address) -> Any:
    """What PyArrow reads and writes a store with; None for this machine."""
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    return None if isinstance(place, Path) else PyFileSystem(FSSpecHandler(place.fs))
