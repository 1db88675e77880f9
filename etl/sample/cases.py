"""A month of cases through four channels, with real clusters, deadlines, late ones, and places that cannot be trusted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyproj
import shapely

from etl.sample.county import CRS
from etl.sample.patrols import at

if TYPE_CHECKING:
    from datetime import date

    from etl.sample.county import County
    from etl.sample.people import Staff

CATEGORIES = {
    "市容秩序": (("占道经营", "乱堆物料", "违规广告", "流动摊贩"), 0.30),
    "环境卫生": (("暴露垃圾", "垃圾桶满溢", "道路不洁", "卫生死角"), 0.24),
    "公用设施": (("路灯不亮", "井盖破损", "路面坑洼", "护栏损坏"), 0.15),
    "交通安全管理": (("违停", "共享单车乱放", "标线不清"), 0.12),
    "园林绿化": (("行道树倒伏", "绿地破坏", "黄土裸露"), 0.07),
    "生态环境": (("油烟扰民", "噪声扰民", "污水外溢"), 0.05),
    "规划建设": (("违法搭建", "工地扬尘"), 0.04),
    "市场监管": (("无照经营",), 0.02),
    "房屋装修": (("装修垃圾",), 0.01),
}
CHANNELS = {"智慧城管": 0.46, "执法巡查": 0.27, "全科网格": 0.2, "民声回应": 0.07}
LIMIT_DAYS = {"智慧城管": (1, 2, 3), "执法巡查": (1, 7), "全科网格": (3, 5), "民声回应": (30,)}
LATE = {"智慧城管": 0.08, "执法巡查": 0.11, "全科网格": 0.14, "民声回应": 0.05}
DEPARTMENT = {
    "公用设施": "D01",
    "园林绿化": "D02",
    "环境卫生": "D03",
    "交通安全管理": "D04",
    "市场监管": "D05",
    "生态环境": "D06",
}
DEFAULT_PLACE = (121.8667, 29.4767)  # what the call centre's system writes when it knows no place
CASES = 1900
HOT_SHARE = 0.36
DISORDER_SHARE = 0.55  # of the cases in hot areas
LOST_SHARE = 0.015  # without coordinates
DEFAULT_SHARE = 0.35  # of the calls: at the default place


def build_cases(county: County, staff: Staff, day: date, *, rng: np.random.Generator) -> pd.DataFrame:
    """Cases of the thirty days up to `day`, with the columns of the office's list; times are local and naive, as there."""
    count = CASES
    channel = rng.choice(list(CHANNELS), p=list(CHANNELS.values()), size=count)
    category = rng.choice(list(CATEGORIES), p=[w for _, w in CATEGORIES.values()], size=count)
    x, y, hot = _places(county, count, rng)
    category[hot & (rng.random(count) < DISORDER_SHARE)] = "市容秩序"
    back = rng.integers(0, 30, count)
    hour = np.clip(rng.normal(11.5, 3.2, count), 6.2, 21.8)
    opened = np.array([at(day - timedelta(days=int(b)), float(h)) for b, h in zip(back, hour, strict=True)])
    now = at(day, 18.0)
    opened = np.minimum(opened, now - rng.integers(60_000, 3_600_000, count))
    o = np.argsort(opened, kind="stable")
    rows = [_row(k, i, channel, category, opened, now, staff, rng) for k, i in enumerate(o)]
    frame = _with_handover(pd.DataFrame(rows), channel[o], now, rng.spawn(1)[0])
    place = np.stack([x, y], axis=1)[o]
    lost, default = rng.random(count) < LOST_SHARE, (channel[o] == "民声回应") & (rng.random(count) < DEFAULT_SHARE)
    frame["经度"], frame["纬度"] = _lonlat(place)
    frame.loc[default, ["经度", "纬度"]] = DEFAULT_PLACE
    frame.loc[lost, ["经度", "纬度"]] = np.nan
    return frame


