"""Commands of the audit and its results: audit, export, how often it is wrong, the runs kept, standards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gis.errors import Fault, ImpossibleError, SettingsError
from xuncha_terminal import (
    CityFile,
    Day,
    LastDay,
    Out,
    city_of,
    day_of,
    days_of,
    language,
    opened,
    print_run,
    progress,
    say,
)

if TYPE_CHECKING:
    from datetime import date

    from gis.standard import Standard
    from layers.city import City
    from layers.store.base import Store


def audit(
    city_file: CityFile,
    day: Day,
    to: LastDay = None,
    scheduler: Annotated[str | None, typer.Option(help="Dask 调度器 tcp://host:8786 | Dask scheduler")] = None,
    shards: Annotated[int | None, typer.Option(min=1, help="分片数 | shards of devices")] = None,
    positions: Annotated[
        str | None,
        typer.Option(
            help="定位改读此处的 Parquet 文件夹（路径、s3://…，凡 fsspec 能开）| positions from this folder of Parquet files instead: "
            "a path, s3://…, whatever fsspec opens",
            metavar="URL",
        ),
    ] = None,
) -> None:
    """核查一天或数天，结果入库 | audit one day or several and store the results."""
    city = city_of(city_file)
    with opened(city) as store, progress() as tell:
        from etl.pipeline import audit_days
        from layers.store import open_positions

        if positions is not None:
            store.positions = open_positions(positions, timezone=city.timezone)
        runs = audit_days(city, store, days_of(day, to), scheduler=scheduler, shards=shards, progress=tell)
        for run in runs:
            print_run(city, store, run)


def export(
    city_file: CityFile,
    day: Day,
    out: Out = Path("out"),
    to: LastDay = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="csv、xlsx、gpkg、geojson、html、pdf；可重复 | may be repeated")
    ] = None,
    lang: Annotated[Literal["zh", "en"], typer.Option(help="表头与说明的语言 | language of headings and notes")] = "zh",
) -> None:
    """导出报表、工作簿、地图 | export tables, workbook, GeoPackage and map."""
    city = city_of(city_file)
    with opened(city) as store, progress() as tell:
        for path in write_export(city, store, days_of(day, to), out, formats=formats, lang=lang, progress=tell):
            typer.echo(str(path))


def write_export(
    city: City, store: Store, days: list[date], out: Path, *, formats: list[str] | None, lang: str, progress: Any
) -> list[Path]:
    """Write the formats wanted (all of them for None) of days.

    Raises:
        SettingsError: no such format.
    """
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


def evaluate(
    city_file: Annotated[
        Path | None, typer.Argument(help="城市文件，默认示例县 | default: the sample county", metavar="[CITY.TOML]")
    ] = None,
    day: Annotated[str, typer.Option(help="工作日 | a working day", metavar="YYYY-MM-DD")] = "2026-03-18",
    write: Annotated[Path | None, typer.Option(help="写入 Markdown 文件 | write the page")] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(help="另加一节的路网 | a further network, for a short section of its own", metavar="CITY.TOML"),
    ] = None,
    km: Annotated[
        float, typer.Option(help="每个路网至多巡查多少公里 | how much of a network is patrolled", min=1.0)
    ] = 60.0,
    quick: Annotated[bool, typer.Option(help="只算两个条件 | two conditions only")] = False,
) -> None:
    """在已知真相的模拟日上：核查错多少 | how often the audit is wrong, on simulated days with known truth.

    不写城市文件：示例县，全部条件。写明城市文件：该路网最靠中心的一部分，几个条件，数分钟内完成。
    Without a city file: the sample county under every condition. With one: the part of its network next to the middle, a few conditions.
    """
    from etl.evaluate_networks import evaluate_county, evaluate_network

    with progress() as tell:
        sections = [
            evaluate_network(city_of(path), day_of(day), name=str(path), budget_km=km, quick=quick, progress=tell)
            for path in (*([city_file] if city_file else ()), *(also or ()))
        ]
        page = (
            "\n\n".join(sections)
            if city_file
            else evaluate_county(day_of(day), quick=quick, networks=sections, progress=tell)
        )
    typer.echo(page)
    if write is not None:
        write.write_text(page if page.endswith("\n") else f"{page}\n", encoding="utf-8")


def runs(city_file: CityFile, day: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD")] = None) -> None:
    """列出核查记录及其标准 | the audits kept, and the standard of each."""
    from layers.standard_editions import edition_id_of, standard_of

    city = city_of(city_file)
    present = edition_id_of(standard_of(city))
    with opened(city) as store:
        for r in store.runs(day_of(day) if day else None):
            current = store.current_run(r.day)
            mark = "*" if current is not None and current.run_id == r.run_id else " "
            typer.echo(
                f"{mark} {r.day} {r.run_id[:16]} {r.standard_id} {r.standard_version} {_edition_words(r.standard_edition, present)} "
                f"{r.code_version} {r.created_at:%Y-%m-%d %H:%M}Z"
            )


def _edition_words(edition: str | None, present: str) -> str:
    """A run's stored standard, and whether the file has changed since."""
    zh = language() == "zh"
    if edition is None:
        return "[未存档]" if zh else "[not stored]"
    changed = "（标准文件此后已改）" if zh else " (the file has changed since)"
    return f"[{edition[:12]}{'' if edition == present else changed}]"


