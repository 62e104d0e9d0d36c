"""Logs of other services, by mappings."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from spotify_graph.cli import main
from spotify_graph.imports import mapping
from spotify_graph.imports.meaning import name_id
from spotify_graph_tests.histories import ACCOUNT, IP, PRIVATE, lines, mbid, uri


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(tmp_path: Path, by: str, log: str | bytes, *, user: str = "ann") -> Result:
    """Imports a log by a mapping that comes along, or by one that is given as TOML."""
    file = tmp_path / "log.txt"
    file.write_bytes(log if isinstance(log, bytes) else log.encode())
    if by not in mapping.ready():
        (tmp_path / "mine.toml").write_text(by, encoding="utf-8")
        by = str(tmp_path / "mine.toml")
    return CliRunner().invoke(main, ["import", str(file), "--mapping", by, "--user", user, "--json"])


def events(home: Path, name: str = "ann") -> list[dict[str, str]]:
    with (home / "landing" / f"user_events-imported-{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def taken(home: Path, result: Result, *columns: str) -> list[tuple[str, ...]]:
    assert result.exit_code == 0, result.output
    return [tuple(row[name] for name in columns) for row in events(home)]


def test_scrobbles_as_lastfm_to_csv_downloads_them(home: Path, tmp_path: Path) -> None:
    log = (
        "Boards of Canada,Geogaddi,Dawn Chorus,05 Apr 2024 11:50\n"
        '"Simon & Garfunkel","","Cecilia, live","05 Apr 2024, 11:46"\n'
        "Boards of Canada,Geogaddi,1969,\n"  # what is playing now has no time
    )
    result = run(tmp_path, "lastfm-csv", log)
    assert taken(home, result, "user_id", "track_id", "event_type", "event_ts") == [
        ("ann", name_id("Simon & Garfunkel", "Cecilia, live"), "play", "2024-04-05T11:46:00.000Z"),
        ("ann", name_id("Boards of Canada", "Dawn Chorus"), "play", "2024-04-05T11:50:00.000Z"),
    ]
    [file] = json.loads(result.stdout)["files"]
    assert file["set_aside"] == {"no usable time": 1}


def test_scrobbles_with_a_header_and_seconds_as_lastfm_s_exporter_downloads_them(home: Path, tmp_path: Path) -> None:
    log = (
        '"uts","utc_time","artist","artist_mbid","album","album_mbid","track","track_mbid"\n'
        f'"1712317800","05 Apr 2024, 11:50","Mgła","","Exercises in Futility","","I","{mbid(1)}"\n'
        '"1712317500","05 Apr 2024, 11:45","Mgła","","","","II",""\n'
    )
    assert taken(home, run(tmp_path, "lastfm-export", log), "track_id", "event_ts") == [
        (name_id("Mgła", "II"), "2024-04-05T11:45:00.000Z"),
        (mbid(1), "2024-04-05T11:50:00.000Z"),
    ]


def page(name: str, ts: int, **changes: Any) -> dict[str, Any]:
    """A line of a web player's log."""
    return {
        "artist": "The Box Tops",
        "auth": "Logged In",
        "firstName": "Planted Firstname",
        "gender": "F",
        "itemInSession": 0,
        "lastName": "Planted Lastname",
        "length": 148.03546,
        "level": "free",
        "location": "Plantedville, VA",
        "method": "PUT",
        "page": name,
        "registration": 1541013292796.0,
        "sessionId": 132,
        "song": "Soul Deep",
        "status": 200,
        "ts": ts,
        "userAgent": '"Mozilla/5.0 (Macintosh) PlantedAgent"',
        "userId": "96",
    } | changes


def test_a_web_player_s_pages_are_events_of_its_users_and_other_pages_are_set_aside(home: Path, tmp_path: Path) -> None:
    log = [
        page("NextSong", 1541808927796),
        page("Thumbs Up", 1541808928796),
        page("NextSong", 1541808929796, userId="97", sessionId=4),
        page("Thumbs Up", 1541808930796, artist=None, song=None),
        page("Home", 1541808931796, artist=None, song=None),
        page("NextSong", 1541808932796, userId=""),
    ]
    result = run(tmp_path, "web-player", lines(log), user="player")
    assert result.exit_code == 0, result.output
    assert [tuple(event.values()) for event in events(home, "player")] == [
        ("96", name_id("The Box Tops", "Soul Deep"), "play", "2018-11-10T00:15:27.796Z", "132", "web"),
        ("96", name_id("The Box Tops", "Soul Deep"), "like", "2018-11-10T00:15:28.796Z", "132", "web"),
        ("97", name_id("The Box Tops", "Soul Deep"), "play", "2018-11-10T00:15:29.796Z", "4", "web"),
    ]
    [file] = json.loads(result.stdout)["files"]
    assert file["set_aside"] == {"an event of another kind": 1, "no track in it": 1, "no user in it": 1}
    for path in home.rglob("*"):
        assert not path.is_file() or not [it for it in PRIVATE if it.encode() in path.read_bytes()]


