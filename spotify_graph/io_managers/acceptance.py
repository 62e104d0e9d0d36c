"""An operator's decision to let a refused version through: explicit, with a reason, and kept in the lake."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from spotify_graph.errors import UserError
from spotify_graph.io_managers.intake import ROWS, IntakeLedger
from spotify_graph.io_managers.lake import Lake
from spotify_graph.io_managers.verdicts import Acceptance, read_json, write_json
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.times import utc
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS

_GATED = ("cleaned_tracks", "interactions")
_FILE = "ACCEPTED.json"


def accept(root: Path, version: str, because: str) -> tuple[str, list[str]]:
    """Lets a refused version through.

    Args:
        root: the lake's root.
        version: the version's name, as the refusal says it: of a landed file, of interactions or cleaned_tracks, or a
            staged snapshot of the graph.
        because: why.

    Returns:
        The asset that the version is of, and the checks that refused it.

    Raises:
        UserError: no version of that name waits for a decision.
    """
    for table in (TRACKS, USER_EVENTS):
        entry = IntakeLedger(root, table).accept(version, because)
        if entry:
            return ROWS[table.name], [finding.check for finding in entry.latest.verdict.refusals]
    lake = Lake(root)
    for asset in _GATED:
        if (root / asset / version).is_dir():
            found = lake.version(asset, version)
            if found.verdict and found.verdict.refusals:
                lake.judge(asset, found, found.verdict.accept(because))
                return asset, [finding.check for finding in found.verdict.refusals]
    for path in (root / "graph").glob(f"*/{version}"):
        file = path.parent / _FILE
        accepted = {Snapshot.load(path).fingerprint: asdict(_now(because))}
        write_json(file, (read_json(file) or {}) | accepted)
        return path.parent.name, ["no_drop"]
    raise UserError(
        f"no refused version {version}: the refusal names it, and `spotify-graph status` shows the refused files"
    )


def of_snapshot(snapshot: Snapshot) -> Acceptance | None:
    """The decision to let a snapshot's content through, or None."""
    known = (read_json(snapshot.path.parent / _FILE) or {}).get(snapshot.fingerprint)
    return Acceptance(**known) if known else None


def _now(because: str) -> Acceptance:
    return Acceptance(because, utc(datetime.now(UTC), "seconds"))