def diff(city_file: CityFile, day: Day) -> None:
    """与上一次核查相比变了什么 | what changed against the audit before."""
    from dashboards.views import open_run

    with opened(city_of(city_file)) as store:
        changed = store.difference(open_run(store, day_of(day)).run.run_id)
    typer.echo(changed.to_csv(index=False).rstrip() if len(changed) else "")


def standard_list() -> None:
    """列出内置标准 | standards that come with xuncha."""
    from layers.standard_files import list_standards

    for name in list_standards():
        typer.echo(name)


def standard_show(
    name: Annotated[
        str,
        typer.Argument(
            help="名称或标准文件；与 --day、--run 同用时为城市文件 | name or file; with --day or --run the city file"
        ),
    ] = "xuncha",
    day: Annotated[
        str | None, typer.Option(help="这一天的核查所用的标准 | the standard of that day's audit", metavar="YYYY-MM-DD")
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="这次核查所用的标准 | the standard of that audit", metavar="RUN")
    ] = None,
) -> None:
    """列出条款、原文、数字与设定 | the clauses, their sentences, figures and settings."""
    from layers.standard_files import list_standards, load_standard
    from layers.standard_words import standard_lines

    shipped = list_standards()[0] if name == "xuncha" else name
    standard = _applied(Path(name), day, run) if day or run else load_standard(shipped)
    for line in standard_lines(standard, language()):
        typer.echo(line)
    assumed = standard.assumptions()
    say(f"其中 {len(assumed)} 项是假定", f"{len(assumed)} of these are assumptions")


def _applied(city_file: Path, day: str | None, run_id: str | None) -> Standard:
    """The standard that a stored audit applied.

    Raises:
        ImpossibleError: no such audit.
    """
    from layers.standard_editions import applied_standard, standard_of

    city = city_of(city_file)
    with opened(city) as store:
        on = day_of(day) if day else None
        current = store.current_run(on) if on and not run_id else None
        found = [current] if current else [r for r in store.runs(on) if run_id and r.run_id.startswith(run_id)]
        if not found:
            raise ImpossibleError(
                Fault(
                    "run.none",
                    f"没有核查 {run_id or day}",
                    f"there is no audit {run_id or day}",
                    "列出：xuncha runs",
                    "list them: xuncha runs",
                )
            )
        applied = applied_standard(store, found[0], standard_of(city))
    head = f"{found[0].day} {found[0].run_id[:16]}"
    if applied.edition_id:
        say(f"{head}：存档的标准 {applied.edition_id}", f"{head}: stored standard {applied.edition_id}")
    else:
        say(
            f"{head}：当时未存档标准，以下为现行标准文件",
            f"{head}: no standard was stored then; this is the present file",
        )
    for zh, en, keys in (
        ("当时尚无，按内置标准补", "not there then, filled in as shipped", applied.added),
        ("现已取消", "known no more", applied.dropped),
    ):
        if keys:
            say(f"  {zh}：{'、'.join(keys)}", f"  {en}: {', '.join(keys)}")
    return applied.standard