def test_columns_separator_encoding_zone_words_constants_and_ids_are_as_the_mapping_says(
    home: Path, tmp_path: Path
) -> None:
    by = """
        format = "csv"
        encoding = "cp1252"
        separator = ";"
        [columns]
        time = "Zeit"
        event_type = "Was"
        artist = "Wer"
        title = "Titel"
        album = "Platte"
        duration_s = "Länge"
        [time]
        format = "%d.%m.%Y %H:%M:%S"
        zone = "Europe/Vienna"
        [constants]
        device = "Android"
        [event_types]
        "gehört" = "play"
        weiter = "skip"
        [track_id]
        from = ["artist", "title", "album"]
    """
    log = (
        "Zeit;Wer;Titel;Platte;Länge;Was\n"
        "05.07.2024 13:50:00;Die Ärzte;Schrei;Debil;61,5;gehört\n"
        "05.01.2024 13:50:00;Die Ärzte;Schrei;Live;61.5;weiter\n"
    )
    found = taken(home, run(tmp_path, by, log.encode("cp1252")), "event_type", "event_ts", "device", "track_id")
    assert [row[:3] for row in found] == [
        ("skip", "2024-01-05T12:50:00.000Z", "mobile"),
        ("play", "2024-07-05T11:50:00.000Z", "mobile"),
    ]
    assert found[0][3] != found[1][3] != name_id("Die Ärzte", "Schrei")
    with (home / "landing" / "tracks-imported.csv").open(encoding="utf-8", newline="") as file:
        assert sorted((row["album"], row["duration_ms"]) for row in csv.DictReader(file)) == [
            ("Debil", ""),
            ("Live", "61500"),
        ]


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("05 Apr 2024, 11:50", '"%d %b %Y, %H:%M"'),
        ("1712317800", '"seconds"'),
        ("1712317800.0", '"seconds"'),
        ("1712317800000", '"milliseconds"'),
        ("2024-04-05T13:50:00+02:00", '"iso"'),
        ("2024-04-05 11:50:00", '["seconds", "iso"]'),
    ],
)
def test_a_time_may_be_written_in_many_ways(home: Path, tmp_path: Path, written: str, form: str) -> None:
    by = f'[columns]\ntime="when"\ntrack_id="id"\n[time]\nformat={form}\n'
    result = run(tmp_path, by, f'when,id\n"{written}",{uri(1)}\n')
    assert taken(home, result, "event_ts", "track_id") == [("2024-04-05T11:50:00.000Z", uri(1))]


def test_fields_within_fields_of_json_lines_are_named_with_dots(home: Path, tmp_path: Path) -> None:
    by = 'format="jsonl"\n[columns]\ntime="at"\n'
    by += 'artist="track.artist.name"\ntitle="track.title"\n[time]\nformat="seconds"'
    row = {"at": 1712317800, "track": {"title": "B", "artist": {"name": "A"}}}
    assert taken(home, run(tmp_path, by, lines([row])), "track_id") == [(name_id("A", "B"),)]


LOG = f"when,artist,song,email,ip\n2024-04-05 11:50,Ann,One,{ACCOUNT}@example.com,{IP}\n"


@pytest.mark.parametrize(
    ("before", "columns", "after", "expected"),
    [
        ("", {"time": "whne"}, "", ["'whne' (time)", "it has when, artist, song, email, ip", "song='One'"]),
        ("", {}, "[time]\nformat='seconds'", ["'when' (time) is not 'seconds'", "'2024-04-05 11:50'", "song='One'"]),
        ("", {"event_type": "song"}, "[event_types]\nplayed='play'", ["'song' (event_type) holds 'One'", "song='One'"]),
        ("separator=';'", {}, "", ["'when' (time)"]),
        ("header=['when', 'artist', 'song']", {}, "", ["has 3 columns", "it has 5"]),
        ("format='jsonl'", {}, "", ["broken JSON in line 1"]),
    ],
)
def test_a_mapping_of_another_log_names_the_column_and_shows_a_row_without_what_is_private(
    home: Path, tmp_path: Path, before: str, columns: dict[str, str], after: str, expected: list[str]
) -> None:
    named = {"time": "when", "artist": "artist", "title": "song"} | columns
    by = "\n".join([before, "[columns]", *(f'{meaning} = "{name}"' for meaning, name in named.items()), after])
    result = run(tmp_path, by, LOG)
    assert result.exit_code == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("spotify-graph: ")]
    assert "log.txt" in line
    for part in expected:
        assert part in line
    assert not [it for it in PRIVATE if it in result.output]
    assert events(home) == [] if (home / "landing" / "user_events-imported-ann.csv").exists() else True


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("not toml", "mine.toml"),
        ("[colums]\ntime='a'", "colums is not known"),
        ("[columns]\nartist='a'\ntitle='b'", "needs time"),
        ("[columns]\ntime='a'\ntitel='b'", "columns.titel is not known"),
        ("[columns]\ntime='a'\ntitle='b'\n[time]\nzone='Europe/Wien'", "'Europe/Wien'"),
        ("encoding='latin-99'\n[columns]\ntime='a'\ntitle='b'", "'latin-99'"),
        ("separator='::'\n[columns]\ntime='a'\ntitle='b'", "one character"),
        ("format='xml'\n[columns]\ntime='a'\ntitle='b'", "'xml'"),
        ("[columns]\ntime='a'\ntitle='b'\n[event_types]\nx='listen'", "event_types.x is 'listen'"),
        ("header=['a']\n[columns]\ntime='a'\ntitle='b'", "header lacks 'b'"),
        ("[columns]\ntime='a'\ntitle='b'\n[track_id]\nfrom=['mood']", "track_id.from"),
    ],
)
def test_a_mapping_that_can_t_be_is_wrong_usage_and_names_the_culprit(
    home: Path, tmp_path: Path, by: str, expected: str
) -> None:
    result = run(tmp_path, by, LOG)
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert expected in line
    assert not home.exists()


def test_a_mapping_that_is_not_there_says_which_come_along(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["import", str(tmp_path), "--mapping", "nothing.toml", "--user", "ann"])
    assert result.exit_code == 2
    assert all(name in result.stderr for name in ("lastfm-csv", "lastfm-export", "web-player"))
