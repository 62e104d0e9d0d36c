"""The page of the platform's health."""

from pathlib import Path

import dagster as dg

from spotify_graph.automation import health
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
