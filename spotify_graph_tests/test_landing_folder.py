"""The landing folder and its sub-folders: what is taken in, and by which key."""

import os
import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotify_graph import landing_folder
from spotify_graph.automation import landed
from spotify_graph.automation.landed import Listing, listed
from spotify_graph.automation.landing_watch import settled
from spotify_graph.errors import UserError
from spotify_graph.settings import Settings
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS, check_name, key_of, path_fault, path_of, table_of

ANY_PATHS = st.text("ab=/.-_~%\\ é\n\0", max_size=24) | st.lists(st.text(max_size=6), max_size=4).map("/".join)
GOOD_NAMES = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=9)
VALUES = st.lists(GOOD_NAMES, max_size=2)
FOLDERS = st.builds(lambda name, values: "=".join([f"d{name}", *values]), GOOD_NAMES, VALUES)
GOOD_PATHS = st.builds(lambda names, file: "/".join([*names, f"f{file}"]), st.lists(FOLDERS, max_size=4), GOOD_NAMES)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "landing").mkdir(parents=True)
    return Settings.load()


def land(settings: Settings, *paths: str) -> Path:
    root = Path(settings.landing_address)
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    return root


def faults(listing: Listing) -> dict[str, str]:
    return {it.file: it.reason for it in listing.others}


@given(GOOD_PATHS)
@example("dt=2026-11-28/part-0000.csv.gz")
def test_a_path_comes_back_from_its_key(path: str) -> None:
    key = key_of(path)
    assert path_of(key) == path
    assert "/" not in key
    assert not key.startswith(".")


@given(ANY_PATHS, ANY_PATHS)
@example("a==b", "a/b")
@example("a=/=b", "a/==b")
@example("a=/b", "a/=b")
def test_no_two_paths_have_one_key_and_no_other_text_is_a_key(one: str, other: str) -> None:
    keys = [key_of(path) for path in {one, other} if path_fault(path) is None]
    assert len(keys) == len(set(keys))
    for text in (one, other):
        try:
            path = path_of(text)
        except UserError:
            continue
        assert key_of(path) == text, "what is accepted for a key is the key of a path"


@pytest.mark.parametrize(
    "key",
    [
        *("a/../../etc/passwd", "..==etc==passwd", "a==..==passwd", "==etc==passwd", "a====b", "a===b", "a=", "=a", ""),
        *(".hidden==user_events.csv", "_temporary==user_events.csv", "a==", "dt=2026\n==a.csv", "d" * 129 + "==a.csv"),
        "==".join(["folder-of-twenty-chars"] * 9),
    ],
)
def test_what_is_no_key_never_becomes_a_path(key: str) -> None:
    with pytest.raises(UserError, match="rename it"):
        check_name(key)
    with pytest.raises(UserError, match="rename it"):
        path_of(key)


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("tracks.CSV", TRACKS),
        ("tracks_1.csv.GZ", TRACKS),
        ("tracks.Csv.zst", TRACKS),
        ("tracks.csv.bz2", TRACKS),
        ("dt=2026-11-28/part-0000.csv.gz", USER_EVENTS),
        ("user_events/2026/11/28.csv", USER_EVENTS),
        ("tracks/dt=2026-11-28/part-0000.csv.gz", TRACKS),
        ("user_events/tracks/1.csv", TRACKS),
        ("tracks/user_events_1.csv", USER_EVENTS),
        ("user_events.csv/part-0000.csv", USER_EVENTS),
        ("2026/11/28.csv", None),
        ("dt=2026-11-28/part-0000.parquet", None),
        ("dt=2026-11-28/_part-0000.csv", None),
        ("dt=2026-11-28/.part-0000.csv", None),
        ("dt=2026-11-28/part-0000.csv.tmp", None),
        ("dt=2026-11-28/_temporary/part-0000.csv", None),
        ("user_events.part/1.csv", None),
        (".trash/user_events.csv", None),
        ("_old/user_events.csv", None),
    ],
)
def test_what_a_file_holds_is_said_by_its_name_or_the_nearest_folder_that_says_it(path: str, table: object) -> None:
    assert table_of(path) is table


