"""Writes the sample county: the same seed, day and number of days give the same bytes."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import chinese_calendar
import numpy as np
import pandas as pd
import pyproj

from etl.sample import files, office
from etl.sample.cases import build_cases
from etl.sample.county import CRS, build_county
from etl.sample.patrols import Day, patrol, truth_passes, truth_presence
from etl.sample.people import hire
from etl.sample.scenes import write_scenes
from gis.degrade import Degradation, degrade
from gis.model import Mode
from gis.simulate import random_movement

if TYPE_CHECKING:
    from etl.sample.county import County

DEFAULT_DAY = date(2026, 3, 18)  # a Wednesday
_TEMPLATE = Path(__file__).with_name("city.toml")


def sample_days(days: int, day: date = DEFAULT_DAY) -> list[date]:
    """The days whose positions the county holds, ascending, `day` the last."""
    return [day - timedelta(days=back) for back in range(days - 1, -1, -1)]


def write_sample_county(folder: Path | str, *, seed: int = 2019, days: int = 1, day: date = DEFAULT_DAY) -> Path:
    """Write the sample county into a folder.

    Args:
        folder: made where it does not exist; files of an earlier sample are replaced.
        seed: another seed is another county.
        days: days of positions, the last being `day`.
        day: the last day; on it a phone falls silent, another lies in a drawer, somebody is on leave.

    Returns:
        The path of its `city.toml`. `truth/` beside it holds what really happened.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    place, staffing, chance = (np.random.default_rng([seed, k]) for k in range(3))
    county = build_county(rng=place)
    staff = hire(county, rng=staffing)
    for the_day in sample_days(days, day):
        rng = np.random.default_rng([seed, 10, the_day.toordinal()])
        today = patrol(
            county, staff, the_day, working=bool(chinese_calendar.is_workday(the_day)), special=the_day == day, rng=rng
        )
        _day(county, today, the_day, root, rng)
    _land(county, root)
    files.write_book(office.roster(staff, today, day), root / "名册" / "花名册.xlsx")
    files.write_book(office.responsibilities(county, staff, day), root / "名册" / "责任分工.xlsx")
    files.write_book(office.exceptions(county, staff, day), root / "名册" / "例外登记.xlsx")
    cases = build_cases(county, staff, day, rng=chance)
    files.write_book({"案件": ("城市管理案件清单", cases)}, root / "案件" / "案件清单.xlsx")
    marks = office.checkins(county, staff, day, days, rng=chance)
    (root / "打卡").mkdir(exist_ok=True)
    (root / "打卡" / "打卡记录.csv").write_bytes(marks.to_csv(index=False, lineterminator="\r\n").encode("gb18030"))
    change = write_scenes(county, root / "影像", rng=chance)
    (root / "truth" / "change.json").write_text(
        json.dumps(change, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    city = root / "city.toml"
    city.write_text(_TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
    return city


def _land(county: County, root: Path) -> None:
    """Roads, grids, zones and places."""
    t = county.tables
    files.write_roads(t["road_edges"], root / "道路" / "道路中心线.shp")
    columns = {"grid_id": "网格编号", "name": "名称", "level": "区位", "town_id": "镇街", "unit_id": "中队"}
    zh = t["work_grids"].assign(level=t["work_grids"]["level"].map({"central": "中心城区", "fringe": "城郊结合部"}))
    files.write_geojson(zh, root / "网格" / "工作网格.geojson", columns=columns)
    files.write_gpkg(
        {"全科网格": t["community_grids"][["grid_id", "name", "community", "town_id", "geometry"]]},
        root / "网格" / "全科网格.gpkg",
    )
    columns = {"grid_id": "单元网格编码", "name": "名称", "community_grid_id": "全科网格"}
    files.write_geojson(t["unit_grids"], root / "网格" / "单元网格.geojson", columns=columns)
    areas = t["areas"][["area_id", "kind", "name", "parent_id", "geometry"]]
    layers = {
        "边界": ["boundary"],
        "镇街": ["town"],
        "分区": ["scope", "central", "fringe"],
        "商业街": ["street_important", "street_general"],
        "城中村": ["urban_village"],
        "重点点位": ["key_point"],
        "背街小巷": ["back_street"],
        "高发区域": ["hot_area"],
    }
    files.write_gpkg({n: areas[areas["kind"].isin(k)] for n, k in layers.items()}, root / "专题" / "区域.gpkg")


def _day(county: County, today: Day, day: date, root: Path, rng: np.random.Generator) -> None:
    """Positions of one day with the office's own dirt, and its truth."""
    to_wgs = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True)
    lon, lat = to_wgs.transform(today.seen.x, today.seen.y)
    name = f"{day:%Y-%m-%d}"
    stray = _stray(county, day, to_wgs, rng)
    files.write_positions(today.seen, lon, lat, root / "定位" / f"{name}.csv.gz", stray=stray)
    truth = root / "truth"
    truth.mkdir(exist_ok=True)
    truth_passes(county, today).to_parquet(truth / f"passes-{name}.parquet", index=False)
    truth_presence(today).to_parquet(truth / f"presence-{name}.parquet", index=False)
    stray.to_csv(truth / f"stray-{name}.csv", index=False)


def _stray(county: County, day: date, to_wgs: pyproj.Transformer, rng: np.random.Generator) -> pd.DataFrame:
    """Rows that no careful reader takes: naive times, latitudes beyond the pole, no device; and a device that no roster knows."""
    start = int(pd.Timestamp(day, tz="Asia/Shanghai").timestamp() * 1000) + 9 * 3_600_000
    moved = random_movement(county.graph, 1, 3600, 6.0, rng=rng, mode=Mode.VEHICLE, start_ms=start)
    seen = degrade(county.graph, moved, Degradation(interval_s=20.0, noise_m=6.0), rng=rng)
    lon, lat = to_wgs.transform(seen.x, seen.y)
    clock = (
        pd.to_datetime(seen.t_ms // 1000, unit="s", utc=True).tz_convert("Asia/Shanghai").strftime("%Y-%m-%dT%H:%M:%S")
    )
    known = pd.DataFrame(
        {
            "设备号": "UNKNOWN-01",
            "定位时间": clock + "+08:00",
            "上传时间": clock + "+08:00",
            "经度": [f"{v:.6f}" for v in lon],
            "纬度": [f"{v:.6f}" for v in lat],
        }
    )
    naive = known.iloc[:7].assign(设备号="SJ-ZF0102", 定位时间=clock[:7], 上传时间=clock[:7])
    polar = known.iloc[7:12].assign(设备号="SJ-ZF0102", 纬度="129.481200")
    nobody = known.iloc[12:15].assign(设备号="")
    unread = known.iloc[15:18].assign(设备号="SJ-ZF0102", 定位时间="昨天上午")
    return pd.concat([known, naive, polar, nobody, unread], ignore_index=True)
