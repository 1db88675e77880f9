"""The manager's desk, evidence and exports over HTTP and in Chromium: what is shown is what is exported, and a town gets its own rows only."""

from __future__ import annotations

import csv
import io
import re
import zipfile

import geopandas as gpd
import openpyxl
import pymupdf
import pytest
import small_run
from conftest import sign_in
from shapely.geometry import MultiLineString

DAY = "2026-03-18"


def patient(url, name):
    """A signed-in client that waits for a whole export on a busy machine."""
    client = sign_in(url, name)
    client.timeout = 90
    return client


def test_the_exported_table_is_the_one_asked_for(small_server):
    client = patient(small_server.url, "manager")
    answer = client.get(f"/export/table/csv?day={DAY}&level=section&sort=missed&down=1")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(r["key"], r["missed"], r["unknown"]) for r in rows] == [("S0", "1", "0"), ("S1", "0", "1")]
    assert rows[0]["name"] == "'=象山港路(甲至乙)"  # never a formula
    book = openpyxl.load_workbook(
        io.BytesIO(client.get(f"/export/table/xlsx?day={DAY}&level=section&outcome=missed").content)
    )
    assert [row[1].value for row in book.active.iter_rows(min_row=2)] == ["=象山港路(甲至乙)"]
    assert book.active["B2"].data_type == "s"


@pytest.mark.parametrize("kind", ["csv", "geojson"])
def test_a_town_gets_its_own_rows_in_files_too(small_server, kind):
    mine = patient(small_server.url, "town-t1").get(f"/export/run/{kind}?day={DAY}").content
    other = patient(small_server.url, "town-x").get(f"/export/run/{kind}?day={DAY}").content
    with zipfile.ZipFile(io.BytesIO(mine)) as a, zipfile.ZipFile(io.BytesIO(other)) as b:
        own = b"".join(a.read(n) for n in a.namelist()).decode()
        foreign = b"".join(b.read(n) for n in b.namelist()).decode()
    assert "丹河路" in own
    assert '"covered": 1' in own  # the summary of its own windows, though the county's roll-up is not its to see
    assert not any(word in foreign for word in ("丹河路", "象山港路", "张三", "G1"))


def test_who_may_export(small_server):
    planner, command = patient(small_server.url, "planner"), patient(small_server.url, "command")
    assert planner.get(f"/export/table/csv?day={DAY}").status_code == 403
    assert command.get(f"/export/run/csv?day={DAY}").status_code == 403
    manager = patient(small_server.url, "manager")
    assert manager.get("/export/run/csv?day=2026-01-01").status_code == 404
    assert manager.get(f"/export/run/nonsense?day={DAY}").status_code == 404
    pdf = manager.get(f"/export/run/pdf?day={DAY}")
    assert pdf.content.startswith(b"%PDF")
    assert "attachment" in pdf.headers["content-disposition"]


@pytest.mark.browser
def test_from_the_town_to_the_windows_evidence(guest):
    v = guest().sign_in("manager").open("/manager")
    assert v.page.inner_text("#manager-figures .kpi-value >> nth=0") == "33.3% – 66.7%"
    for name in ("丹西街道", "一中队", "一号"):
        v.page.click(f"button.link-button:has-text('{name}')")
        v.page.wait_for_selector(f".crumbs button:has-text('{name}')")
    v.page.click("button.link-button:has-text('象山港路')")
    v.page.wait_for_selector(".crumbs .here:has-text('责任路段')")
    v.page.click("button.link-button:has-text('甲至乙')")
    v.page.wait_for_selector("td:has-text('差 500 m')")
    v.page.click("tr:has-text('差 500 m') a")
    v.page.wait_for_selector(".quote:has-text('每1小时开展1次全面巡查')")
    assert v.page.inner_text(".timeline a[aria-current]").split()[:2] == ["09:30–10:30", "漏巡"]
    v.map_drawn("explain-map")