def test_one_pass_finds_the_files_of_all_folders_and_names_what_is_not_taken_in(settings: Settings) -> None:
    root = land(
        settings,
        *("tracks.csv", "dt=1/part-0.csv", "dt=1/part-1.csv", "dt=2/part-0.csv", "user_events/a/b/c.csv"),
        *(
            "_old/user_events.csv",
            ".x/user_events.csv",
            "dt=1/_temporary/part-0.csv",
            "dt=1/_SUCCESS",
            "dt=1/.part.crc",
        ),
        *("notes/1.txt", "notes/2.txt", "notes/a/3.txt", "notes/a/4.txt", "README.txt", "my logs/user_events.csv"),
        *("a==b/user_events.csv", "dt=1==part-0.csv", "empty/.keep"),
    )
    (root / "linked").symlink_to(root / "dt=1", target_is_directory=True)
    found = listed(settings)
    good = {"tracks.csv", "dt=1/part-0.csv", "dt=1/part-1.csv", "dt=2/part-0.csv", "user_events/a/b/c.csv"}
    bad = {"my logs/user_events.csv", "a==b/user_events.csv"}
    assert found.contents.keys() == good | bad
    assert faults(found).keys() == {"README.txt", "notes/", "linked/", "dt=1==part-0.csv"}
    assert "(1.txt, 2.txt, a/3.txt, 1 more)" in faults(found)["notes/"]
    assert "links are not followed" in faults(found)["linked/"]
    files = {it.name: it.state for it in landed.files_of(found, settings)}
    assert {name for name, state in files.items() if state == "invalid name"} == bad
    assert {name for name, state in files.items() if state == "new"} == {key_of(path) for path in good}


def test_a_link_in_a_sub_folder_that_leaves_the_landing_folder_is_never_opened(
    settings: Settings, tmp_path: Path
) -> None:
    root = land(settings, "dt=1/part-0.csv", "dt=2/part-0.csv")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "part-1.csv").write_text("secret")
    (root / "dt=1" / "part-1.csv").symlink_to(tmp_path / "secret" / "part-1.csv")
    (root / "dt=1" / "part-2.csv").symlink_to(root / "dt=2" / "part-0.csv")
    copy = tmp_path / "copy"
    leaves = "it is a link that leaves the landing folder"
    assert landing_folder.copy(root, "dt=1/part-1.csv", copy) == leaves
    assert not copy.exists()
    before = landing_folder.digest(root, "dt=1/part-1.csv")
    (tmp_path / "secret" / "part-1.csv").write_text("another secret")
    assert landing_folder.digest(root, "dt=1/part-1.csv") == before
    assert landing_folder.copy(root, "dt=1/part-2.csv", copy) is None, "another folder of it"
    # A folder that becomes a link between the look and the copy.
    (root / "dt=2" / "part-0.csv").unlink()
    (root / "dt=2").rmdir()
    (root / "dt=2").symlink_to(tmp_path / "secret")
    assert landing_folder.copy(root, "dt=2/part-1.csv", copy) == leaves


def test_a_folder_that_can_not_be_looked_into_is_named_and_holds_nothing_up() -> None:
    was = os.geteuid()
    # A folder that others may enter, too.
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "dt=1").mkdir()
        (root / "tracks.csv").write_text("x")
        (root / "dt=1").chmod(0)
        try:
            if not was:
                os.seteuid(65534)
            found = landing_folder.listed(root)
        finally:
            os.seteuid(was)
            (root / "dt=1").chmod(0o700)
    assert found.faults == {"dt=1": "it cannot be read: Permission denied"}
    assert found.files.keys() == {"tracks.csv"}


def test_a_file_that_is_renamed_into_a_sub_folder_is_complete_at_once(settings: Settings) -> None:
    root = land(settings, "dt=1/part-0.csv.part")
    os.utime(root / "dt=1" / "part-0.csv.part", ns=(0, 0))
    before = landing_folder.listed(root).files
    (root / "dt=1" / "part-0.csv.part").rename(root / "dt=1" / "part-0.csv")
    assert settled(landing_folder.listed(root).files, before) == {"dt=1/part-0.csv"}


def test_what_takes_long_to_hash_is_left_to_the_next_look(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landed, "HASHING_SECONDS", -1)
    monkeypatch.setattr("spotify_graph.automation.digests.RACY_NS", -(10**9))
    land(settings, *(f"user_events/{number}.csv" for number in range(3)))
    looks = listed(settings, {}).unknown
    known = []
    for _ in range(3):
        found = listed(settings, looks)
        looks = found.unknown
        known.append(sum(1 for digest in found.contents.values() if digest))
    assert known == [1, 2, 3]


def test_a_file_is_put_whole_and_one_that_is_there_as_it_is_stays(tmp_path: Path) -> None:
    folder = tmp_path / "landing"
    landing_folder.put(folder, "tracks.csv", lambda path: path.write_text("one"))
    before = (folder / "tracks.csv").stat()
    landing_folder.put(folder, "tracks.csv", lambda path: path.write_text("one"))
    assert (folder / "tracks.csv").stat() == before
    landing_folder.put(folder, "tracks.csv", lambda path: path.write_text("two"))
    assert (folder / "tracks.csv").read_text() == "two"
    assert [file.name for file in folder.iterdir()] == ["tracks.csv"]


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_folder_that_is_none_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as caught:
        landing_folder.listed(tmp_path / name)
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in [str(tmp_path / name), "SPOTIFY_GRAPH_LANDING", "spotify-graph generate"])
