"""Which tracks are one: what sources say so, over all people's histories, and the id that the graph has for each."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spotify_graph.imports.meaning import Track, name_id

_SPOTIFY, _MSID = "spotify:", "msid:"


@dataclass(frozen=True)
class Identities:
    """The ids of tracks.

    Attributes:
        of: the id of each track; None where nothing but a message's number is known of it.
    """

    of: Mapping[Track, str | None]


def identified(heard: Mapping[Track, int]) -> Identities:
    """Gives each track its id.

    Ids that one row has for one track are of the same track, and so on from track to track. Of these, a Spotify URI
    comes first, then an MBID, then the least. A track without any has the id that others of the same artist and title
    have, the most heard of them; where there is none, a hash of artist and title.

    Args:
        heard: how often each track occurs, over all histories.
    """
    groups = _Groups()
    for track in heard:
        for other in track.ids[1:]:
            groups.unite(track.ids[0], other)
    best: dict[str, str] = {}
    for id_ in sorted({id_ for track in heard for id_ in track.ids}, key=_rank):
        best.setdefault(groups.of(id_), id_)

    def own(track: Track) -> str | None:
        found = best[groups.of(track.ids[0])] if track.ids else None
        return None if found is None or found.startswith(_MSID) else found

    named: dict[tuple[str, str], Counter[str]] = {}
    of_message: dict[str, set[tuple[str, str]]] = {}
    for track, count in heard.items():
        if track.named and (its := own(track)):
            named.setdefault((track.artist, track.title), Counter())[its] += count
        elif track.named and track.ids:
            of_message.setdefault(groups.of(track.ids[0]), set()).add((track.artist, track.title))

    def by_name(names: tuple[str, str]) -> str:
        ids = named.get(names)
        return min(ids, key=lambda id_: (-ids[id_], id_)) if ids else name_id(*names)

    def id_of(track: Track) -> str | None:
        if found := own(track):
            return found
        if track.named:
            return by_name((track.artist, track.title))
        # Feedback names the message of a listen, and that listen its track.
        names = of_message.get(groups.of(track.ids[0])) if track.ids else None
        return by_name(min(names)) if names else None

    return Identities({track: id_of(track) for track in heard})


def _rank(id_: str) -> tuple[int, str]:
    return (0 if id_.startswith(_SPOTIFY) else 2 if id_.startswith(_MSID) else 1), id_


class _Groups:
    """Disjoint sets of ids."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def of(self, id_: str) -> str:
        """The id that stands for the group of this one."""
        root = id_
        while (above := self._above.get(root, root)) != root:
            root = above
        while (above := self._above.get(id_, id_)) != root:
            self._above[id_], id_ = root, above
        return root

    def unite(self, one: str, other: str) -> None:
        """Makes one group of two. The least id stands for it, whatever the order."""
        least, most = sorted((self.of(one), self.of(other)))
        if least != most:
            self._above[most] = least


def counted(tracks: Iterable[tuple[Track, int]]) -> Counter[Track]:
    """How often each track occurs."""
    total: Counter[Track] = Counter()
    for track, count in tracks:
        total[track] += count
    return total
