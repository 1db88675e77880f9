"""The command page in Chromium: fresh without a reload, the map stays where it is, a server that goes and comes is told and healed; scopes hold."""

from __future__ import annotations

import pytest
from conftest import Server, Visitor
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def clock_s(v) -> int:
    """The clock shown, seconds of the day."""
    h, m, s = v.page.locator("#command-clock strong").inner_text().split(":")
    return int(h) * 3600 + int(m) * 60 + int(s)


def press(v, control: str, words: str) -> None:
    v.page.locator(f"#command-{control} label", has_text=words).click()


def test_the_desk_plays_on_keeps_its_map_and_survives_its_server(chromium, town_app):
    server = Server(town_app).start()
    first, second = (
        Visitor(chromium, server.url, size=s).sign_in("command").open("/command") for s in ("wall", "tablet")
    )
    for v in (first, second):
        v.map_drawn("command-map")
        expect(v.page.locator("#command-status")).to_have_text("连接正常", timeout=30_000)
    status = first.page.locator("#command-status")
    expect(first.page.locator("#command-clock")).to_contain_text("回看")
    expect(first.page.locator("#command-overdue")).to_contain_text("象山港路", timeout=20_000)
    first.page.evaluate("window.notReloaded = true")

    # the slider goes to another moment by keyboard, and only for this visitor
    begun = clock_s(second)
    first.page.locator("#command-slider [role=slider]").focus()
    first.page.keyboard.press("Home")
    expect(first.page.locator("#command-clock strong")).to_have_text("00:00:00", timeout=15_000)
    expect(first.page.locator("#command-overdue")).to_contain_text("没有需要巡查的路段")
    assert clock_s(second) == begun

    # a row of the list shows its road on the map; the map then stays where it is
    first.page.locator("#command-now").click()
    row = first.page.locator("#command-overdue [data-fit]").first
    row.click()
    first.page.wait_for_timeout(800)
    zoom = first.page.locator("#command-map").get_attribute("data-zoom")

    # play, and the slider follows
    press(first, "speed", "300×")
    expect(first.page.locator("#command-clock strong")).not_to_have_text(
        first.page.locator("#command-clock strong").inner_text(), timeout=15_000
    )
    press(first, "speed", "60×")
    server.stop()
    expect(status).to_have_text("连接已断，正在重连", timeout=20_000)
    held = clock_s(first)
    server = Server(town_app, server.port).start()
    expect(status).to_have_text("连接正常", timeout=30_000)
    first.page.wait_for_timeout(1500)
    assert clock_s(first) - held >= 60  # where play would have been, not where the line was cut
    minute = int(first.page.locator("#command-slider [role=slider]").get_attribute("aria-valuenow"))
    assert abs(minute - clock_s(first) // 60) <= 3
    assert first.page.evaluate("window.notReloaded") is True
    assert first.page.locator("#command-map").get_attribute("data-zoom") == zoom
    assert not [
        c
        for v in (first, second)
        for c in v.complaints
        if "ERR_CONNECTION" not in c and "Failed to load resource" not in c and "ERR_INCOMPLETE" not in c
    ]
    for v in (first, second):
        v.context.close()
    server.stop()


def test_planners_are_refused_and_a_town_sees_its_own(client, town_store):
    query = "/api/stream/command?day=2026-03-18&at=560&speed=0&span=day&began=0"  # 09:20: windows are under way
    texts = {}
    before = len(town_store.ledger("access_log", limit=10_000))
    visitors = {name: client(name) for name in ("planner", "town-a", "admin")}
    for name in ("planner", "town-a", "admin", "admin"):
        with visitors[name].stream("GET", query, timeout=60) as answer:
            texts[name] = next(line for line in answer.iter_lines() if line.startswith("data: "))
    assert "maps" not in texts["planner"]
    assert "您的角色不能查看" in texts["planner"]
    assert "队员A" in texts["town-a"]
    assert "队员B" not in texts["town-a"]
    assert "象山港路" not in texts["town-a"]
    assert "队员B" in texts["admin"]
    assert "象山港路" in texts["admin"]
    log = town_store.ledger("access_log", limit=10_000)
    told = log.head(len(log) - before)
    mine = told[(told["purpose"] == "command") & (told["event"] == "tracks")]
    assert sorted(mine["name"]) == [
        "admin",
        "town-a",
    ]  # once a session, however often the desk is fresh and the line is cut
    assert mine["session"].nunique() == 2
    whom = {n: set(p) for n, p in zip(mine["name"], mine["persons"], strict=True)}
    assert whom["town-a"] < whom["admin"]  # those who were shown, no more


@pytest.mark.parametrize(
    "query", ["", "day=x", "day=2026-03-18&at=x&speed=y&began=z&span=w&mode=v", "mode=live&day=2026-03-18"]
)
def test_nonsense_in_the_address_of_the_stream_is_answered_with_a_moment(client, query):
    with client("admin").stream("GET", f"/api/stream/command?{query}", timeout=60) as answer:
        text = next(line for line in answer.iter_lines() if line.startswith("data: "))
    assert '"minute":' in text
