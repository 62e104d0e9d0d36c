"""People's own histories through `spotify-graph import`, into files of the input contract."""

import csv
import json
import shutil
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from spotify_graph.cli import main
from spotify_graph.imports.meaning import name_id
from spotify_graph.transforms.landed_files import name_fault
from spotify_graph_tests.histories import (
    ACCOUNT,
    IP,
    PRIVATE,
    endsong,
    library,
    lines,
    listen,
    mbid,
    minute,
    opinion,
    stream,
    uri,
    write,
    zipped,
)

HOUR = 3_600
LISTENED = 1_713_000_000  # 2024-04-13 09:20 UTC


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["import", *map(str, arguments)])


def take(*arguments: object) -> dict[str, Any]:
    """Imports, which must work, and gives what `--json` says."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def events(home: Path, name: str = "ann") -> list[dict[str, str]]:
    return table(home / "landing" / f"user_events-imported-{name}.csv")


def tracks(home: Path) -> dict[str, dict[str, str]]:
    return {row["track_id"]: row for row in table(home / "landing" / "tracks-imported.csv")}


def told(home: Path, *columns: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in columns) for row in events(home)]


@pytest.mark.parametrize("row", [stream, endsong])
@pytest.mark.parametrize(
    ("changes", "event_type"),
    [
        ({}, "play"),
        ({"ms": 30_000}, "play"),
        ({"ms": 29_999}, "skip"),
        ({"skipped": True, "reason_end": "fwdbtn"}, "skip"),
        ({"skipped": None, "reason_end": "fwdbtn"}, "skip"),
        ({"skipped": False, "reason_end": "fwdbtn"}, "play"),
        ({"reason_end": "endplay"}, "pause"),
        ({"reason_end": "unexpected-exit-while-paused"}, "pause"),
        ({"reason_end": "endplay", "ms": 2_000}, "skip"),
        ({"reason_end": "logout"}, "play"),
        ({"reason_end": None}, "play"),
    ],
)
def test_a_stream_of_either_generation_is_a_play_a_skip_or_a_pause_that_began_ms_played_before_its_ts(
    home: Path, tmp_path: Path, row: Any, changes: dict[str, Any], event_type: str
) -> None:
    one = row("2024-03-01T12:00:00Z", **changes)
    take(write(tmp_path / "in", {"Streaming_History_Audio_2024_0.json": [one]}), "--user", "ann")
    [event] = events(home)
    assert event == {
        "user_id": "ann",
        "track_id": uri(1),
        "event_type": event_type,
        "event_ts": {30_000: "2024-03-01T11:59:30.000Z", 2_000: "2024-03-01T11:59:58.000Z"}.get(
            one["ms_played"], "2024-03-01T11:56:40.000Z" if one["ms_played"] == 200_000 else "2024-03-01T11:59:30.001Z"
        ),
        "session_id": event["session_id"],
        "device": "mobile",
    }


def test_album_and_title_go_to_the_catalogue_with_the_commonest_length_of_plays_to_the_end(
    home: Path, tmp_path: Path
) -> None:
    rows = [
        stream("2024-03-01T12:00:00Z", 181_000),
        stream("2024-03-01T12:05:00Z", 181_000),
        stream("2024-03-01T12:10:00Z", 190_000),
        stream("2024-03-01T12:20:00Z", 240_000, reason_end="logout"),
        stream("2024-03-01T12:30:00Z", 99_000, 2, reason_end="endplay"),
    ]
    take(write(tmp_path / "in", {"a.json": rows}), "--user", "ann")
    assert tracks(home) == {
        uri(number): {
            "track_id": uri(number),
            "artist": f"Band {number}",
            "album": f"Album {number}",
            "duration_ms": duration,
            "genre": "",
            "title": f"Song {number}",
        }
        for number, duration in ((1, "181000"), (2, ""))
    }


def test_what_is_no_music_is_set_aside_and_counted_by_its_reason(home: Path, tmp_path: Path) -> None:
    ts = "2024-03-01T12:00:00Z"
    audio = [
        stream(ts),
        stream(ts, track=None, episode_name="E", episode_show_name="S", spotify_episode_uri="spotify:episode:1"),
        stream(ts, track=None, audiobook_title="B", audiobook_chapter_uri="spotify:chapter:1"),
        stream(ts, master_metadata_album_artist_name="Unknown Artist", master_metadata_track_name="Unknown Track"),
        stream(ts, track=None),
        stream("yesterday"),
        stream("1970-01-01T00:00:00Z"),
        stream(ts, ms_played="long"),
        stream(ts, incognito_mode=True),
        "not a row",
    ]
    said = take(
        write(
            tmp_path / "in",
            {
                "Streaming_History_Audio_2024_0.json": audio,
                "Streaming_History_Video_2024.json": [stream(ts, track=5)],
                "StreamingHistory_music_0.json": [minute("2024-03-09 12:00", artistName="Unknown Artist")],
                "StreamingHistory_podcast_0.json": [
                    {"endTime": "2024-03-09 12:00", "podcastName": "P", "episodeName": "E", "msPlayed": 900_000}
                ],
            },
        ),
        "--user",
        "ann",
    )
    files = {it["file"]: (it["rows"], it["taken"], it["set_aside"]) for it in said["files"]}
    assert files == {
        "Streaming_History_Audio_2024_0.json": (
            10,
            1,
            {
                "podcast": 1,
                "audiobook": 1,
                "Unknown track": 1,
                "no track in it": 1,
                "no usable time": 2,
                "a row that can't be read": 2,
                "private session": 1,
            },
        ),
        "Streaming_History_Video_2024.json": (1, 0, {"video": 1}),
        "StreamingHistory_music_0.json": (1, 0, {"Unknown track": 1}),
        "StreamingHistory_podcast_0.json": (1, 0, {"podcast": 1}),
    }
    assert [event["track_id"] for event in events(home)] == [uri(1)]


def test_plays_of_private_sessions_are_taken_where_the_setting_says_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "in", {"a.json": [stream("2024-03-01T12:00:00Z", incognito_mode=True)]})
    monkeypatch.setenv("SPOTIFY_GRAPH_INCOGNITO", "take")
    take(folder, "--user", "ann")
    assert len(events(home)) == 1


def test_a_track_without_an_address_of_its_own_has_a_stable_id_of_its_artist_and_title(
    home: Path, tmp_path: Path
) -> None:
    rows = [
        minute("2024-03-01 12:00", artistName="Cafe\u0301 Tacvba", trackName="Ére  del\u200b rap"),
        minute("2024-03-01 12:10", artistName="Café Tacvba", trackName="Ére del rap"),
        minute("2024-03-01 12:20", artistName="Café Tacvba", trackName="ére del rap"),
    ]
    take(write(tmp_path / "in", {"StreamingHistory0.json": rows}), "--user", "ann")
    ids = [event["track_id"] for event in events(home)]
    assert ids[0] == ids[1] == name_id("Café Tacvba", "Ére del rap")
    assert ids[0] == "name:" + sha256("Caf\u00e9 Tacvba\n\u00c9re del rap".encode()).hexdigest()[:32]
    assert ids[2] != ids[0]


def test_a_basic_history_is_to_the_minute_and_saved_tracks_are_likes_dated_by_its_last_event(
    home: Path, tmp_path: Path
) -> None:
    said = take(
        zipped(
            tmp_path / "my_spotify_data.zip",
            {
                "Spotify Account Data/StreamingHistory_music_0.json": [
                    minute("2024-03-01 12:00"),
                    minute("2024-03-02 12:00", 20_000, 2),
                ],
                "Spotify Account Data/YourLibrary.json": library(1, 3),
                "Spotify Account Data/Playlist1.json": {"playlists": []},
                "Spotify Account Data/Userdata.json": {"username": ACCOUNT},
                "Spotify Account Data/Read_Me_First.pdf": "%PDF-1.4",
            },
        ),
        "--user",
        "ann",
    )
    assert told(home, "event_type", "track_id", "event_ts") == [
        ("play", uri(1), "2024-03-01T11:56:40.000Z"),
        ("skip", name_id("Band 2", "Song 2"), "2024-03-02T11:59:40.000Z"),
        ("like", uri(1), "2024-03-02T12:00:00.000Z"),
        ("like", uri(3), "2024-03-02T12:00:00.000Z"),
    ]
    assert said["others"] == 3
    assert said["notes"] == [
        "ann: 2 saved tracks are likes of no known time: dated by their export's last event",
    ]


def test_saved_tracks_alone_wait_for_a_history_to_date_them(home: Path, tmp_path: Path) -> None:
    said = take(write(tmp_path / "a", {"YourLibrary.json": library(1)}), "--user", "ann")
    assert events(home) == []
    assert "1 saved tracks are left out" in said["notes"][0]
    take(write(tmp_path / "b", {"endsong_0.json": [endsong("2024-03-01T12:00:00Z", track=2)]}), "--user", "ann")
    assert told(home, "event_type", "event_ts") == [
        ("play", "2024-03-01T11:56:40.000Z"),
        ("like", "2024-03-01T12:00:00.000Z"),
    ]


def test_listenbrainz_listens_are_plays_and_feedback_is_a_like_or_a_skip(home: Path, tmp_path: Path) -> None:
    take(
        zipped(
            tmp_path / f"listenbrainz_{ACCOUNT}_1713000000.zip",
            {
                "user.json": lines([{"user_id": 7, "username": ACCOUNT}]),
                "listens/2024/4.jsonl": lines(
                    [
                        listen(LISTENED, 1, mapped=1),
                        listen(LISTENED + 300, 2, info={"recording_mbid": mbid(2).upper(), "duration_ms": 187_000}),
                        listen(LISTENED + 600, 3, info={"spotify_id": f"https://open.spotify.com/track/{uri(3)[14:]}"}),
                        listen(LISTENED + 900, 4),
                        listen(LISTENED + 901, 5, info={"ms_played": 4_000}),
                    ]
                ),
                "feedback.jsonl": lines(
                    [
                        opinion(LISTENED + HOUR, 1, mapped=1),
                        opinion(LISTENED + HOUR + 1, 1, track=4),
                        opinion(LISTENED + HOUR + 2, -1, track=2, mapped=2),
                        opinion(LISTENED + HOUR, 0, mapped=1),
                        opinion(LISTENED + HOUR, 1, track=99),
                    ]
                ),
                "pinned_recording.jsonl": lines([{"recording_mbid": mbid(1), "blurb_content": ACCOUNT}]),
            },
        ),
        "--user",
        "ann",
    )
    assert [(it["event_type"], it["track_id"]) for it in events(home)] == [
        ("play", mbid(1)),
        ("play", mbid(2)),
        ("play", uri(3)),
        ("play", name_id("Band 4", "Song 4")),
        ("skip", name_id("Band 5", "Song 5")),
        ("like", mbid(1)),
        ("like", name_id("Band 4", "Song 4")),
        ("skip", mbid(2)),
    ]
    assert tracks(home)[mbid(2)]["duration_ms"] == "187000"


def test_a_dump_of_listenbrainz_with_its_older_names_is_taken_too(home: Path, tmp_path: Path) -> None:
    row = listen(0, 1, mapped=1)
    dumped = {"user_id": 7, "user_name": ACCOUNT, "timestamp": LISTENED, "track_metadata": row["track_metadata"]}
    take(write(tmp_path / "in", {"listens/2024/4.listens": lines([dumped])}), "--user", "ann")
    assert told(home, "track_id", "event_ts") == [(mbid(1), "2024-04-13T09:20:00.000Z")]


def test_a_track_that_a_source_has_under_several_ids_is_one_track(home: Path, tmp_path: Path) -> None:
    link = {"spotify_id": f"https://open.spotify.com/track/{uri(1)[14:]}"}
    rows = [listen(LISTENED, 1, mapped=1), listen(LISTENED + 400, 1, mapped=1, info=link), listen(LISTENED + 800, 1)]
    take(write(tmp_path / "in", {"listens/2024/4.jsonl": lines(rows)}), "--user", "ann")
    assert {event["track_id"] for event in events(home)} == {uri(1)}
    assert list(tracks(home)) == [uri(1)]


def test_what_one_person_s_export_says_of_a_track_holds_for_another_s(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "people"
    write(folder / "ann", {"StreamingHistory0.json": [minute("2024-03-01 12:00")]})
    take(folder)
    assert events(home)[0]["track_id"] == name_id("Band 1", "Song 1")
    zipped(folder / "bob.zip", {"MyData/endsong_0.json": [endsong("2024-03-01T12:00:00Z")]})
    take(folder / "bob.zip")
    assert events(home)[0]["track_id"] == events(home, "bob")[0]["track_id"] == uri(1)


def test_scrobbles_of_last_fm_between_tabs_are_plays(home: Path, tmp_path: Path) -> None:
    rows = [
        f"{ACCOUNT}\t2009-05-04T23:08:57Z\tf1b1cf71-bd35-4e99-8624-24a6e15f133a\tDeerhunter\t{mbid(1)}\tHelicopter",
        f'{ACCOUNT}\t2009-05-04T13:54:10Z\ta7f7df4a-77d8-4f12-8acd-5c60c93f4de8\t"坂本龍一\t\tComposition 0919 "Live"',
        f"{ACCOUNT}\t1241445300\t\tThe National\t\tFake Empire",
        f"{ACCOUNT}\t\t\tNowhere\t\tNever",
        "a row without tabs",
    ]
    said = take(write(tmp_path / "in", {"scrobbles.tsv": "\n".join(rows)}), "--user", "ann")
    assert told(home, "user_id", "track_id", "event_ts") == [
        ("ann", name_id('"坂本龍一', 'Composition 0919 "Live"'), "2009-05-04T13:54:10.000Z"),
        ("ann", name_id("The National", "Fake Empire"), "2009-05-04T13:55:00.000Z"),
        ("ann", mbid(1), "2009-05-04T23:08:57.000Z"),
    ]
    assert said["files"][0]["set_aside"] == {"a row that can't be read": 1, "no usable time": 1}


def test_the_accounts_in_a_log_of_many_are_told_apart_without_being_told(home: Path, tmp_path: Path) -> None:
    rows = [f"{ACCOUNT}{who}\t2009-05-04T23:0{who}:57Z\t\tA\t\tB" for who in (1, 1, 2)]
    take(write(tmp_path / "in", {"scrobbles.tsv": "\n".join(rows)}), "--user", "forum")
    users = [event["user_id"] for event in events(home, "forum")]
    assert len(set(users)) == 2
    assert all(user.startswith("forum-") and ACCOUNT not in user for user in users)
    take(tmp_path / "in", "--user", "forum")
    assert [event["user_id"] for event in events(home, "forum")] == users


@pytest.mark.parametrize(
    ("platform", "device"),
    [
        ("android", "mobile"),
        ("iOS 13.4 (iPhone11,8)", "mobile"),
        ("iOS 9.3.5 (iPad3,4)", "tablet"),
        ("Windows 10 (10.0.19041; x64; AppX)", "desktop"),
        ("OS X 10.15.1 [x86 8]", "desktop"),
        ("osx", "desktop"),
        ("Linux [x86-64 0]", "desktop"),
        ("WebPlayer (websocket RFC6455)", "web"),
        ("web_player windows 10;chrome 87.0.4280.88;desktop", "web"),
        ("Partner google cast_tv;Chromecast;;", "tv"),
        ("Android-tablet OS 7.0 API 24 (samsung, SM-T813)", "tablet"),
        ("Partner amazon_salmon Amazon;Echo_Dot;abcdef;;tpapi", "smart_speaker"),
        ("sonos_ppc", "smart_speaker"),
        ("Partner something", "other"),
        ("not_applicable", ""),
        (None, ""),
    ],
)
def test_a_device_is_the_kind_that_the_platform_is(home: Path, tmp_path: Path, platform: str, device: str) -> None:
    take(write(tmp_path / "in", {"a.json": [stream("2024-03-01T12:00:00Z", platform=platform)]}), "--user", "ann")
    assert events(home)[0]["device"] == device


def test_silence_of_more_than_30_minutes_between_end_and_start_ends_a_session(home: Path, tmp_path: Path) -> None:
    rows = [
        stream("2024-03-01T12:00:00Z", 600_000),
        stream("2024-03-01T12:33:00Z", 180_000),  # began at 12:30:00
        stream("2024-03-01T13:06:00.001Z", 180_000),  # began a millisecond later than 30 minutes after the end
    ]
    take(write(tmp_path / "in", {"a.json": rows}), "--user", "ann")
    first, second, third = (event["session_id"] for event in events(home))
    assert first == second != third


def test_a_genre_is_taken_from_a_catalogue_by_id_and_else_by_artist(home: Path, tmp_path: Path) -> None:
    write(
        home / "landing",
        {
            "tracks.csv": f"Genre,track_id,artist,album,duration_ms\nfolk,{uri(1)},Somebody,,\n"
            "rock,x, Band  2 ,,\nrock,y,Band 2,,\npop,z,Band 2,,\nNULL,w,Band 3,,\n"
        },
    )
    rows = [stream("2024-03-01T12:00:00Z", track=track) for track in (1, 2, 3)]
    take(write(tmp_path / "in", {"a.json": rows}), "--user", "ann")
    assert {id_: row["genre"] for id_, row in tracks(home).items()} == {uri(1): "folk", uri(2): "rock", uri(3): ""}


def test_a_folder_of_exports_is_one_for_each_person_named_after_them(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "people"
    write(folder / "ann", {"Spotify Extended Streaming History/a.json": [stream("2024-03-01T12:00:00Z")]})
    zipped(folder / "bob.zip", {"MyData/StreamingHistory0.json": [minute("2024-03-01 12:00")]})
    zipped(folder / "Zoë Ó" / "listenbrainz_x_17.zip", {"listens/2024/4.jsonl": lines([listen(LISTENED)])})
    said = take(folder)
    assert [it["name"] for it in said["users"]] == ["Zoë Ó", "ann", "bob"]
    assert {path.name for path in (home / "landing").iterdir()} == {
        "tracks-imported.csv",
        "user_events-imported-ann.csv",
        "user_events-imported-bob.csv",
        "user_events-imported-Zo_c3_ab_20_c3_93.csv",
    }
    assert events(home, "Zo_c3_ab_20_c3_93")[0]["user_id"] == "Zoë Ó"


@pytest.mark.parametrize("name", ["my_spotify_data.zip", f"listenbrainz_{ACCOUNT}_17.zip", "MyData.zip"])
def test_an_export_that_nobody_is_named_for_is_not_guessed_at(home: Path, tmp_path: Path, name: str) -> None:
    result = run(zipped(tmp_path / name, {"endsong_0.json": [endsong("2024-03-01T12:00:00Z")]}))
    assert result.exit_code == 2
    assert "--user NAME" in result.stderr
    assert ACCOUNT not in result.output
    assert not home.exists()


@pytest.mark.parametrize("other", ["my_spotify_data.zip", "endsong_0.json", "MyData/endsong_0.json"])
def test_what_lies_beside_people_s_folders_without_a_name_is_not_taken_for_theirs(
    home: Path, tmp_path: Path, other: str
) -> None:
    rows = [endsong("2024-03-01T12:00:00Z")]
    write(tmp_path / "people", {"ann/endsong_0.json": rows, "bob/endsong_0.json": rows})
    if other.endswith(".zip"):
        zipped(tmp_path / "people" / other, {"endsong_0.json": rows})
    else:
        write(tmp_path / "people", {other: rows})
    result = run(tmp_path / "people")
    assert result.exit_code == 2
    assert f"whose {other.partition('/')[0]} is" in result.stderr
    assert not home.exists()
    assert [it["name"] for it in take(tmp_path / "people", "--user", "all")["users"]] == ["all"]


@pytest.mark.parametrize("name", ["Ann Ó.", "a_b/c\\d", "Александра Александровна", "x" * 64, "🎧" * 16])
def test_any_name_that_can_be_seen_is_a_user_and_makes_a_file_that_the_landing_folder_takes(
    home: Path, tmp_path: Path, name: str
) -> None:
    [user] = take(write(tmp_path / "in", {"a.json": [stream("2024-03-01T12:00:00Z")]}), "--user", name)["users"]
    assert name_fault(user["landed"]) is None
    [event] = table(home / "landing" / user["landed"])
    assert event["user_id"] == name
    take(tmp_path / "in", "--user", f"{name[:-1]}*")
    assert len(list((home / "landing").glob("user_events*"))) == 2


@pytest.mark.parametrize("name", ["", " ann", "a\nb", "NULL", "x" * 65])
def test_a_name_that_can_be_no_user_is_refused_before_anything_is_read(home: Path, tmp_path: Path, name: str) -> None:
    result = run(write(tmp_path / "in", {"a.json": [stream("2024-03-01T12:00:00Z")]}), "--user", name)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert not home.exists()


def test_nothing_private_is_written_anywhere_or_shown(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ann"
    zipped(
        folder / f"listenbrainz_{ACCOUNT}_1713000000.zip",
        {
            "user.json": lines([{"user_id": 7, "username": ACCOUNT}]),
            "listens/2024/4.jsonl": lines([listen(LISTENED, mapped=1)]),
        },
    )
    private = {"username": ACCOUNT, "email": f"{ACCOUNT}@example.com", "firstName": "Planted Firstname"}
    write(
        folder,
        {
            "MyData/endsong_0.json": [endsong("2024-03-01T12:00:00Z"), endsong("2024-03-01T12:00:00Z", ms_played=IP)],
            "MyData/broken.json": text_of_a_broken_file(),
            "MyData/Userdata.json": private,
            "Streaming_History_Audio_2024_0.json": [stream("2024-04-01T12:00:00Z", username=ACCOUNT)],
            "scrobbles.tsv": f"{ACCOUNT}\t2009-05-04T23:08:57Z\t\tA\t\tB\n",
        },
    )
    for extra in ([], ["--json"]):
        result = run(folder, *extra)
        assert result.exit_code == 1  # the broken file
        assert not [it for it in PRIVATE if it in result.output]
    written = [path for path in home.rglob("*") if path.is_file()]
    assert len(written) >= 6
    for path in written:
        content = path.read_bytes() + path.name.encode()
        assert not [it for it in PRIVATE if it.encode() in content], path


def text_of_a_broken_file() -> str:
    return json.dumps([endsong("2024-03-01T12:00:00Z")])[:-30]


@pytest.mark.parametrize("form", ["tar", "gztar", "bztar", "xztar"])
def test_a_tar_archive_as_dumps_come_in_is_named_with_the_way_on(home: Path, tmp_path: Path, form: str) -> None:
    listens = write(tmp_path / "in", {"listens/2024/4.jsonl": lines([listen(LISTENED)])})
    result = run(Path(shutil.make_archive(str(tmp_path / "dump"), form, listens)), "--user", "ann")
    assert result.exit_code == 1
    assert "it is a tar archive, or compressed: unpack it, or pack it as a zip archive" in result.stderr


def test_a_bad_file_is_named_with_the_reason_and_the_others_go_on(home: Path, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "ann",
        {
            "Streaming_History_Audio_2023_0.json": json.dumps([stream("2023-03-01T12:00:00Z")] * 2)[:-9],
            "Streaming_History_Audio_2024_1.json": [stream("2024-03-01T12:00:00Z")],
            "StreamingHistory0.json": "",
            "listens/2024/4.jsonl": lines([listen(LISTENED)]) + '{"listened_at": 17',
            "endsong_0.json": '{"ts": ',
            "deep.json": "[" * 200_000,
            "long.json": '[{"ts": ' + "1" * 5_000 + "}]",
        },
    )
    (folder / "my_spotify_data.zip").write_bytes(b"PK\x03\x04 and no archive")
    damaged = zipped(folder / "extended.zip", {"MyData/endsong_1.json": [endsong("2022-01-01T00:00:00Z")] * 50})
    content = bytearray(damaged.read_bytes())
    content[120:140] = bytes(20)
    damaged.write_bytes(content)
    (folder / "latin.json").write_bytes(
        '[{"endTime": "2024-03-01 12:00", "artistName": "é", "msPlayed": 1}]'.encode("cp1252")
    )
    result = run(folder)
    assert result.exit_code == 1
    refused = {
        line.split(": ")[2]: line for line in result.stderr.splitlines() if line.startswith("spotify-graph: ann")
    }
    assert refused.keys() == {
        "Streaming_History_Audio_2023_0.json",
        "StreamingHistory0.json",
        "listens/2024/4.jsonl",
        "endsong_0.json",
        "my_spotify_data.zip",
        "extended.zip/MyData/endsong_1.json",
        "latin.json",
        "deep.json",
        "long.json",
    }
    assert "broken JSON: it is cut off or damaged after 1 rows" in refused["Streaming_History_Audio_2023_0.json"]
    assert "it is empty" in refused["StreamingHistory0.json"]
    assert "broken JSON in line 2" in refused["listens/2024/4.jsonl"]
    assert "broken JSON" in refused["endsong_0.json"]
    assert "nested too deeply" in refused["deep.json"]
    assert "a number without an end" in refused["long.json"]
    assert "no zip archive" in refused["my_spotify_data.zip"]
    assert "archive is damaged" in refused["extended.zip/MyData/endsong_1.json"]
    assert "not UTF-8" in refused["latin.json"]
    assert [event["event_ts"] for event in events(home)] == ["2024-03-01T11:56:40.000Z"]


def test_an_empty_export_is_named_and_an_empty_file_of_a_whole_one_is_no_fault(home: Path, tmp_path: Path) -> None:
    write(tmp_path / "people" / "ann", {"endsong_0.json": []})
    write(tmp_path / "people" / "bob", {"endsong_0.json": [endsong("2024-03-01T12:00:00Z")], "podcast.json": "[ ]"})
    result = run(tmp_path / "people")
    assert result.exit_code == 1
    assert [line for line in result.stderr.splitlines() if "refused" in line or line.startswith("spotify-graph")] == [
        "spotify-graph: ann: endsong_0.json: the export is empty: there is nothing in it to take"
    ]
    assert len(events(home, "bob")) == 1


def test_a_place_without_an_export_says_what_is_looked_for(home: Path, tmp_path: Path) -> None:
    for path, expected in (
        (tmp_path / "nowhere", "No such file"),
        (write(tmp_path / "other", {"Playlist1.json": {"playlists": []}, "notes.txt": "hello"}), "--mapping"),
    ):
        result = run(path, "--user", "ann")
        assert result.exit_code == 1
        [line] = result.stderr.splitlines()
        assert expected in line


def test_a_corrected_export_replaces_what_was_imported_before_when_asked_to(home: Path, tmp_path: Path) -> None:
    take(write(tmp_path / "a", {"a.json": [stream("2024-03-01T12:00:00Z", track=1)]}), "--user", "ann")
    take(write(tmp_path / "b", {"a.json": [stream("2024-03-01T12:00:00Z", track=2)]}), "--user", "ann", "--replace")
    assert Counter(told(home, "track_id")) == {(uri(2),): 1}
