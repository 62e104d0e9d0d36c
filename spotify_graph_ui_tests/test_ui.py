"""What a person does in the UI, in the order in which they would."""

import re
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from spotify_graph.graph_model import FACTS
from spotify_graph_ui_tests.conftest import SECONDS, Platform, picture, until

_HEADER = "user_id,track_id,event_type,event_ts,session_id,device"


def succeeds(page: Page, platform: Platform, button: str, assets: set[str]) -> None:
    """Clicks a button that launches a run of these assets, opens the run's page, and waits until it has succeeded."""
    before = set(platform.runs())
    page.get_by_role("button", name=button).first.click()
    launched: list[str] = []

    def find() -> bool:
        launched[:] = [run for run, of in platform.runs().items() if run not in before and of >= assets]
        return bool(launched)

    until(find, "no run was launched")
    page.goto(f"{platform.ui}/runs/{launched[0]}")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=1000 * SECONDS)


def test_the_lineage_shows_the_flow_from_files_to_recommendations(page: Page, platform: Platform) -> None:
    # The lineage fits itself into the window.
    page.set_viewport_size({"width": 1400, "height": 560})
    page.goto(f"{platform.ui}/asset-groups")
    for group in ("raw", "cleaned", "nodes", "edges", "graph", "evaluation", "recommendations", "health"):
        expect(page.get_by_text(group, exact=True).last).to_be_visible()
    picture(page, "lineage", 560)


def test_one_asset_is_materialized_by_a_click(page: Page, platform: Platform) -> None:
    page.goto(f"{platform.ui}/assets/genre_nodes?view=overview")
    succeeds(page, platform, "Materialize", {"genre_nodes"})


def test_the_whole_graph_is_materialized_by_a_click(page: Page, platform: Platform) -> None:
    page.goto(f"{platform.ui}/locations/spotify_graph/jobs/refresh_graph")
    succeeds(page, platform, "Materialize all", {table.asset for table in FACTS})
    picture(page, "run")


def test_an_asset_shows_its_rows_without_users_and_no_markup_of_a_name_lives(page: Page, platform: Platform) -> None:
    page.goto(f"{platform.ui}/assets/track_nodes?view=overview")
    expect(page.get_by_text("preview", exact=True)).to_be_visible()
    assert not page.locator('img[src="x"], img[src*="127.0.0.1/x"]').count()
    page.goto(f"{platform.ui}/assets/played_edges?view=overview")
    expect(page.get_by_text("Left out, because it may tell who somebody is: user_id").first).to_be_visible()
    page.locator("tr", has_text="degrees").get_by_text("Show Markdown").click()
    drawn = page.get_by_role("dialog").locator('img[src^="data:image/png"]')
    expect(drawn).to_be_visible()
    assert drawn.evaluate("it => it.naturalWidth") > 0


def test_a_file_that_a_gate_refuses_says_what_was_found_and_expected(page: Page, platform: Platform) -> None:
    bad = [f"u{number},t1,dance,2026-01-01 00:00:00,s,phone" for number in range(20)]
    good = [f"u{number},t1,play,2026-01-01 00:00:00,s,phone" for number in range(80)]
    landing: Path = platform.home / "landing"
    (landing / "bad.part").write_text("\n".join([_HEADER, *good, *bad, ""]), encoding="utf-8")
    (landing / "bad.part").rename(landing / "user_events_bad.csv")
    until(lambda: platform.is_materialized("held_back_files"), "the file is not refused")
    until(platform.is_idle, "runs do not end")
    page.goto(f"{platform.ui}/assets/cleaned_events?view=checks&checkDetail=rejected_share")
    page.get_by_text("rejected_share").first.click()
    expect(page.get_by_text(re.compile(r"20 of 100 rows rejected \(20.00%\), more than 5.00%")).first).to_be_visible()
    expect(page.get_by_text("at most 5.00% of the rows rejected: more is refused").first).to_be_visible()
    picture(page, "gate")


def test_the_page_of_the_platforms_health_says_what_is_held_back(page: Page, platform: Platform) -> None:
    until(lambda: "1 file is held back" in _health(platform), "the page is not brought up to date")
    page.goto(f"{platform.ui}/assets/platform_health?view=overview")
    expect(page.get_by_text("files waiting").first).to_be_visible()
    expect(page.get_by_text("1 file is held back").first).to_be_visible()
    expect(page.get_by_text("last publication").first).to_be_visible()
    picture(page, "health", 1150)


def _health(platform: Platform) -> str:
    metadata = "{ metadataEntries { ... on TextMetadataEntry { text } } }"
    found = platform.ask(
        '{ assetNodeOrError(assetKey: {path: ["platform_health"]})'
        f" {{ ... on AssetNode {{ assetMaterializations(limit: 1) {metadata} }} }} }}"
    )
    return str(found)


def test_the_link_of_an_asset_opens_neo4j_browser_and_shows_nodes(
    page: Page, context: BrowserContext, platform: Platform
) -> None:
    page.goto(f"{platform.ui}/assets/published_graph?view=overview")
    with context.expect_page() as opened:
        page.locator('a[href*="cmd=edit"]').first.click()
    browser = opened.value
    browser.get_by_test_id("username").fill("neo4j")
    browser.get_by_test_id("password").fill((platform.home / "neo4j" / "password").read_text().strip())
    browser.get_by_test_id("connect").click()
    browser.get_by_test_id("username").wait_for(state="detached")
    browser.get_by_test_id("editor-Run").click()
    expect(browser.get_by_text(re.compile(r"Displaying [1-9]\d* nodes, [1-9]\d* relationships")).first).to_be_visible()
    picture(browser, "graph")
    browser.close()


def test_the_link_of_an_asset_draws_a_neighbourhood(page: Page, context: BrowserContext, platform: Platform) -> None:
    page.goto(f"{platform.ui}/assets/genre_nodes?view=overview")
    with context.expect_page() as opened:
        page.locator('a[href*="/draw?kind=genre"]').first.click()
    drawn = opened.value
    broken: list[str] = []
    drawn.on("pageerror", lambda error: broken.append(str(error)))
    drawn.reload()
    expect(drawn.locator("canvas").first).to_be_visible()
    expect(drawn.get_by_text("Genre", exact=True).first).to_be_visible()
    until(lambda: is_drawn_on(drawn), "nothing is drawn")
    assert not broken
    picture(drawn, "drawn")
    drawn.close()


def is_drawn_on(page: Page) -> bool:
    """Whether the page has colours of its own in its middle, and is no empty canvas."""
    with Image.open(BytesIO(page.screenshot())) as image:
        return len(image.convert("RGB").getcolors(1 << 24) or []) > 100


def test_the_page_of_the_http_service_answers(page: Page, platform: Platform) -> None:
    page.goto(platform.api)
    expect(page.get_by_text("/v1/recommendations").first).to_be_visible()
    picture(page, "api")
