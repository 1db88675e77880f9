"""What every command shares: its options, a day, a city, a store, a bar, the words at the terminal."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gis.errors import Fault, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gis.errors import Lang
    from layers.city import City
    from layers.store.base import Manifest, Run, Store

CityFile = Annotated[Path, typer.Argument(help="城市文件 | the city file", metavar="CITY.TOML")]
Day = Annotated[str, typer.Option("--day", help="核查日 | local day, YYYY-MM-DD", metavar="YYYY-MM-DD")]
LastDay = Annotated[str | None, typer.Option("--to", help="至（含） | last day, inclusive", metavar="YYYY-MM-DD")]
Out = Annotated[Path, typer.Option("--out", help="输出文件夹 | folder to write into")]


def language() -> Lang:
    """The language of the terminal: Chinese, or what XUNCHA_LANG says."""
    return "en" if os.environ.get("XUNCHA_LANG", "zh").lower().startswith("en") else "zh"


def say(zh: str, en: str) -> None:
    """A line for the person at the terminal: stderr, so that stdout stays data."""
    typer.echo(zh if language() == "zh" else en, err=True)


def day_of(text: str) -> date:
    """A day as typed.

    Raises:
        SettingsError: it is no day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            Fault("cli.day", f"日期写法不对：{text}", f"no such day: {text}", "写成 2026-03-18", "write 2026-03-18")
        ) from None


def days_of(first: str, last: str | None) -> list[date]:
    """Every day from the first to the last as typed, both included.

    Raises:
        SettingsError: one is no day, or they are in the wrong order.
    """
    start = day_of(first)
    end = day_of(last) if last else start
    if end < start:
        raise SettingsError(Fault("cli.days", f"{end} 早于 {start}", f"{end} is before {start}"))
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]


def city_of(path: Path) -> City:
    """The city of a city file."""
    from layers.city import load_city_file

    return load_city_file(path)


@contextmanager
def opened(city: City, url: str | None = None) -> Iterator[Store]:
    """The store of a city (or another one), prepared, closed at the end."""
    from layers.store import open_store

    store = open_store(url or city.store_url, timezone=city.timezone)
    try:
        store.prepare()
        yield store
    finally:
        store.close()


@contextmanager
def progress() -> Iterator[Any]:
    """A bar a stage on stderr; quiet where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bars: dict[str, Any] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:

        def tell(stage: str, done: int, total: int | None) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total)
            progress.update(bars[stage], completed=done, total=total)

        yield tell


def print_manifests(manifests: list[Manifest]) -> None:
    """A line a load, columns by tabs; notes go to stderr."""
    zh = ("来源", "表", "读入", "新增", "已有", "隔离", "原因")
    head = zh if language() == "zh" else ("source", "table", "read", "inserted", "present", "set aside", "reasons")
    rows = [
        (
            m.record.source,
            m.record.table,
            m.record.rows_in,
            m.inserted,
            m.already_present,
            m.quarantined,
            " ".join(f"{code}×{count}" for code, count in sorted(m.reasons.items())),
        )
        for m in manifests
    ]
    typer.echo("\t".join(head))
    for row in rows:
        typer.echo("\t".join(map(str, row)))
    for m in manifests:
        for note in m.record.notes:
            say(f"  {m.record.source}：{note.zh}", f"  {m.record.source}: {note.en}")


def print_run(city: City, store: Store, run: Run) -> None:
    """A run and its rates by rule."""
    from layers.standard_editions import standard_of

    typer.echo(f"{run.day} {run.run_id}")
    rollups = store.result(run.run_id, "rollups", where={"level": "rule", "charged": "entitled"})
    counts = {"windows": "应巡", "covered": "已巡", "missed": "漏巡", "unknown": "未知", "excused": "免巡"}
    zh = language() == "zh"
    by_km = standard_of(city).measure.weight.value == "km"
    for r in rollups.to_dict("records"):
        told = "  ".join(f"{word if zh else name} {r[name]:>6}" for name, word in counts.items())
        weighted = by_km and r["km_windows"] != r["windows"]  # a community's window counts as one
        weight = (" 按公里" if zh else " by km") if weighted else ""
        rate = f"{'达标率' if zh else 'rate'} {r['rate_low']:.1%}–{r['rate_high']:.1%}{weight}"
        typer.echo(f"  {r['rule_id']:<22} {told}  {rate}")
    findings = store.result(run.run_id, "findings")
    for f in findings[findings["code"].astype(str).str.startswith("calendar.")].to_dict("records"):
        say(f"  [{f['code']}] {f['zh']}", f"  [{f['code']}] {f['en']}")
    for f in findings[findings["code"].astype(str).str.startswith("rule.")].to_dict("records"):
        say(
            f"  {f['subject']}：{f['count']} {f['zh']}", f"  {f['subject']}: {f['count']} {f['en']}"
        )  # as `xuncha check`
    changed = store.difference(run.run_id)
    if len(changed):
        say(f"  与上一次相比变化 {len(changed)} 处", f"  {len(changed)} changes against the run before")
