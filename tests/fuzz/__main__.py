"""`./run fuzz [--cases N] [--seed N] [--seconds S] [--only WHAT]`: cases in turn over all readers, the city file, query strings and callbacks.

Prints what went wrong with the number that makes it again, and ends with 1 where anything did; figures of the last run stand in docs/tough.md.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import structlog

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "dashboards")]

from town import CITY, fill  # noqa: E402 (after the path)

from dashboards.build import build  # noqa: E402
from layers.store import open_store  # noqa: E402
from tests.fuzz.readers import Bench, city_file, one  # noqa: E402
from tests.fuzz.web import Web  # noqa: E402

PARTS = {"readers": 0.6, "city": 0.15, "query": 0.15, "callback": 0.1}
STORED_EVERY = 20


def run(
    folder: Path, *, cases: int, seed: int = 0, seconds: float = float("inf"), only: str | None = None
) -> dict[str, Counter[str]]:
    """Run so many cases, from a number on, or until the time is over.

    Returns:
        By part: how many cases ran, how many failed; and what went wrong, with how often.
    """
    parts = {only: 1.0} if only else PARTS
    counts, wrong, end = Counter[str](), Counter[str](), time.monotonic() + seconds
    bench = Bench(folder / "files")
    web = _web(folder) if {"query", "callback"} & set(parts) else None
    for part, share in parts.items():
        for k in range(round(cases * share)):
            if time.monotonic() > end:
                break
            number = seed + k
            told = _case(part, number, bench, web, folder)
            counts[part] += 1
            if told:
                counts[f"{part} failed"] += 1
                wrong[f"{part} {number}: {told}"] += 1
    if web is not None:
        web.close()
    return {"counts": counts, "wrong": wrong}


def _case(part: str, number: int, bench: Bench, web: Web | None, folder: Path) -> str:
    if part == "readers":
        kind = bench.seeds[number % len(bench.seeds)]
        told = one(bench, kind, number, stored=number % STORED_EVERY == 0)
        return told and f"{kind.name}: {told}"
    if part == "city":
        return city_file(number, folder)
    assert web is not None
    return web.query(number) if part == "query" else web.callback(number)


def _web(folder: Path) -> Web:
    build()
    store = open_store(f"embedded:{folder / 'web'}")
    store.prepare()
    fill(store)
    return Web(store, CITY)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--only", choices=list(PARTS))
    asked = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
    )  # what is refused is told by thousands
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="xuncha-fuzz-") as folder:
        found = run(Path(folder), cases=asked.cases, seed=asked.seed, seconds=asked.seconds, only=asked.only)
    for told in found["wrong"]:
        sys.stdout.write(f"{told}\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took = time.monotonic() - began
    sys.stdout.write(f"{dict(found['counts'])} in {took:.0f} s, at most {peak:.0f} MB\n")
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
