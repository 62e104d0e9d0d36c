"""The page of the platform's health, and mail about failed runs."""

from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from spotify_graph.automation import health, mail
from spotify_graph.automation.sensors import record_of_failure
from spotify_graph.errors import UserError
from spotify_graph.settings import Settings
from spotify_graph_tests.platform import without_a_graph


def page(instance: dg.DagsterInstance) -> str:
    latest = instance.get_latest_materialization_event(dg.AssetKey(health.ASSET))
    assert latest
    assert latest.asset_materialization
    return str(latest.asset_materialization.metadata["health"].value)


def test_the_page_says_what_waits_and_what_is_held_back_and_is_reported_once_for_each_change(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    with without_a_graph(tmp_path / "home") as platform:
        platform.land("user_events_1.csv", "user_id,track_id,event_type,event_ts,session_id,device")
        assert health.report(Settings.load(), instance)
        assert "1 new" in page(instance)
        assert "nothing is published yet" in page(instance)
        assert not health.report(Settings.load(), instance)
        platform.land("user_events <b>.csv", "x")
        assert health.report(Settings.load(), instance)
        assert "1 file is held back" in page(instance)
        assert "<b>" not in page(instance)


def test_mail_is_sent_where_the_settings_name_a_server_and_who_gets_it() -> None:
    settings = Settings.load()
    assert mail.sensors(settings, record_of_failure) == []
    update = {
        "mail_to": ("ops@example.com",),
        "mail_server": "smtp://bot@mail.example.com",
        "mail_password": SecretStr("secret"),
    }
    [sensor] = mail.sensors(settings.model_copy(update=update), record_of_failure)
    assert sensor.name == "mail_on_run_failure"
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


@pytest.mark.parametrize("server", ["mail.example.com", "http://mail.example.com", "smtp://a/b"])
def test_a_mail_server_that_is_no_address_is_an_error_that_names_its_variable(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_MAIL_SERVER", server)
    with pytest.raises(UserError, match="SPOTIFY_GRAPH_MAIL_SERVER"):
        Settings.load()