def _places(county: County, count: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Most cases lie along the roads, a third in the hot areas."""
    roads = county.tables["road_edges"]
    weight = np.where(roads["source_class"].isin(["高速公路", "县道", "步行道"]), 0.0, roads.length)
    weight = np.where(roads["source_class"] == "城郊道路", weight * 0.35, weight)
    pick = rng.choice(len(roads), size=count, p=weight / weight.sum())
    along = shapely.line_interpolate_point(roads.geometry.to_numpy()[pick], rng.random(count), normalized=True)
    x, y = shapely.get_x(along) + rng.normal(0, 9, count), shapely.get_y(along) + rng.normal(0, 9, count)
    areas = county.tables["areas"]
    spots = areas[areas["kind"] == "hot_area"].centroid
    share = np.array([5.0, 4.0, 3.0, 3.0, *[0.7] * (len(spots) - 4)])
    hot = rng.random(count) < HOT_SHARE
    which = rng.choice(len(spots), size=count, p=share / share.sum())
    x = np.where(hot, spots.x.to_numpy()[which] + rng.normal(0, 85, count), x)
    y = np.where(hot, spots.y.to_numpy()[which] + rng.normal(0, 85, count), y)
    return x, y, hot


def _lonlat(place: Any) -> tuple[Any, Any]:
    lon, lat = pyproj.Transformer.from_crs(CRS, 4326, always_xy=True).transform(place[:, 0], place[:, 1])
    return np.round(lon, 6), np.round(lat, 6)


def _row(
    k: int, i: int, channel: Any, category: Any, opened: Any, now: int, staff: Staff, rng: np.random.Generator
) -> dict[str, Any]:
    """One case: deadline by channel, closed in most cases before it, some late, some still open, a few suspended."""
    way, kind = str(channel[i]), str(category[i])
    limit = int(rng.choice(LIMIT_DAYS[way]))
    begin = int(opened[i])
    sent = begin + int(rng.integers(3, 90)) * 60_000
    due = begin + limit * 86_400_000
    late = rng.random() < LATE[way]
    took = limit * (1.0 + rng.exponential(0.8)) if late else limit * rng.beta(1.6, 2.6)
    closed = max(begin + int(took * 86_400_000), sent) + 600_000
    suspended = way == "智慧城管" and rng.random() < 0.02  # noqa: PLR2004 (a few)
    done = closed <= now and not suspended
    status = "挂账" if suspended else "已办结" if done else "处理中"
    titles = CATEGORIES[kind][0]
    squads = [u["unit_id"] for u in staff.units if u["kind"] == "squad"]
    unit = DEPARTMENT.get(kind) or squads[int(rng.integers(len(squads)))]
    return {
        "案件编号": f"AJ{k + 1:06d}", "渠道": way, "类别": kind, "标题": titles[int(rng.integers(len(titles)))], "责任单位": unit,
        "立案": _local(begin), "派遣": _local(sent) if sent <= now else None,
        "期限": None if way == "民声回应" and rng.random() < 0.1 else _local(due),  # noqa: PLR2004 (some name none)
        "结案": _local(closed) if done else None, "状态": status,
    }  # fmt: skip


def _with_handover(frame: pd.DataFrame, channel: Any, now: int, rng: np.random.Generator) -> pd.DataFrame:
    """Marks of settlement on the spot, times of verification and instructed deadlines, some of them missed; from a generator of their own.

    On the spot: closed in minutes, but one in eight is left to a later day. Squads verify what is handed over within hours, one case in
    nine after more than a day, never after the closing.
    """
    count = len(frame)
    members, squads, opinions = channel == "全科网格", channel == "执法巡查", channel == "民声回应"
    spot = (members & (rng.random(count) < 0.3)) | (squads & (rng.random(count) < 0.35))  # noqa: PLR2004 (about a third)
    opened = pd.to_datetime(frame["立案"])
    minutes = np.where(rng.random(count) < 1 / 8, rng.uniform(900, 4000, count), rng.uniform(2, 40, count))
    end = opened + pd.to_timedelta(np.round(minutes), unit="min")
    done = spot & (end <= _local(now))
    frame.loc[spot, ["派遣", "期限"]] = None
    frame["结案"] = frame["结案"].mask(spot, end.where(done))
    frame.loc[spot, "状态"] = np.where(done[spot], "已办结", "处理中")
    hours = np.where(rng.random(count) < 1 / 9, rng.uniform(26, 80, count), rng.uniform(0.5, 14, count))
    looked = opened + pd.to_timedelta(np.round(hours * 60), unit="min")
    looked = looked.where(frame["结案"].isna() | (looked < frame["结案"]), frame["结案"])
    frame["核查时间"] = looked.where(squads & ~spot & (looked <= _local(now)))
    told = opinions & (rng.random(count) < 0.15)  # noqa: PLR2004 (a few)
    days = pd.to_timedelta(rng.integers(5, 20, count), unit="D")
    frame["领导批示期限"] = (opened + days).dt.normalize().where(told)
    frame["当场处置"] = pd.Series(np.where(spot, "是", "否"), index=frame.index).where(members | squads)
    return frame


def _local(ms: int) -> pd.Timestamp:
    return pd.Timestamp(ms // 1000 * 1000, unit="ms", tz="UTC").tz_convert("Asia/Shanghai").tz_localize(None)
