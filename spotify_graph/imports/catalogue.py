"""What the catalogues in the landing folder know of genres, which no export has."""

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from spotify_graph import landing_folder
from spotify_graph.errors import UserError
from spotify_graph.imports.meaning import text
from spotify_graph.storage import Address
from spotify_graph.transforms.landed_files import TRACKS, path_fault, table_of

OURS = "tracks-imported.csv"
"""The catalogue that imports write. Its name comes before those of others, whose rows of a track win by that."""

_BLOCK = 1 << 20


@dataclass
class Genres:
    """The genres in catalogues.

    Attributes:
        of_track: by a track's id.
        of_artist: by an artist's name, as the graph spells it: the one that most of the artist's tracks have.
    """

    of_track: dict[str, str] = field(default_factory=dict)
    of_artist: dict[str, str] = field(default_factory=dict)

    def of(self, track_id: str, artist: str) -> str:
        """A track's genre, or nothing."""
        return self.of_track.get(track_id) or self.of_artist.get(artist, "")


def genres(folder: Address, track_ids: Collection[str], artists: Collection[str], missing: Collection[str]) -> Genres:
    """Looks up the genres of tracks and artists in the catalogues of a landing folder.

    A catalogue that can't be read says nothing here: it is named when it is taken in.

    Args:
        folder: the landing folder.
        track_ids: the tracks.
        artists: the artists.
        missing: words that stand for a missing value.
    """
    found, by_artist = Genres(), dict[str, Counter[str]]()
    with TemporaryDirectory(prefix="spotify-graph-") as scratch:
        for path in _catalogues(folder):
            copy = Path(scratch, path.rpartition("/")[2])
            try:
                if landing_folder.copy(folder, path, copy):
                    continue
                for track_id, artist, genre in _rows(copy):
                    if not genre or genre in missing:
                        continue
                    if track_id in track_ids:
                        found.of_track[track_id] = genre
                    if artist in artists:
                        by_artist.setdefault(artist, Counter())[genre] += 1
            except (OSError, EOFError, ValueError, csv.Error, UserError):
                continue
            finally:
                copy.unlink(missing_ok=True)
    for artist, counts in by_artist.items():
        found.of_artist[artist] = min(counts, key=lambda genre: (-counts[genre], genre))
    return found


def _catalogues(folder: Address) -> list[str]:
    try:
        paths = landing_folder.listed(folder).files
    except UserError:  # it is made when a history is written into it
        return []
    return sorted(path for path in paths if table_of(path) is TRACKS and not path_fault(path) and path != OURS)


def _rows(path: Path) -> Iterator[tuple[str, str, str]]:
    import pyarrow as pa

    with pa.input_stream(str(path), compression="detect") as opened:
        stream = io.TextIOWrapper(io.BufferedReader(opened, _BLOCK), "utf-8-sig", errors="replace", newline="")
        reader = csv.reader(stream)
        names = [name.strip().lower() for name in next(reader, [])]
        if not {"track_id", "artist", "genre"} <= set(names):
            return
        track_id, artist, genre = (names.index(name) for name in ("track_id", "artist", "genre"))
        for row in reader:
            if len(row) == len(names):
                yield row[track_id].strip(), text(row[artist]), text(row[genre])
