"""An operator's decision to let a refused version through: explicit, with a reason, and kept in the lake."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from spotify_graph.errors import UserError
from spotify_graph.io_managers.intake import ROWS, IntakeLedger
from spotify_graph.io_managers.lake import Lake
from spotify_graph.io_managers.verdicts import Acceptance, Verdict, read_json, write_json
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.times import utc
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS

_GATED = ("cleaned_tracks", "interactions")
_FILE = "ACCEPTED.json"


@dataclass(frozen=True)
class Refused:
    """A version that a gate refused.

    Attributes:
        asset: the asset that it is of.
        version: its name.
        checks: the checks that refused it.
        file: the landed file that it is of, or None.
    """

    asset: str
    version: str
    checks: tuple[str, ...]
    file: str | None = None


def refused(root: Path, name: str) -> Refused:
    """The refused version of a name.

    Args:
        root: the lake's root.
        name: the version's name, as the refusal says it: of a landed file, of interactions or cleaned_tracks, or a
            staged snapshot of the graph. For the latest version of a landed file, the file's name does.

    Raises:
        UserError: no version of that name waits for a decision.
    """
    for table in (TRACKS, USER_EVENTS):
        for entry in IntakeLedger(root, table).entries().values():
            if name in (entry.file, entry.latest.version):
                if not entry.latest.verdict.refusals:
                    raise UserError(f"{name} is not refused")
                if entry.latest.version is None:
                    raise UserError(f"{name}: {entry.latest.refusal}")
                checks = _refusing(entry.latest.verdict)
                return Refused(ROWS[table.name], entry.latest.version, checks, entry.file)
    for asset in _GATED:
        if (root / asset / name).is_dir():
            verdict = Lake(root).version(asset, name).verdict
            if verdict and verdict.refusals:
                return Refused(asset, name, _refusing(verdict))
    for path in (root / "graph").glob(f"*/{name}"):
        return Refused(path.parent.name, name, ("no_drop",))
    raise UserError(
        f"no refused version or file {name}: the refusal names it, and `spotify-graph status` shows the refused files"
    )


def accept(root: Path, name: str, because: str) -> Refused:
    """Lets a refused version through.

    Args:
        root: the lake's root.
        name: as of `refused`.
        because: why.

    Raises:
        UserError: no version of that name waits for a decision.
    """
    found, lake = refused(root, name), Lake(root)
    if found.file:
        for table in (TRACKS, USER_EVENTS):
            IntakeLedger(root, table).accept(found.version, because)
    elif found.asset in _GATED:
        version = lake.version(found.asset, found.version)
        assert version.verdict  # noqa: S101 it refused the version
        lake.judge(found.asset, version, version.verdict.accept(because))
    else:
        snapshot = Snapshot.load(root / "graph" / found.asset / found.version)
        file = snapshot.path.parent / _FILE
        write_json(file, (read_json(file) or {}) | {snapshot.fingerprint: asdict(_now(because))})
    return found


def _refusing(verdict: Verdict) -> tuple[str, ...]:
    return tuple(finding.check for finding in verdict.refusals)


def of_snapshot(snapshot: Snapshot) -> Acceptance | None:
    """The decision to let a snapshot's content through, or None."""
    known = (read_json(snapshot.path.parent / _FILE) or {}).get(snapshot.fingerprint)
    return Acceptance(**known) if known else None


def _now(because: str) -> Acceptance:
    return Acceptance(because, utc(datetime.now(UTC), "seconds"))
