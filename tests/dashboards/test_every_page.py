"""Every page in both languages, at both sizes and in both themes: said in its language, fits, accessible, quiet console, nothing leaves."""

from __future__ import annotations

import re

import pytest
import small_run
import town
from conftest import SIZES
from playwright.sync_api import expect

from dashboards.build import FRONTEND

pytestmark = pytest.mark.browser
DAY = str(small_run.DAY)
PAGES = {
    "/": ("工作台", "Desks"),
    "/planner": ("规划", "Planning"),
    "/manager?level=window": ("审计", "Audit"),
    "/data": ("数据", "Data"),
    f"/explain?day={DAY}&section=S0&rule=road.main&window=1": ("象山港路", "象山港路"),
    f"/explain?day={DAY}&grid=G1": ("一号", "一号"),
}
MORE_PAGES = {  # seen once a language
    "/data?tab=quarantine": ("数据", "Data"),
    f"/command?day={DAY}&at=12:00": ("指挥", "Command"),
    "/no-such-page": ("没有这个页面", "no such page"),
}
TOWN_PAGES = {  # what the small run lacks: community windows, a map of fixes
    f"/explain?day={town.DAY}&community=cgA&rule=community.small": ("社区A", "社区A"),
    f"/explain?day={town.DAY}&section=c0&rule=road.main&window=0": ("丹河路", "丹河路"),
}
# Inside Dash's own radio buttons and drop-downs; everything of ours is held to WCAG 2.1 AA.
OF_DASH = ["nested-interactive", "aria-hidden-focus"]
AUDIT = """rules => axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'],
  rules: Object.fromEntries(rules.map(r => [r, {enabled: false}]))})
  .then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ': ' + n.target.join(' ') + ' ' + n.failureSummary)))"""


def faults(page) -> list[str]:
    """What is wrong with the page as it stands: it does not fit, or a rule of WCAG is broken."""
    out = (
        [] if page.evaluate("document.documentElement.scrollWidth <= window.innerWidth") else ["wider than the window"]
    )
    return out + page.evaluate(AUDIT, OF_DASH)


def looked_at(v, axe: str, path: str, title: str, *, looks: str) -> dict[str, list[str]]:
    """What is wrong with a page, wide and light, on a tablet in the dark, or both one after the other."""
    v.page.set_viewport_size(SIZES["wall" if "light" in looks else "tablet"])
    v.open(path)
    expect(v.page.locator("h1")).to_contain_text(re.compile(title, re.IGNORECASE))
    if v.page.locator("[id$=-map]").count():
        alternative = v.page.locator("[id$=-map-alternative]").first
        expect(alternative).not_to_be_empty(timeout=20_000)  # what the map shows, in words
    v.page.evaluate(axe)
    found = {path: faults(v.page)} if "light" in looks else {}
    if "dark" in looks:
        v.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        v.page.set_viewport_size(SIZES["tablet"])
        v.page.wait_for_timeout(150)
        found[f"{path} dark tablet"] = faults(v.page)
    return found


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_page_in_both_sizes_and_themes(guest, visitor, lang):
    axe = (FRONTEND / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
    v, other = guest(lang=lang), visitor(lang=lang)
    other.page.goto(f"{other.url}/login")
    other.page.fill("#name", "nobody")
    other.page.fill("#password", "wrong")
    other.page.click("button[type=submit]")
    expect(other.page.locator("[role=alert]")).to_be_visible()
    other.page.evaluate(axe)
    found = {"/login refused": faults(other.page)}
    other.sign_in("planner").open("/command")  # not a planner's
    other.page.evaluate(axe)
    found["refused by role"] = faults(other.page)
    other.sign_in("admin")
    v.sign_in("admin")
    once = "light" if lang == "zh" else "dark"
    for who, pages, looks in ((v, PAGES, "light, dark"), (v, MORE_PAGES, once), (other, TOWN_PAGES, once)):
        for path, titles in pages.items():
            found |= looked_at(who, axe, path, titles[lang == "en"], looks=looks)
    # pages that answer 401 or 404 do so on purpose, and Chromium logs that
    for who in (v, other):
        who.complaints[:] = [c for c in who.complaints if "401" not in c and "404" not in c]
    assert {k: f for k, f in found.items() if f} == {}
