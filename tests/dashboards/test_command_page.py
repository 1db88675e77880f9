"""The command page in Chromium: fresh without a reload, the map stays where it is, a cut connection is told and heals, scopes hold."""

from __future__ import annotations

import pytest
from conftest import Visitor
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_the_desk_counts_on_keeps_its_map_and_heals(chromium, server):
    v = Visitor(chromium, server.url).sign_in("command").open("/command")
    v.map_drawn("command-map")
    clock, status = v.page.locator("#command-clock"), v.page.locator("#command-status")
    expect(clock).to_contain_text("2026-03-18 10:00:00", timeout=30_000)
    expect(status).to_have_text("连接正常")
    v.page.evaluate("window.notReloaded = true")
    v.page.locator("#command-map canvas").focus()
    v.page.keyboard.press("+")
    v.page.wait_for_timeout(800)
    zoom = v.page.locator("#command-map").get_attribute("data-zoom")
    v.page.locator("#command-speed label", has_text="300×").click()
    expect(clock).not_to_contain_text("10:00:00", timeout=15_000)
    v.context.set_offline(True)
    expect(status).to_have_text("连接已断,正在重连", timeout=20_000)
    held = clock.inner_text()
    v.context.set_offline(False)
    expect(status).to_have_text("连接正常", timeout=20_000)
    expect(clock).not_to_have_text(held, timeout=10_000)
    assert v.page.evaluate("window.notReloaded") is True
    assert v.page.locator("#command-map").get_attribute("data-zoom") == zoom
    v.context.close()


def test_planners_are_refused_and_a_town_sees_its_own(client):
    query = "/api/stream/command?day=2026-03-18&at=600&speed=0&span=day&began=0"
    texts = {}
    for name in ("planner", "town-a", "admin"):
        with client(name).stream("GET", query) as answer:
            texts[name] = next(line for line in answer.iter_lines() if line.startswith("data: "))
    assert "maps" not in texts["planner"]
    assert "您的角色不能查看" in texts["planner"]
    assert "队员A" in texts["town-a"]
    assert "队员B" not in texts["town-a"]
    assert "象山港路" not in texts["town-a"]
    assert "队员B" in texts["admin"]
    assert "象山港路" in texts["admin"]
