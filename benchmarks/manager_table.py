"""The manager's table in Chromium: how long a page of a hundred sections takes to open, and to be drawn anew when it is sorted.

`python benchmarks/manager_table.py` prints the table: the county of `desk_load.py` (10,000 segments, 2,000 sections), loopback only,
from the click to the rows in their new order, the server's part included.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from desk_load import fill, serving, sign_in_browser
from maps import FLAGS
from playwright.sync_api import sync_playwright

SEGMENTS, ROUNDS = 10_000, 12
ROWS = ".audit-table tbody"


def opened(page: Any, url: str) -> float:
    """Seconds until the first rows are there."""
    began = time.perf_counter()
    page.goto(f"{url}/manager?level=section")
    page.wait_for_selector(f"{ROWS} tr")
    return time.perf_counter() - began


def sorted_by(page: Any, heading: str) -> float:
    """Seconds from a click on a heading to other rows."""
    before = page.inner_text(ROWS)
    began = time.perf_counter()
    page.click(f".audit-table th button:has-text('{heading}')")
    page.wait_for_function("([at, was]) => document.querySelector(at).innerText !== was", arg=[ROWS, before])
    return time.perf_counter() - began


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        fill(Path(folder), SEGMENTS)
        with serving(Path(folder), SEGMENTS) as url:
            browser = playwright.chromium.launch(
                executable_path=os.environ.get("XUNCHA_CHROMIUM", "/usr/bin/chromium"), args=FLAGS
            )
            page = sign_in_browser(browser, url)
            took = {"open": [opened(page, url) for _ in range(ROUNDS)]}
            took["sort"] = [sorted_by(page, ("漏巡", "应巡次数")[n % 2]) for n in range(ROUNDS)]
            rows = page.locator(f"{ROWS} tr").count()
            browser.close()
    print("| what | rows | median s | longest s |\n|---|---|---|---|")
    for what, seconds in took.items():
        print(f"| {what} | {rows} | {statistics.median(seconds):.2f} | {max(seconds):.2f} |")


if __name__ == "__main__":
    main()
