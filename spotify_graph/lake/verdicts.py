"""What the gates found of a version. It is kept with that version: publishing asks there, whoever starts it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from spotify_graph.times import utc


@dataclass(frozen=True)
class Finding:
    """What one gate found.

    Attributes:
        check: the asset check's name.
        passed: whether the data is as it should be.
        blocking: whether a failure keeps the data out of the graph; otherwise it is a warning.
        description: what was found, in one line.
        details: the threshold, what was found, and a sample of offenders; plain JSON values.
    """

    check: str
    passed: bool
    blocking: bool
    description: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def refuses(self) -> bool:
        """Whether this keeps the data out of the graph."""
        return self.blocking and not self.passed


@dataclass(frozen=True)
class Acceptance:
    """An operator's decision to let a refused version through.

    Attributes:
        because: why.
        at: when, in ISO 8601 and UTC.
    """

    because: str
    at: str


@dataclass(frozen=True)
class Verdict:
    """What all gates of a version found.

    Attributes:
        findings: one for each gate.
        accepted: the decision to let it through all the same, or None.
    """

    findings: Sequence[Finding]
    accepted: Acceptance | None = None

    @property
    def refusals(self) -> list[Finding]:
        """The findings that keep the version out of the graph, unless it is accepted."""
        return [finding for finding in self.findings if finding.refuses]

    @property
    def holds(self) -> bool:
        """Whether the version may go on into the graph."""
        return not self.refusals or self.accepted is not None

    def accept(self, because: str) -> "Verdict":
        """The verdict with the decision to let the version through."""
        return Verdict(self.findings, Acceptance(because, utc(datetime.now(UTC), "seconds")))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> Self:
        """The verdict that `to_json` gave."""
        accepted = known["accepted"]
        findings = tuple(Finding(**finding) for finding in known["findings"])
        return cls(findings, Acceptance(**accepted) if accepted else None)
