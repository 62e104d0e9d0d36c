"""An operator's decision to let a refused version through: explicit, with a reason, and kept with that version."""

from dataclasses import dataclass

from spotify_graph.errors import UserError
from spotify_graph.lake.intake import KINDS, ROWS, Intake, refusal_of
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import Version


@dataclass(frozen=True)
class Refused:
    """A version that a gate refused.

    Attributes:
        entry: the entry of the lake that it is of.
        version: the version.
        file: the landed file that it is of, or None.
    """

    entry: str
    version: Version
    file: str | None = None

    @property
    def asset(self) -> str:
        """The asset that it is of."""
        return self.entry.removeprefix("graph/").split("/")[0]

    @property
    def checks(self) -> list[str]:
        """The checks that refused it."""
        return [finding.check for finding in self.version.verdict.refusals] if self.version.verdict else []


def refused(lake: Lake, name: str) -> Refused:
    """The refused version of a name.

    Args:
        lake: the lake.
        name: the version's name, as the refusal says it. For the latest version of a landed file, the file's name does.

    Raises:
        UserError: no version of that name waits for a decision.
    """
    found = _find(lake, name)
    if found is None:
        raise UserError(
            f"no refused version or file {name}: the refusal names it, and `spotify-graph status` shows the refused"
            " files"
        )
    if not found.checks:
        raise UserError(f"{name} is not refused")
    if found.file and not found.version.files:
        raise UserError(f"{name}: {refusal_of(found.version)}")
    return found


def accept(lake: Lake, name: str, because: str) -> Refused:
    """Lets a refused version through.

    Args:
        lake: the lake.
        name: as of `refused`.
        because: why.

    Raises:
        UserError: no version of that name waits for a decision.
    """
    found = refused(lake, name)
    verdict = found.version.verdict
    assert verdict  # noqa: S101 it refused the version
    lake.put({found.entry: found.version.but(verdict=verdict.accept(because))})
    return found


def _find(lake: Lake, name: str) -> Refused | None:
    for table in KINDS:
        for entry in Intake(lake, table).entries().values():
            if name in {entry.file, entry.latest.name}:
                return Refused(f"{ROWS[table.name]}/{entry.file}", entry.latest, entry.file)
    for other, named in lake.manifest.entries.items():
        if named.latest == name:
            return Refused(other, lake.version(other, name))
    return None
