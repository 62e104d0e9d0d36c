"""Sample logs with planted tastes: what `spotify-graph generate` writes.

Uniform noise has nothing to recommend from, so the logs come from a small model of listening. Its tastes and
popularities are kept beside the logs, for an evaluation that asks how near a recommender comes to the truth.

- A track has a popularity, Zipf over a random order of the catalogue; the last few per cent are never heard.
- A user has a taste, a Dirichlet draw over genres; a few users hear little but one genre.
- 60 % of a user's events return to a track that the user has met, the more often met the likelier, and rather to one
  that suits the user. The others find a track, with a probability proportional to taste * popularity.
- Skips are the rarer, and plays and likes the more frequent, the better a track's genre suits the user, while the types
  keep their shares of all events.
- A user's events form sessions, each on one of the user's devices.

Memory follows the catalogue, the number of users and the most active user, not the number of events: users are
simulated in chunks and spilled by time slice; then each slice is sorted and written.
"""

import csv
import functools
import itertools
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from spotify_graph.errors import UserError
from spotify_graph.graph_model import EVENT_TYPES

DEFAULT_TRACKS = 3_000
DEFAULT_USERS = 1_500
DEFAULT_EVENTS = 375_000
DEFAULT_SEED = 20_260_101


# The most frequent first: in which order the graph model names them plays no part.
_TYPES = sorted(EVENT_TYPES, key=lambda event: -event.sampled.share)
_SHARE, _TILT, _HEARD = np.array([(it.sampled.share, it.sampled.tilt, it.sampled.heard) for it in _TYPES]).T
# Shares sum to 1 over the types, and what liking adds and takes away sums to 0.
_SHARE /= _SHARE.sum()
_TILT -= _SHARE * _TILT.sum()

DEVICES = ("mobile", "desktop", "tablet", "web", "smart_speaker")
GENRES = (
    "Blues",
    "Classical",
    "Country",
    "Electronic",
    "Folk",
    "Hip-Hop",
    "Indie",
    "Jazz",
    "Latin",
    "Metal",
    "Pop",
    "R&B",
    "Rock",
    "Soul",
)

TRACKS_COLUMNS = ("track_id", "artist", "album", "duration_ms", "genre", "title")
USER_EVENTS_COLUMNS = ("user_id", "track_id", "event_type", "event_ts", "session_id", "device")

_WINDOW_DAYS = 180
_WINDOW_MS = _WINDOW_DAYS * 24 * 60 * 60 * 1000

_ZIPF_EXPONENT = 0.87
_UNHEARD_SHARE = 0.03
_NO_GENRE_SHARE = 0.01
_OFF_GENRE_SHARE = 0.06
_TRACKS_PER_ARTIST = 10
_OUTPUT_SIGMA = 0.8
_TRACKS_PER_ALBUM = 8

_TASTE_CONCENTRATION = 0.35
_TASTE_FLOOR = 0.05
_NARROW_SHARE = 0.03
_NARROW_TASTE = 0.9
_ACTIVITY_SIGMA = 0.5
_DEVICES_AT_MOST = 3

_RELISTEN_SHARE = 0.6
_REDRAWS = 3
_SESSION_EVENTS = 8

_CHUNK_EVENTS = 250_000
_LOCALES = ("en_US", "es_ES", "fr_FR", "pl_PL", "pt_BR", "sv_SE")
_NAMES_PER_LOCALE = 300
_BASE62 = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", dtype=np.uint8)
_ID_LENGTH = 22
_SESSION_ID_LENGTH = 12

_EVENT = np.dtype(
    [
        ("ts", np.int64),
        ("user", np.int32),
        ("track", np.int32),
        ("type", np.uint8),
        ("device", np.uint8),
        ("session", f"S{_SESSION_ID_LENGTH}"),
    ]
)
"""An event between simulation and file; ts in milliseconds after the window of the events opens."""

