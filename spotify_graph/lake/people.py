"""People who were forgotten on purpose: what lands of them again stays out, and nothing here says who they are.

Of each, `<root>/_people/forgotten.json` keeps an HMAC-SHA256 of the id, with a key that is made once for each lake and
lies in the same file: who can read that file can try an id, and can't read one. `<root>/_people/leaving.json` has the
id itself as long as a person is being taken out, so that a run that died is completed by the next. Both files are
readable by their owner only.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spotify_graph.lake import documents
from spotify_graph.storage import Address
from spotify_graph.times import utc

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

FOLDER = "_people"
"""Where this is kept, within the lake's root."""
_FORGOTTEN, _LEAVING = "forgotten.json", "leaving.json"
_PIECES = re.compile(r'[,"]+')


@dataclass(frozen=True)
class Leaving:
    """A person who is being taken out.

    Attributes:
        user_id: the id.
        since: since when, in ISO 8601 and UTC.
        models: whether there were models to be trained anew.
        discard_additions: whether what others have added to the local database may go.
    """

    user_id: str
    since: str
    models: bool = False
    discard_additions: bool = False


@dataclass(frozen=True)
class People:
    """Those who were forgotten.

    Attributes:
        key: what their ids are hashed with, in hexadecimal.
        forgotten: when each was forgotten, in ISO 8601 and UTC, by the hash of the id.
    """

    key: str = ""
    forgotten: Mapping[str, str] = field(default_factory=dict)

    def hashed(self, user_id: str) -> str:
        """What is kept of an id."""
        return hmac.digest(bytes.fromhex(self.key), user_id.encode(), "sha256").hex()

    def has(self, user_id: str) -> bool:
        """Whether a person was forgotten."""
        return bool(self.forgotten) and self.hashed(user_id) in self.forgotten

    def last(self) -> datetime | None:
        """When somebody was forgotten last, or None."""
        return max(map(datetime.fromisoformat, self.forgotten.values()), default=None)

    def among(self, user_ids: pa.Array | pa.ChunkedArray) -> list[str]:
        """Which of them were forgotten, each once."""
        import pyarrow.compute as pc

        return [user_id for user_id in pc.unique(user_ids).to_pylist() if user_id is not None and self.has(user_id)]

    def theirs(self, records: pa.RecordBatch) -> NDArray[np.bool_]:
        """Which raw records of user events are of somebody who was forgotten.

        Of a malformed one, whose fields are not known, that is where a piece of its text is such an id.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from spotify_graph.transforms import fields

        users = fields.trimmed(records["user_id"])
        found = np.asarray(pc.fill_null(pc.is_in(users, pa.array(self.among(users), pa.string())), False))
        for row in np.flatnonzero(np.asarray(records["malformed"])).tolist():
            text = records["raw"][row].as_py() or ""
            found[row] = any(self.has(piece.strip()) for piece in (text, *_PIECES.split(text)))
        return found


def read(root: Address) -> People:
    """The people who were forgotten.

    Args:
        root: the lake's root.
    """
    known = documents.read(_file(root, _FORGOTTEN))
    return People(**known) if known else People()


def leaving(root: Address) -> list[Leaving]:
    """Who is being taken out."""
    return [Leaving(**known) for known in documents.read(_file(root, _LEAVING)) or ()]


def begin(root: Address, person: Leaving) -> None:
    """Remembers that a person is to be taken out, and takes in nothing of them from now on."""
    known = read(root)
    keyed = People(known.key or secrets.token_hex(32), known.forgotten)
    at = {**keyed.forgotten, keyed.hashed(person.user_id): utc(datetime.now(UTC), "microseconds")}
    # In this order: whoever is remembered as leaving is kept out, whenever the process dies.
    documents.write(_file(root, _FORGOTTEN), asdict(People(keyed.key, at)), private=True)
    _write_leaving(root, [*(it for it in leaving(root) if it.user_id != person.user_id), person])


def done(root: Address, user_id: str) -> None:
    """Forgets the id of somebody who is taken out."""
    _write_leaving(root, [it for it in leaving(root) if it.user_id != user_id])


def _write_leaving(root: Address, people: Sequence[Leaving]) -> None:
    for debris in (root / FOLDER).glob(f".{_LEAVING}.*"):
        debris.unlink(missing_ok=True)
    if people:
        documents.write(_file(root, _LEAVING), [asdict(it) for it in people], private=True)
    else:
        _file(root, _LEAVING).unlink(missing_ok=True)


def let_back(root: Address, user_id: str) -> bool:
    """Takes in again what lands of a person. Whether they were forgotten."""
    known = read(root)
    if not known.has(user_id):
        return False
    others = {hashed: at for hashed, at in known.forgotten.items() if hashed != known.hashed(user_id)}
    documents.write(_file(root, _FORGOTTEN), asdict(People(known.key, others)), private=True)
    return True


def carry_over(before: Address, after: Address) -> None:
    """Has a lake that takes the place of another keep out whom that one keeps out.

    Args:
        before: the root of the lake that is replaced.
        after: the root of the one that takes its place.
    """
    ours, theirs = read(before), read(after)
    if not ours.forgotten:
        return
    # Hashes of two keys can't be told to be of one person: those of both are kept where the key is the same.
    both = {**(theirs.forgotten if theirs.key == ours.key else {}), **ours.forgotten}
    documents.write(_file(after, _FORGOTTEN), asdict(People(ours.key, both)), private=True)


class Withheld:
    """The records of a stream that are of nobody who was forgotten, and how many the others are."""

    def __init__(self, stream: pa.RecordBatchReader, people: People) -> None:
        self._stream, self._people = stream, people
        self.rows = 0

    def reader(self) -> pa.RecordBatchReader:
        """The records that may be taken in."""
        import pyarrow as pa

        if not self._people.forgotten:
            return self._stream
        return pa.RecordBatchReader.from_batches(self._stream.schema, self._kept())

    def _kept(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in self._stream:
            theirs = self._people.theirs(batch)
            self.rows += int(theirs.sum())
            yield batch.filter(pa.array(~theirs))


def _file(root: Address, name: str) -> Address:
    return root / FOLDER / name