def screen(page) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the table on the screen (without the column of links)."""
    heads = [h.removesuffix(" ↓").removesuffix(" ↑") for h in page.locator(".audit-table th").all_inner_texts()]
    rows = page.locator(".audit-table tbody tr").evaluate_all(
        "rows => rows.map(r => [...r.cells].map(c => (c.querySelector('button, .outcome') || c).innerText.trim()))"
    )
    links = heads[-1] == "依据"
    return heads[: -1 if links else None], [r[: -1 if links else None] for r in rows]


@pytest.mark.browser
@pytest.mark.parametrize("asked", ["level=section&sort=missed&down=1", "level=window&in_section=S0&outcome=missed"])
def test_every_format_holds_what_the_screen_shows(guest, tmp_path, asked):
    """XLSX, CSV, GeoPackage, offline map and PDF of the table as filtered and sorted, each opened and compared with the screen."""
    v = guest().sign_in("manager").open(f"/manager?{asked}")
    heads, rows = screen(v.page)
    files = {}
    for link in v.page.locator("#manager-exports a[href^='/export/table/']").all():
        address = link.get_attribute("href")
        answer = v.context.request.get(v.url + address)
        assert answer.status == 200
        kind = address.split("/table/")[1].split("?")[0]
        files[kind] = tmp_path / f"table.{kind}"
        files[kind].write_bytes(answer.body())
    assert set(files) == {"xlsx", "csv", "gpkg", "html", "pdf"}

    book = openpyxl.load_workbook(files["xlsx"])
    assert [c.value for c in book.worksheets[0][1]] == heads
    assert book.worksheets[0].max_row == 1 + len(rows)
    table = list(csv.DictReader(io.StringIO(files["csv"].read_text("utf-8-sig"))))
    places = gpd.read_file(files["gpkg"], layer="audit")
    assert len(table) == len(places) == len(rows)
    assert list(places.columns[:-1]) == list(table[0])  # the columns shown and no others
    if "把握" in "".join(heads):  # shares are per cent in the workbook as on the screen
        assert book.worksheets[0].cell(2, 1 + heads.index("已巡的把握")).number_format == "0.0%"
    figures = ("missed", "covered") if "level=section" in asked else ("covered_share",)
    for name, head in zip(figures, ("漏巡", "已巡") if "level=section" in asked else ("已巡比例",), strict=True):
        shown = [r[heads.index(head)] for r in rows]
        for stored in ([float(r[name]) for r in table], [float(x) for x in places[name]]):
            assert [f"{x:.1%}" if name.endswith("share") else f"{x:,.0f}" for x in stored] == shown
    lines = dict(zip(("S0", "S1"), small_run.LINES, strict=True))
    assert all(g.equals(MultiLineString([lines[k]])) or g.equals(lines[k]) for k, g in zip(places.get("key", places.get("section_id")), places.geometry, strict=True))  # fmt: skip

    offline = v.context.new_page()  # of no server: what it would fetch fails the test
    offline.on("pageerror", lambda error: v.complaints.append(f"offline map: {error}"))
    offline.set_content(files["html"].read_text("utf-8"))
    offline.wait_for_selector(".leaflet-container")
    assert offline.locator(".x-table th").all_inner_texts() == heads
    cells = "rows => rows.map(r => [...r.cells].map(c => c.innerText.trim()))"
    assert offline.locator(".x-table tbody tr").evaluate_all(cells) == rows
    assert sum(map(int, offline.locator(".x-legend td[data-count]").all_inner_texts())) == len(rows)
    offline.locator(".x-table tbody tr").first.click()

    with pymupdf.open(files["pdf"]) as document:
        text = re.sub(r"\s", "", "".join(page.get_text() for page in document))
    for row in rows:  # every cell of every row, in the row's order
        at = 0
        for value in row:
            at = text.index(re.sub(r"\s", "", value), at)
    assert re.sub(r"\s", "", "".join(heads)) in text


@pytest.mark.browser
def test_a_figure_counts_once_confirmed(guest):
    v = guest(lang="en", size="tablet").sign_in("manager").open("/manager?level=section")
    assert "Not confirmed" in v.page.inner_text("#manager-confirmed")
    v.page.click("#manager-confirm")
    v.page.wait_for_selector("#manager-confirmed :text('Confirmed by manager')")
    assert v.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


ACTIVE = "document.activeElement.dataset.act ?? document.activeElement.className"


@pytest.mark.browser
def test_the_keyboard_keeps_its_place_and_back_takes_a_step_back(guest):
    """What is drawn anew takes the focus with it: it goes to what came in its place; Back leads to the rows before, not off the page."""
    v = guest().sign_in("manager").open("/manager?level=section")
    assert v.page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"  # the order by default is told too
    v.page.locator("[data-act='sort missed']").focus()
    for order in ("descending", "ascending"):
        v.page.keyboard.press("Enter")
        v.page.wait_for_selector(f"th[aria-sort={order}] [data-act='sort missed']")
        v.page.wait_for_function(f"({ACTIVE}) === 'sort missed'")
    v.page.locator("[data-act='into S0']").focus()
    v.page.keyboard.press("Enter")
    v.page.wait_for_selector(".crumbs .here:has-text('应巡时段')")
    v.page.wait_for_function(f"({ACTIVE}) === 'audit-table'")  # the button is gone: the table that it led to
    v.page.go_back()
    v.page.wait_for_selector("[data-act='into S0']")
    v.page.wait_for_selector("th[aria-sort=ascending] [data-act='sort missed']")
