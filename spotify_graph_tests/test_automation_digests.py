"""What is known of landed files' contents without reading them again."""

from dataclasses import replace
from pathlib import Path

import pytest

from spotify_graph.automation import digests as module
from spotify_graph.automation.digests import Digests
from spotify_graph.landing_folder import look_of
from spotify_graph.settings import Settings
from spotify_graph.transforms.landing import digest


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation whose files have lain there for a while."""
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path))
    monkeypatch.setattr(module, "RACY_NS", -(10**9))
    settings = Settings.load()
    (tmp_path / "landing").mkdir()
    return settings


@pytest.fixture
def file(settings: Settings) -> Path:
    file = settings.home / "landing" / "tracks.csv"
    file.write_text("one")
    return file


def test_a_digest_is_known_to_the_next_one_who_asks_until_the_file_is_looked_at_anew(
    settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Digests.load(settings)
    known = first.now(file.name)
    assert known == digest(file)
    first.save({file.name})
    with monkeypatch.context() as patch:
        patch.setattr(module, "digest", lambda *_: pytest.fail("it is read again"))
        assert Digests.load(settings).now(file.name) == known
    file.write_text("two, which is longer")
    assert Digests.load(settings).now(file.name) == digest(file) != known


def test_a_digest_of_a_file_that_was_changed_a_moment_ago_is_not_kept(
    settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RACY_NS", 2 * 10**9)
    digests = Digests.load(settings)
    assert digests.now(file.name) == digest(file)
    assert digests.looks == {}


def test_two_who_write_at_once_keep_what_both_found_and_nothing_of_files_that_are_gone(
    settings: Settings, file: Path
) -> None:
    other = file.with_name("user_events.csv")
    other.write_text("two")
    one, two = Digests.load(settings), Digests.load(settings)
    one.now(file.name)
    two.now(other.name)
    one.save({file.name, other.name})
    two.save({file.name, other.name})
    assert set(Digests.load(settings).looks) == {file.name, other.name}
    Digests.load(settings).save({other.name})
    assert set(Digests.load(settings).looks) == {other.name}


def test_there_is_no_digest_under_a_look_that_is_over(settings: Settings, file: Path) -> None:
    look = look_of(file.stat())
    assert Digests.load(settings).under(file.name, replace(look, size=look.size + 1)) is None


def test_what_can_not_be_opened_has_a_digest_of_the_reason(settings: Settings, file: Path) -> None:
    link = file.with_name("tracks_2.csv")
    link.symlink_to("nothing")
    assert Digests.load(settings).now(link.name) == digest(link)
    with pytest.raises(FileNotFoundError):
        Digests.load(settings).now("tracks_3.csv")


def test_a_home_that_can_not_be_written_to_is_no_error(
    settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = Digests.load(settings)
    digests.now(file.name)
    digests.file = file / "landing_digests.json"
    digests.save({file.name})
    assert [path.name for path in settings.home.iterdir()] == ["landing"]