Progress = Callable[[int, int], None]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SampleData:
    """The files that `generate` wrote.

    The true score of a track for a user, by which an oracle ranks what the user may hear next, is
    `taste(user_id, genre) * popularity(track_id)`, with the track's genre from `track_popularity`.

    Attributes:
        tracks: the catalogue, `tracks.csv`.
        user_events: the log, `user_events.csv`, ordered by time.
        track_popularity: Parquet, one row for each track: `track_id` (string), `genre` (string; the true one, also
            where the catalogue leaves it empty), `popularity` (double; sums to 1, 0 for tracks that nobody hears).
        user_tastes: Parquet, one row for each user and genre, also for users without events: `user_id` (string),
            `genre` (string), `taste` (double, above 0; sums to 1 for each user).
    """

    tracks: Path
    user_events: Path
    track_popularity: Path
    user_tastes: Path


def generate(
    out: Path,
    *,
    truth: Path,
    tracks: int = DEFAULT_TRACKS,
    users: int = DEFAULT_USERS,
    events: int = DEFAULT_EVENTS,
    seed: int = DEFAULT_SEED,
    end: date | None = None,
    progress: Progress | None = None,
) -> SampleData:
    """Writes sample logs and the tastes behind them.

    Equal arguments, the end among them, give equal bytes, as long as NumPy, Faker and PyArrow stay the same. Files of
    the same names are replaced, others left alone; the files appear under their names once all are complete.

    Args:
        out: the landing folder, made where it is missing.
        truth: the folder for the true affinities, made where it is missing; not in `out`.
        tracks: rows in the catalogue.
        users: users who may have events; with few events, some have none.
        events: rows in the log.
        seed: any number from 0.
        end: the day, in UTC, before which the newest event is, by a millisecond; None means today.
        progress: called with (events done, events in all) after each chunk.

    Returns:
        Where the files are.

    Raises:
        UserError: a size that cannot be, `truth` in `out`, or a folder that cannot be written.
    """
    for name, value in {"tracks": tracks, "users": users, "events": events, "seed": seed}.items():
        if value < 0:
            raise UserError(f"{name} is {value}: give 0 or more")
    for name, value in {"tracks": tracks, "users": users}.items():
        if events and not value:
            raise UserError(f"{name} is 0: {events} events need at least 1")
    if truth.resolve().is_relative_to(out.resolve()):
        raise UserError(f"{truth}: the true affinities may not lie in the landing folder {out}; name another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        truth.mkdir(parents=True, exist_ok=True)
        with (
            TemporaryDirectory(prefix=".generate-", dir=out) as landing_staging,
            TemporaryDirectory(prefix=".generate-", dir=truth) as truth_staging,
        ):
            staged = _paths(Path(landing_staging), Path(truth_staging))
            catalogue = _Catalogue.draw(tracks, seed)
            audience = _Audience.draw(users, events, seed)
            catalogue.write(staged.tracks, staged.track_popularity)
            audience.write(staged.user_tastes)
            start = (end or datetime.now(UTC).date()) - timedelta(_WINDOW_DAYS)
            _write_events(
                staged.user_events, catalogue, audience, seed, start, progress or (lambda _done, _total: None)
            )
            data = _paths(out, truth)
            staged.track_popularity.replace(data.track_popularity)
            staged.user_tastes.replace(data.user_tastes)
            staged.tracks.replace(data.tracks)
            staged.user_events.replace(data.user_events)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"{error.filename or out}: cannot write the sample logs: {reason}; name another folder"
        ) from error
    return data


def beside(landing: Path) -> SampleData:
    """Where `spotify-graph generate` puts sample data: the logs in the landing folder, the truth in a folder beside."""
    return _paths(landing, landing.parent / f"{landing.name}_truth")


def _paths(out: Path, truth: Path) -> SampleData:
    return SampleData(
        tracks=out / "tracks.csv",
        user_events=out / "user_events.csv",
        track_popularity=truth / "track_popularity.parquet",
        user_tastes=truth / "user_tastes.parquet",
    )


