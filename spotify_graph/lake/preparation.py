"""What is done before a lake is used: its store must answer, and one of an earlier version is taken over.

Of a lake without manifests, as it was before there were any, that is what was taken in of landed files.

The tables that are computed from all files are computed anew by the next run; the graph keeps what it has until then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spotify_graph import storage
from spotify_graph.errors import UserError
from spotify_graph.lake import documents, manifest
from spotify_graph.lake.intake import KINDS, PARTITIONED, REFUSED_ROWS, ROWS, FailedIntake, Intake
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.manifest import Forgotten, Manifest, Named
from spotify_graph.lake.verdicts import Verdict
from spotify_graph.lake.versions import Content, MadeFrom, Record, Version
from spotify_graph.storage import Address
from spotify_graph.transforms.landed_files import LandedTable


def must_answer(root: Address) -> None:
    """Makes sure that a lake's store answers.

    Raises:
        UserError: it doesn't, and why.
    """
    try:
        storage.must_answer(root)
    except ConnectionError as error:
        raise UserError(f"SPOTIFY_GRAPH_LAKE is {root}, whose store can't be used: {error}") from None


def prepare(root: Address, say: Callable[[str], None]) -> None:
    """Takes a lake over that has no manifest yet. A second time, or where there is no such lake, does nothing.

    Args:
        root: the lake's root.
        say: told what was taken over.

    Raises:
        UserError: its store doesn't answer.
    """
    must_answer(root)
    if not isinstance(root, Path):  # earlier versions had no other lakes
        return
    if manifest.kept(root) or not (root / manifest.OF_EARLIER_VERSION).is_dir():
        return
    entries: dict[str, Named] = {}
    forgotten: dict[str, Forgotten] = {}
    for table in KINDS:
        folder = root / manifest.OF_EARLIER_VERSION / table.name
        for file in sorted(folder.glob("[!.]*.json")):
            entries |= _entries(root, table, file.name.removesuffix(".json"), documents.read(file))
        for name, known in (documents.read(folder / ".forgotten.json") or {}).items():
            forgotten[f"{table.name}/{name}"] = Forgotten(known["digest"], known["at"], known["released"])
        for file in sorted((folder / ".failed").glob("[!.]*.json")):
            Intake(Lake(root), table).fail(file.name.removesuffix(".json"), FailedIntake(**documents.read(file)))
    manifest.first(root, Manifest(entries=entries, forgotten=forgotten))
    files = sum(1 for name in entries if name.split("/")[0] in ROWS.values())
    say(f"The lake at {root} is of an earlier version: its {files} files are taken over, and its tables computed anew")


def _entries(root: Path, table: LandedTable, file: str, known: Mapping[str, Any]) -> dict[str, Named]:
    """The entries of a landed file, with the records of their versions written."""
    found: dict[str, Named] = {}
    for asset in (*PARTITIONED[table.name], REFUSED_ROWS):
        pointer = root / asset / file / "CURRENT"
        if pointer.is_file():
            name = pointer.read_text()
            path = root / asset / file / name
            about = documents.read(path / "_about.json")
            content = Content(about["digest"], about["bytes"]) if "digest" in about else None
            Version(path, _rows(path, content=content)).save()
            found[f"{asset}/{file}"] = Named(name, name)
    entry = f"{ROWS[table.name]}/{file}"
    latest, active = (_examined(Lake(root), entry, known[which]) for which in ("latest", "in_force"))
    if latest:
        found[entry] = Named(latest, active)
    return found


def _examined(lake: Lake, entry: str, intake: Mapping[str, Any] | None) -> str | None:
    """The name of the version that a content of a file is, with its record written."""
    if intake is None:
        return None
    known: dict[str, Any] = {
        "made_from": MadeFrom(intake.get("code", "")),
        "content": Content(intake["digest"], intake["bytes"]),
        "counts": intake["counts"],
        "verdict": Verdict.from_json(intake["verdict"]),
    }
    if intake["version"] is None:
        return lake.write_nothing(entry, Record(**known)).name
    path = lake.root / entry / intake["version"]
    return Version(path, _rows(path, **known)).save().name


def _rows(path: Path, **known: Any) -> Record:
    about = documents.read(path / "_about.json")
    files = about.get("files") or sorted(file.name for file in path.glob("[!_]*.parquet"))
    return Record(rows=about["rows"], files=tuple(files), buckets=about.get("buckets", 1), **known)
