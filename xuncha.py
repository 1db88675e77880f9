"""xuncha: the command line, and the only place that builds a store and wires the rooms together."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gis.errors import Fault, SettingsError, XunchaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gis.errors import Lang
    from layers.city import City
    from layers.store.base import Manifest, Run, Store

app = typer.Typer(
    name="xuncha",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
    help="""**巡查 xuncha**:街道是否真的巡到、问题在哪里堆积、是否按时办结。

Is every street really patrolled, where do problems pile up, are they settled in time.

常用步骤 | the usual way:

1. `xuncha init 目录` — 写出带注释的 city.toml | write a commented template
2. `xuncha check city.toml` — 数据够不够核查每条规则 | can this data decide each rule
3. `xuncha load city.toml` — 入库 | load every source
4. `xuncha audit city.toml --day 2026-03-18` — 核查一天 | audit a day
5. `xuncha export city.toml --day 2026-03-18 --format xlsx --out out` — 导出 | export
6. `xuncha serve city.toml` — 打开四个工作台 | open the four desks

退出码 | exit codes: 0 成功 done · 1 其他 other · 2 设置有误 settings · 3 数据有误 input · 4 库有误 store · 5 无法回答 no answer
""",
)
user_app = typer.Typer(no_args_is_help=True, help="网页帐号 | accounts of the web application")
standard_app = typer.Typer(no_args_is_help=True, help="标准 | standards")
app.add_typer(user_app, name="user")
app.add_typer(standard_app, name="standard")

CityFile = Annotated[Path, typer.Argument(help="城市文件 | the city file", metavar="CITY.TOML")]
Day = Annotated[str, typer.Option("--day", help="核查日 | local day, YYYY-MM-DD", metavar="YYYY-MM-DD")]
LastDay = Annotated[str | None, typer.Option("--to", help="至(含) | last day, inclusive", metavar="YYYY-MM-DD")]
Out = Annotated[Path, typer.Option("--out", help="输出文件夹 | folder to write into")]


def _lang() -> Lang:
    return "en" if os.environ.get("XUNCHA_LANG", "zh").lower().startswith("en") else "zh"


def _say(zh: str, en: str) -> None:
    """A line for the person at the terminal: stderr, so that stdout stays data."""
    typer.echo(zh if _lang() == "zh" else en, err=True)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            Fault("cli.day", f"日期写法不对:{text}", f"no such day: {text}", "写成 2026-03-18", "write 2026-03-18")
        ) from None


def _days(first: str, last: str | None) -> list[date]:
    start = _day(first)
    end = _day(last) if last else start
    if end < start:
        raise SettingsError(Fault("cli.days", f"{end} 早于 {start}", f"{end} is before {start}"))
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]


@contextmanager
def _store(city: City, url: str | None = None) -> Iterator[Store]:
    from layers.store import open_store

    store = open_store(url or city.store_url, timezone=city.timezone)
    try:
        store.prepare()
        yield store
    finally:
        store.close()


@contextmanager
def _progress() -> Iterator[Any]:
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


def _city(path: Path) -> City:
    from layers.city import load_city_file

    return load_city_file(path)


@app.command()
def init(directory: Annotated[Path, typer.Argument(help="文件夹 | folder", metavar="DIR")]) -> None:
    """写出带注释的城市文件模板 | write a commented template of a city file."""
    from etl.template import init_city

    path = init_city(directory)
    _say(f"已写出 {path};填好后运行:xuncha check {path}", f"wrote {path}; fill it in, then: xuncha check {path}")


@app.command()
def check(city_file: CityFile) -> None:
    """逐条规则说明:这些数据够不够核查 | rule by rule: can this data decide it."""
    from etl.check import check_city

    city = _city(city_file)
    with _progress() as tell:
        report = check_city(city, progress=tell)
    typer.echo(report.render(_lang()))
    raise typer.Exit(0 if report.readable else 3)


@app.command()
def load(
    city_file: CityFile,
    only: Annotated[list[str] | None, typer.Option(help="只入这些来源 | only these sources")] = None,
) -> None:
    """把每个来源装入库;再装一次不变 | load every source; twice changes nothing."""
    city = _city(city_file)
    with _store(city) as store, _progress() as tell:
        from etl.load import load_city

        manifests = load_city(city, store, only=only, progress=tell)
    _print_manifests(manifests)


def _print_manifests(manifests: list[Manifest]) -> None:
    head = ("来源", "表", "读入", "新增", "已有", "隔离", "原因")
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
            _say(f"  {m.record.source}:{note}", f"  {m.record.source}: {note}")


@app.command()
def grid(
    city_file: CityFile,
    out: Annotated[Path, typer.Option("--out", help="GeoPackage 或 GeoJSON | .gpkg or .geojson")],
    cell_m: Annotated[float, typer.Option(help="单元边长(米) | edge of a cell, metres")] = 500.0,
    shape: Annotated[str, typer.Option(help="square、hex 或 roads(沿道路) | along roads")] = "square",
) -> None:
    """没有工作网格时切分一套 | cut work grids where a city has none."""
    from etl.grid import cut_grids

    count = cut_grids(_city(city_file), out, cell_m=cell_m, shape=shape)
    _say(f"切分 {count} 个网格,写入 {out}", f"cut {count} grids into {out}")


@app.command()
def audit(
    city_file: CityFile,
    day: Day,
    to: LastDay = None,
    scheduler: Annotated[str | None, typer.Option(help="Dask 调度器 tcp://host:8786 | Dask scheduler")] = None,
    shards: Annotated[int | None, typer.Option(help="分片数 | shards of devices")] = None,
) -> None:
    """核查一天或数天,结果入库 | audit one day or several and store the results."""
    city = _city(city_file)
    with _store(city) as store, _progress() as tell:
        from etl.pipeline import audit_days

        runs = audit_days(city, store, _days(day, to), scheduler=scheduler, shards=shards, progress=tell)
        for run in runs:
            _print_run(store, run)


def _print_run(store: Store, run: Run) -> None:
    typer.echo(f"{run.day} {run.run_id}")
    rollups = store.result(run.run_id, "rollups", where={"level": "rule", "charged": "entitled"})
    for r in rollups.to_dict("records"):
        typer.echo(
            f"  {r['rule_id']:<22} 应巡 {r['windows']:>6}  已巡 {r['covered']:>6}  漏巡 {r['missed']:>6}  未知 {r['unknown']:>6}  "
            f"免巡 {r['excused']:>6}  达标率 {r['rate_low']:.1%}–{r['rate_high']:.1%}"
        )
    changed = store.difference(run.run_id)
    if len(changed):
        _say(f"  与上一次相比变化 {len(changed)} 处", f"  {len(changed)} changes against the run before")


@app.command()
def export(
    city_file: CityFile,
    day: Day,
    out: Out = Path("out"),
    to: LastDay = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="csv、xlsx、gpkg、geojson、html、pdf;可重复 | may be repeated")
    ] = None,
    lang: Annotated[str, typer.Option(help="zh 或 en")] = "zh",
) -> None:
    """导出报表、工作簿、地图 | export tables, workbook, GeoPackage and map."""
    city = _city(city_file)
    with _store(city) as store, _progress() as tell:
        for path in _export(city, store, _days(day, to), out, formats=formats, lang=lang, progress=tell):
            typer.echo(str(path))


def _export(
    city: City, store: Store, days: list[date], out: Path, *, formats: list[str] | None, lang: str, progress: Any
) -> list[Path]:
    from dashboards.exports import FORMATS, export_days

    wanted = [f for text in formats or FORMATS for f in text.split(",")]
    unknown = sorted(set(wanted) - set(FORMATS))
    if unknown:
        raise SettingsError(
            Fault(
                "cli.format",
                f"没有格式 {'、'.join(unknown)}",
                f"no format {', '.join(unknown)}",
                "、".join(FORMATS),
                ", ".join(FORMATS),
            )
        )
    return export_days(city, store, days, out, formats=wanted, lang=lang, progress=progress)


@app.command()
def match(
    city_file: CityFile,
    positions: Annotated[Path, typer.Option(help="轨迹文件 | positions: CSV, Parquet, XLSX or GPX")],
    out: Annotated[Path, typer.Option("--out", help="输出 GeoPackage | routes to write")],
    columns: Annotated[str | None, typer.Option(help="device=track,time=t,lon=lon,lat=lat")] = None,
    mode: Annotated[str, typer.Option(help="foot、ebike 或 vehicle")] = "vehicle",
) -> None:
    """只做地图匹配:轨迹变成路线 | map matching only: positions to routes."""
    from etl.match_city import match_city

    with _progress() as tell:
        tracks = match_city(_city(city_file), positions, out, columns=columns, mode=mode, progress=tell)
    _say(f"{tracks} 条轨迹,写入 {out}", f"{tracks} tracks into {out}")


def main() -> None:
    """Run the command line; every fault that a user can mend is printed without a traceback."""
    try:
        app(standalone_mode=True)
    except XunchaError as error:
        typer.echo(error.render(_lang()), err=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
