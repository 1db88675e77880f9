"""Commands from a city file to a store: template, check, load, grids, matching alone, what was set aside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xuncha_terminal import CityFile, city_of, language, opened, print_manifests, progress, say


def init(directory: Annotated[Path, typer.Argument(help="文件夹 | folder", metavar="DIR")]) -> None:
    """写出带注释的城市文件模板 | write a commented template of a city file."""
    from etl.template import init_city

    path = init_city(directory)
    say(f"已写出 {path}；填好后运行：xuncha check {path}", f"wrote {path}; fill it in, then: xuncha check {path}")


def check(city_file: CityFile) -> None:
    """逐条规则说明：这些数据够不够核查 | rule by rule: can this data decide it."""
    from etl.check import check_city

    city = city_of(city_file)
    with progress() as tell:
        report = check_city(city, progress=tell)
    typer.echo(report.render(language()))
    raise typer.Exit(0 if report.readable else 3)


def load(
    city_file: CityFile,
    only: Annotated[list[str] | None, typer.Option(help="只入这些来源 | only these sources")] = None,
) -> None:
    """把每个来源装入库；再装一次不变 | load every source; twice changes nothing."""
    city = city_of(city_file)
    with opened(city) as store, progress() as tell:
        from etl.load import load_city

        manifests = load_city(city, store, only=only, progress=tell)
    print_manifests(manifests)


def grid(
    city_file: CityFile,
    out: Annotated[Path, typer.Option("--out", help="GeoPackage 或 GeoJSON | .gpkg or .geojson")],
    cell_m: Annotated[float, typer.Option(help="单元边长（米） | edge of a cell, metres")] = 500.0,
    shape: Annotated[str, typer.Option(help="square、hex 或 roads（沿道路） | along roads")] = "square",
) -> None:
    """没有工作网格时切分一套 | cut work grids where a city has none."""
    from etl.grid import cut_grids

    count = cut_grids(city_of(city_file), out, cell_m=cell_m, shape=shape)
    say(f"切分 {count} 个网格，写入 {out}", f"cut {count} grids into {out}")


def match(
    city_file: CityFile,
    positions: Annotated[
        Path, typer.Option(help="轨迹文件 | positions: CSV, Parquet, XLSX, GPX or points of a GIS file")
    ],
    out: Annotated[Path, typer.Option("--out", help="输出 GeoPackage | routes to write")],
    columns: Annotated[str | None, typer.Option(help="device=track,time=t,lon=lon,lat=lat")] = None,
    mode: Annotated[str, typer.Option(help="foot、ebike 或 vehicle")] = "vehicle",
    profile: Annotated[
        str, typer.Option(help="sparse：相邻点相隔一公里以上 | patrol, or sparse: fixes a kilometre apart")
    ] = "patrol",
) -> None:
    """只做地图匹配：轨迹变成路线 | map matching only: positions to routes."""
    from etl.city_network import match_city

    with progress() as tell:
        tracks = match_city(
            city_of(city_file), positions, out, columns=columns, mode=mode, profile=profile, progress=tell
        )
    say(f"{tracks} 条轨迹，写入 {out}", f"{tracks} tracks into {out}")


def quarantine(
    city_file: CityFile, limit: Annotated[int, typer.Option(min=1, help="最多几行 | most rows")] = 200
) -> None:
    """列出被隔离的行及原因 | rows set aside, with their reasons."""
    with opened(city_of(city_file)) as store:
        typer.echo(store.quarantine(limit=limit).to_csv(index=False).rstrip())