@dataclass(frozen=True)
class _Catalogue:
    """The tracks, one element for each in every array; a genre is a position in GENRES."""

    ids: pa.StringArray
    artist: list[str]
    album: list[str]
    title: list[str]
    duration_ms: Ints
    genre: Ints
    genre_is_known: npt.NDArray[np.bool_]
    popularity: Floats

    @classmethod
    def draw(cls, tracks: int, seed: int) -> "_Catalogue":
        rng = _rng(seed, "catalogue")
        names = _Names.draw(seed)

        artists = max(1, min(tracks // _TRACKS_PER_ARTIST, names.artists))
        artist_names = names.artist(rng.choice(names.artists, size=artists, replace=False))
        artist_genre = rng.integers(len(GENRES), size=artists)
        output = rng.lognormal(sigma=_OUTPUT_SIGMA, size=artists)
        artist = np.sort(rng.choice(artists, size=tracks, p=output / output.sum()))

        within_artist = np.arange(tracks) - np.searchsorted(artist, artist)
        starts_album = within_artist % _TRACKS_PER_ALBUM == 0
        album = np.cumsum(starts_album) - 1
        album_names = names.albums(rng, int(starts_album.sum()))

        off_genre = rng.random(tracks) < _OFF_GENRE_SHARE
        genre = np.where(off_genre, rng.integers(len(GENRES), size=tracks), artist_genre[artist])

        rank = rng.permutation(tracks) + 1
        popularity = np.where(rank <= np.ceil((1 - _UNHEARD_SHARE) * tracks), rank**-_ZIPF_EXPONENT, 0)

        return cls(
            ids=_ids(rng, tracks),
            artist=[artist_names[i] for i in artist],
            album=[album_names[i] for i in album],
            title=names.titles(rng, tracks),
            duration_ms=np.clip(rng.lognormal(np.log(210_000), 0.35, tracks), 30_000, 1_200_000).astype(np.int64),
            genre=genre,
            genre_is_known=rng.random(tracks) >= _NO_GENRE_SHARE,
            popularity=popularity / (popularity.sum() or 1),
        )

    @functools.cached_property
    def genre_mass(self) -> Floats:
        """The popularity of each genre's tracks together."""
        return np.bincount(self.genre, self.popularity, len(GENRES)).astype(np.float64)

    @functools.cached_property
    def by_genre(self) -> Ints:
        """The tracks, genre after genre."""
        return np.argsort(self.genre, kind="stable")

    @functools.cached_property
    def popularity_by_genre(self) -> Floats:
        """The running sum of popularity along `by_genre`."""
        return np.cumsum(self.popularity[self.by_genre])

    def pick(self, genre: Ints, rng: np.random.Generator) -> Ints:
        """A track of each of these genres, drawn by popularity."""
        before = np.cumsum(self.genre_mass) - self.genre_mass
        target = before[genre] + rng.random(len(genre)) * self.genre_mass[genre]
        place = np.searchsorted(self.popularity_by_genre, target, side="right")
        return self.by_genre[np.minimum(place, len(self.by_genre) - 1)]

    def write(self, tracks: Path, track_popularity: Path) -> None:
        true_genre = [GENRES[i] for i in self.genre]
        genre = [name if known else "" for name, known in zip(true_genre, self.genre_is_known, strict=True)]
        with tracks.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(TRACKS_COLUMNS)
            columns = (self.ids.to_pylist(), self.artist, self.album, self.duration_ms.tolist(), genre, self.title)
            writer.writerows(zip(*columns, strict=True))
        _write_parquet(
            {
                "track_id": self.ids,
                "genre": pa.array(true_genre, pa.string()),
                "popularity": pa.array(self.popularity),
            },
            track_popularity,
        )


@dataclass(frozen=True)
class _Audience:
    """The users, one element or row for each in every array."""

    ids: pa.StringArray
    taste: Floats
    events: Ints
    devices: Ints
    device_count: Ints

    @classmethod
    def draw(cls, users: int, events: int, seed: int) -> "_Audience":
        rng = _rng(seed, "audience")
        genres = len(GENRES)
        taste = rng.dirichlet(np.full(genres, _TASTE_CONCENTRATION), size=users)
        narrow = rng.random(users) < _NARROW_SHARE
        favourite = np.eye(genres)[rng.integers(genres, size=users)]
        taste = np.where(narrow[:, None], _NARROW_TASTE * favourite + (1 - _NARROW_TASTE) * taste, taste)
        activity = rng.lognormal(sigma=_ACTIVITY_SIGMA, size=users)
        return cls(
            ids=_ids(rng, users),
            taste=(1 - _TASTE_FLOOR) * taste + _TASTE_FLOOR / genres,
            events=rng.multinomial(events, activity / activity.sum()) if users else np.zeros(0, dtype=np.int64),
            devices=rng.permuted(np.tile(np.arange(len(DEVICES)), (users, 1)), axis=1),
            device_count=rng.integers(1, _DEVICES_AT_MOST, size=users, endpoint=True),
        )

    def chunks(self) -> Iterator[slice]:
        """Consecutive users whose events number about _CHUNK_EVENTS."""
        chunk = (np.cumsum(self.events) - self.events) // _CHUNK_EVENTS
        edges = [0, *(np.flatnonzero(np.diff(chunk)) + 1).tolist(), len(self.events)]
        return (slice(first, last) for first, last in itertools.pairwise(edges) if self.events[first:last].any())

    def write(self, user_tastes: Path) -> None:
        users, genres = self.taste.shape
        _write_parquet(
            {
                "user_id": self.ids.take(pa.array(np.repeat(np.arange(users), genres))),
                "genre": pa.array(GENRES).take(pa.array(np.tile(np.arange(genres), users))),
                "taste": pa.array(self.taste.ravel()),
            },
            user_tastes,
        )


@dataclass(frozen=True)
class _Names:
    """Pools of words, combined into names: Faker is too slow to ask for each."""

    artist_heads: list[str]
    artist_tails: list[str]
    adjectives: list[str]
    nouns: list[str]
    places: list[str]

    @classmethod
    def draw(cls, seed: int) -> "_Names":
        # Imported where it is used: it takes half a second.
        from faker import Faker

        first: list[str] = []
        last: list[str] = []
        places: list[str] = []
        for locale in _LOCALES:
            fake = Faker(locale)
            fake.seed_instance(seed)
            first += [fake.first_name() for _ in range(_NAMES_PER_LOCALE)]
            last += [fake.last_name() for _ in range(_NAMES_PER_LOCALE)]
            places += [fake.city() for _ in range(_NAMES_PER_LOCALE)]
        words = Faker("en_US")
        adjectives = _distinct([word.title() for word in words.get_words_list(part_of_speech="adjective")])
        nouns = _distinct([word.title() for word in words.get_words_list(part_of_speech="noun")])
        return cls(
            artist_heads=_distinct([*first, *(f"The {adjective}" for adjective in adjectives)]),
            # One word each, so that no two pairs of head and tail make the same name.
            artist_tails=[tail for tail in _distinct([*last, *nouns]) if " " not in tail],
            adjectives=adjectives,
            nouns=nouns,
            places=_distinct(places),
        )

    @property
    def artists(self) -> int:
        """How many different artist names there are."""
        return len(self.artist_heads) * len(self.artist_tails)

    def artist(self, numbers: Ints) -> list[str]:
        """The artist names of these numbers, each below `artists`; different numbers have different names."""
        heads, tails = np.divmod(numbers, len(self.artist_tails))
        return [f"{self.artist_heads[i]} {self.artist_tails[j]}" for i, j in zip(heads, tails, strict=True)]

    def albums(self, rng: np.random.Generator, count: int) -> list[str]:
        adjectives, nouns = (rng.integers(len(pool), size=count) for pool in (self.adjectives, self.nouns))
        return [f"{self.adjectives[i]} {self.nouns[j]}" for i, j in zip(adjectives, nouns, strict=True)]

    def titles(self, rng: np.random.Generator, count: int) -> list[str]:
        forms = (
            "{noun}",
            "{adjective} {noun}",
            "The {noun} of {place}",
            "{noun}, {other}",
            "{place} ({adjective} Mix)",
        )
        pools = (forms, self.adjectives, self.nouns, self.nouns, self.places)
        draws = [rng.integers(len(pool), size=count) for pool in pools]
        return [
            forms[form].format(
                adjective=self.adjectives[adjective],
                noun=self.nouns[noun],
                other=self.nouns[other],
                place=self.places[place],
            )
            for form, adjective, noun, other, place in zip(*draws, strict=True)
        ]


def _distinct(words: list[str]) -> list[str]:
    return list(dict.fromkeys(" ".join(unicodedata.normalize("NFC", word).split()) for word in words))


def _write_events(
    path: Path, catalogue: _Catalogue, audience: _Audience, seed: int, start: date, progress: Progress
) -> None:
    """Simulates chunk after chunk of users into spill files, one for each slice of time, and writes those in order."""
    total = int(audience.events.sum())
    slices = max(1, total // _CHUNK_EVENTS)
    edges = np.linspace(0, _WINDOW_MS, slices + 1).astype(np.int64)[1:-1]
    spills = [path.with_name(f"slice-{number}") for number in range(slices)]
    for spill in spills:
        spill.touch()

    # Both passes over the events count for half.
    done = newest = 0
    for number, chunk in enumerate(audience.chunks()):
        simulated = _simulate(chunk, catalogue, audience, _rng(seed, "events", number))
        simulated = simulated[np.argsort(simulated["ts"], kind="stable")]
        for spill, part in zip(spills, np.split(simulated, np.searchsorted(simulated["ts"], edges)), strict=True):
            with spill.open("ab") as file:
                part.tofile(file)
        newest = max(newest, simulated["ts"][-1])
        done += len(simulated)
        progress(done // 2, total)

    # So few events that the last days have none would be taken for a log that has stopped.
    ends_late = np.timedelta64(_WINDOW_MS - 1 - newest, "ms")
    opens = np.datetime64(start, "ms") + ends_late
    with path.open("wb") as file:
        file.write((",".join(USER_EVENTS_COLUMNS) + "\n").encode())
        for spill in spills:
            events = np.fromfile(spill, dtype=_EVENT)
            spill.unlink()
            events = events[np.argsort(events["ts"], kind="stable")]
            options = pacsv.WriteOptions(include_header=False, quoting_style="none")
            pacsv.write_csv(_log(events, catalogue, audience, opens), file, options)
            done += len(events)
            progress(done // 2, total)


@dataclass(frozen=True)
class _Rows:
    """The events of a chunk, user after user, each user's in the order of time.

    Attributes:
        user: whose each is, as a position in the chunk.
        first: the row of that user's first event.
        earlier: how many events that user has before it.
    """

    user: Ints
    first: Ints
    earlier: Ints

    @classmethod
    def of(cls, counts: Ints) -> "_Rows":
        first = np.repeat(np.cumsum(counts) - counts, counts)
        return cls(user=np.repeat(np.arange(len(counts)), counts), first=first, earlier=np.arange(len(first)) - first)

    def draw_earlier(self, rng: np.random.Generator) -> Ints:
        """For each row one of the same user's earlier rows; for a user's first row, itself."""
        return self.first + (rng.random(len(self.user)) * self.earlier).astype(np.int64)


def _simulate(
    chunk: slice, catalogue: _Catalogue, audience: _Audience, rng: np.random.Generator
) -> npt.NDArray[np.void]:
    rows = _Rows.of(audience.events[chunk])
    track, liking = _listen(rows, audience.taste[chunk], catalogue, rng)
    event_type = _event_types(liking, rng)
    heard_ms = catalogue.duration_ms[track] * _HEARD[event_type] * rng.uniform(0.5, 1, len(track))

    starts_session = (rows.earlier == 0) | (rng.random(len(track)) * _SESSION_EVENTS < 1)
    session = np.cumsum(starts_session) - 1
    session_user = rows.user[starts_session] + chunk.start
    session_device = (rng.random(len(session_user)) * audience.device_count[session_user]).astype(np.int64)

    events = np.empty(len(track), dtype=_EVENT)
    events["ts"] = _times(rows, starts_session, heard_ms, rng)
    events["user"] = rows.user + chunk.start
    events["track"] = track
    events["type"] = event_type
    events["device"] = audience.devices[session_user, session_device][session]
    events["session"] = _base62(rng, len(session_user), _SESSION_ID_LENGTH)[session]
    return events


def _listen(rows: _Rows, taste: Floats, catalogue: _Catalogue, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Which track each event is on, and how well it suits the user: 1 is the genre that the user likes most."""
    liking_by_genre = taste / taste.max(axis=1, keepdims=True)
    finds = (rng.random(len(rows.user)) >= _RELISTEN_SHARE) | (rows.earlier == 0)
    track = np.zeros(len(rows.user), dtype=np.int64)
    track[finds] = _find(rows.user[finds], taste, catalogue, rng)
    liking_of_find = liking_by_genre[rows.user, catalogue.genre[track]]

    # A re-listen copies one of the user's earlier events, so that a track's chance grows with its count. A find that
    # did not please may be passed over once for another event.
    source = np.where(finds, np.arange(len(track)), rows.draw_earlier(rng))
    passed_over = ~finds & finds[source] & (liking_of_find[source] < rng.random(len(track)))
    source = np.where(passed_over, rows.draw_earlier(rng), source)
    while not finds[source].all():
        source = source[source]
    return track[source], liking_of_find[source]


def _find(user: Ints, taste: Floats, catalogue: _Catalogue, rng: np.random.Generator) -> Ints:
    """A track for each element, drawn by taste * popularity, and redrawn a few times where the user has found it."""
    genres = np.cumsum(taste * catalogue.genre_mass, axis=1)
    # Row after row, each raised by its number: one sorted array to search for all users at once.
    raised = (genres / genres[:, -1:] + np.arange(len(taste))[:, None]).ravel()

    def draw(user: Ints) -> Ints:
        place = np.searchsorted(raised, user + rng.random(len(user)), side="right")
        return catalogue.pick(np.minimum(place - user * len(GENRES), len(GENRES) - 1), rng)

    track = draw(user)
    for _ in range(_REDRAWS):
        found_before = np.ones(len(track), dtype=bool)
        found_before[np.unique(user * len(catalogue.genre) + track, return_index=True)[1]] = False
        track[found_before] = draw(user[found_before])
    return track


def _event_types(liking: Floats, rng: np.random.Generator) -> Ints:
    """A type for each event, as a position in _TYPES."""
    # Measured from the mean, so that the tilts cancel out over the chunk and the shares hold.
    mean = liking.mean()
    tilt = (liking - mean) / max(mean, 1 - mean)
    share = _SHARE + tilt[:, None] * _TILT
    event_type: Ints = (rng.random((len(liking), 1)) >= np.cumsum(share[:, :-1], axis=1)).sum(axis=1)
    return event_type


def _times(rows: _Rows, starts_session: npt.NDArray[np.bool_], heard_ms: Floats, rng: np.random.Generator) -> Ints:
    """A time for each event, in milliseconds after the window opens, later than the user's event before it."""
    listening = np.bincount(rows.user, weights=heard_ms)
    squeeze = np.minimum(1, _WINDOW_MS / 2 / np.maximum(listening, 1))
    gap = 1 + (heard_ms * squeeze[rows.user]).astype(np.int64)
    elapsed = np.cumsum(gap) - gap
    # Sessions start at random moments of the time that the user does not listen in, which keeps them apart.
    idle = _WINDOW_MS - np.bincount(rows.user, weights=gap)
    user = rows.user[starts_session]
    start = np.sort(user * _WINDOW_MS + (rng.random(len(user)) * idle[user]).astype(np.int64)) - user * _WINDOW_MS
    time: Ints = start[np.cumsum(starts_session) - 1] + elapsed - elapsed[rows.first]
    return time


def _log(events: npt.NDArray[np.void], catalogue: _Catalogue, audience: _Audience, opens: np.datetime64) -> pa.Table:
    # Without a time zone, because Arrow's cast to text is many times slower with one.
    moments = pa.array(opens + events["ts"].astype("timedelta64[ms]")).cast(pa.string())
    columns = (
        audience.ids.take(pa.array(events["user"])),
        catalogue.ids.take(pa.array(events["track"])),
        pa.array([event.name for event in _TYPES]).take(pa.array(events["type"])),
        pc.binary_replace_slice(pc.binary_replace_slice(moments, 23, 23, "Z"), 10, 11, "T"),
        pa.array(events["session"]).cast(pa.string()),
        pa.array(DEVICES).take(pa.array(events["device"])),
    )
    return pa.table(dict(zip(USER_EVENTS_COLUMNS, columns, strict=True)))


def _write_parquet(columns: dict[str, pa.Array], path: Path) -> None:
    pq.write_table(pa.table(columns), path)


def _ids(rng: np.random.Generator, count: int) -> pa.StringArray:
    return pa.array(_base62(rng, count, _ID_LENGTH)).cast(pa.string())


def _base62(rng: np.random.Generator, count: int, length: int) -> npt.NDArray[np.bytes_]:
    return _BASE62[rng.integers(len(_BASE62), size=(count, length), dtype=np.uint8)].view(f"S{length}").ravel()


def _rng(seed: int, purpose: str, number: int = 0) -> np.random.Generator:
    """A stream of random numbers of its own for each purpose and number."""
    return np.random.default_rng([seed, int.from_bytes(purpose.encode()), number])
