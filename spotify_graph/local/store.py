"""The files of the local database: what an import has built takes their place as a whole.

Until a note says so, they are the ones from before; from then on the new ones, for the next start finishes what the
note says. So whatever ends the process, and whenever, the server finds one of the two, whole.
"""

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTS = ("databases", "transactions")
"""The folders, below that of data, which have one for each database."""
_NEW = "import-"
_NOTE = "installing.json"


@contextmanager
def new_folder(root: Path) -> Iterator[Path]:
    """A new folder to import into, until the block ends: `conf` for the configuration, `data` for what is built.

    It is never one that a process which lost its parent may still write to. Those go.

    Args:
        root: the server's home.
    """
    for stale in root.glob(f"{_NEW}*"):
        shutil.rmtree(stale, ignore_errors=True)
    folder = root / f"{_NEW}{secrets.token_hex(4)}"
    (folder / "conf").mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def install(root: Path, folder: Path, database: str) -> None:
    """Puts the database that was built in a folder in the place of the one that is there. The server must not run."""
    note = root / _NOTE
    new = note.with_suffix(".new")
    new.write_text(json.dumps({"folder": folder.name, "database": database}))
    new.replace(note)
    finish(root)


def finish(root: Path) -> None:
    """Finishes an installation that was interrupted, if there is one. The server must not run."""
    note = root / _NOTE
    if not note.exists():
        return
    of = json.loads(note.read_text())
    for part in PARTS:
        new, old = root / of["folder"] / "data" / part / of["database"], root / "data" / part / of["database"]
        if new.exists():
            shutil.rmtree(old, ignore_errors=True)
            old.parent.mkdir(parents=True, exist_ok=True)
            new.rename(old)
    note.unlink()
    shutil.rmtree(root / of["folder"], ignore_errors=True)
