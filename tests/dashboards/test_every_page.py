"""Every page in both languages, at both sizes and in both themes: said in its language, fits, accessible, quiet console, nothing leaves."""

from __future__ import annotations

import pytest
import small_run
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


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_page_in_both_sizes_and_themes(guest, lang):
    axe = (FRONTEND / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
    v = guest(lang=lang)
    v.page.goto(f"{v.url}/login")
    v.page.evaluate(axe)
    found = {"/login": faults(v.page)}
    v.sign_in("admin")
    for path, titles in PAGES.items():
        v.page.set_viewport_size(SIZES["wall"])
        v.open(path)
        expect(v.page.locator("h1")).to_contain_text(titles[lang == "en"])
        if v.page.locator("[id$=-map]").count():
            alternative = v.page.locator("[id$=-map-alternative]").first
            expect(alternative).not_to_be_empty(timeout=20_000)  # what the map shows, in words
        v.page.evaluate(axe)
        found[path] = faults(v.page)
        v.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        v.page.set_viewport_size(SIZES["tablet"])
        v.page.wait_for_timeout(150)
        found[f"{path} dark tablet"] = faults(v.page)
    assert {k: f for k, f in found.items() if f} == {}
