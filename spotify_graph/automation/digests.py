"""The digests of landed files, each computed once for each look: known to the sensor and to the command alike."""

import time
from collections.abc import Set
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Self

from filelock import FileLock

from spotify_graph.automation.landing_watch import look_from
from spotify_graph.lake import documents
from spotify_graph.landing_folder import Look, digest, look
from spotify_graph.settings import Settings
from spotify_graph.storage import Address

RACY_NS = 2_000_000_000
"""A file that was changed less long before a look may be changed again with the same times: clocks of file systems are
coarse. What is computed under such a look is not kept; Git does the same with its index."""


@dataclass
class Digests:
    """The digest that was computed under each file's last look.

    Where what is kept of them is lost or garbled, they are computed again.

    Attributes:
        folder: the landing folder.
        file: where they are kept.
        known: look and digest by the file's path, as they were kept.
        learned: the same, for those that are not kept yet.
    """

    folder: Address
    file: Path
    known: dict[str, tuple[Look, str]]
    learned: dict[str, tuple[Look, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Those of an installation."""
        file = settings.home / "landing_digests.json"
        return cls(settings.landing, file, _read(file))

    @property
    def looks(self) -> dict[str, Look]:
        """The look under which each file's digest is known."""
        return {name: look for name, (look, _) in (self.known | self.learned).items()}

    def of(self, path: str, look: Look) -> str | None:
        """The digest of a file under this look, or None where it is not known."""
        known, computed = self.learned.get(path) or self.known.get(path) or (None, None)
        return computed if known == look else None

    def under(self, path: str, seen: Look) -> str | None:
        """The digest of a file under this look, computed unless it is known; None where the file is not so any more.

        Raises:
            OSError: it can't be looked at.
        """
        if known := self.of(path, seen):
            return known
        began = time.time_ns()
        if look(self.folder, path) != seen:
            return None
        computed = digest(self.folder, path, lasting=True)
        if look(self.folder, path) != seen:
            return None
        if began - seen.ctime_ns > RACY_NS:
            self.learned[path] = (seen, computed)
        return computed

    def now(self, path: str) -> str:
        """The digest of a file as it is.

        Raises:
            FileNotFoundError: there is no such file.
            ConnectionError: its store does not answer.
        """
        try:
            found = self.under(path, look(self.folder, path))
        except OSError:
            found = None
        return found or digest(self.folder, path)  # of why it can't be opened

    def save(self, paths: Set[str]) -> None:
        """Keeps what was learned, beside what others did meanwhile, for the files of these paths alone."""
        # Where they can't be kept, they are computed again.
        with suppress(OSError), FileLock(self.file.with_name(f".{self.file.name}.lock")):
            kept = _read(self.file)
            known = {name: it for name, it in (kept | self.learned).items() if name in paths}
            if known != kept:
                documents.write(
                    self.file, {name: [*astuple(look), computed] for name, (look, computed) in known.items()}
                )


def _read(file: Path) -> dict[str, tuple[Look, str]]:
    try:
        kept = (documents.read(file) or {}).items()
        return {name: (look_from(seen), str(computed)) for name, (*seen, computed) in kept}
    except (ValueError, TypeError, AttributeError):
        return {}
