"""The office's tables: roster, responsibilities as they are written, exceptions, check-ins."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from etl.sample.county import shift
from etl.sample.patrols import at, shared_and_leave
from etl.sample.people import Person, Staff, length_m

if TYPE_CHECKING:
    from datetime import date

    from etl.sample.county import County
    from etl.sample.patrols import Day

ROLE = {
    "squad_member": "执法队员",
    "squad_leader": "中队长",
    "collector": "信息采集员",
    "grid_member": "网格员",
    "grid_leader": "网格组长",
}
MODE = {"foot": "步行", "ebike": "电动自行车", "vehicle": "汽车"}
KIND = {"phone": "手机", "vehicle": "车载终端"}
UNIT = {"county": "县级", "town": "镇街", "squad": "中队", "community": "社区", "department": "部门"}
FORGOTTEN = 0.04  # share of the places that nobody ever checks in at
NEVER = ("海鲜一条街(老码头段):王海生", "象山巷路(建设路至丹河路):李大力", "建设路(象山港路至不存在路):陈小明")


def roster(staff: Staff, today: Day, day: date) -> dict[str, tuple[str, pd.DataFrame]]:
    """Sheets of the roster: units, persons, devices, who carries what."""
    title = f"综合行政执法人员花名册({day.year}年{day.month}月)"
    units = pd.DataFrame(
        [
            {
                "单位编号": u["unit_id"],
                "单位": u["name"],
                "类型": UNIT[u["kind"]],
                "上级": u["parent_id"],
                "镇街": u["town_id"],
            }
            for u in staff.units
        ]
    )
    persons = pd.DataFrame(
        [
            {
                "人员编号": p.person_id,
                "姓名": p.name,
                "角色": ROLE[p.role],
                "单位": p.unit_id,
                "镇街": p.town_id,
                "上班时间": p.duty or None,
            }
            for p in staff.persons
        ]
    )
    devices = pd.DataFrame([{"设备编号": d, "类型": KIND[k], "方式": MODE[m]} for d, k, m in sorted(staff.devices)])
    mode = {d: m for d, _, m in staff.devices}
    return {
        "单位": (title, units),
        "人员": (title, persons),
        "设备": (title, devices),
        "领用": ("设备领用登记", pd.DataFrame(_assignments(staff, today, day, mode))),
    }


def _assignments(staff: Staff, today: Day, day: date, mode: dict[str, str]) -> list[dict[str, Any]]:
    """Since New Year, but for what is special on the day itself: until the midnight before it as usual, from the next on again."""
    usual = pd.Timestamp(day.year, 1, 1)
    midnight = pd.Timestamp(day)
    riders = {d for b in staff.beats if b.car for d in b.devices}
    plain = {(r.device, r.person.person_id) for r in (*staff.collectors, *staff.members)}
    rows = []
    names = {p.person_id: p.name for p in staff.persons}
    special = {
        d
        for d, p, lo, hi in today.bearer
        if lo is not None or hi is not None or (d[:3] == "CJ-" and (d, p) not in plain)
    }
    for r in staff.collectors:
        if r.device in special:
            for a, b in ((usual, midnight), (midnight + timedelta(days=1), None)):
                rows.append(_assigned(str(r.device), r.person.person_id, names, mode, a, b))
    for device, person, lo, hi in today.bearer:
        a, b = usual, None
        if device in special:
            a = midnight + timedelta(hours=lo or 0)
            b = midnight + timedelta(hours=hi if hi is not None else 24)
        row = _assigned(device, person, names, mode, a, b)
        if device in riders:
            row["方式"] = MODE["vehicle"]
        rows.append(row)
    return sorted(rows, key=lambda r: (r["设备编号"], r["自"], r["人员编号"]))


def _assigned(device: str, person: str, names: dict[str, str], mode: dict[str, str], a: Any, b: Any) -> dict[str, Any]:
    return {"设备编号": device, "人员编号": person, "姓名": names[person], "方式": MODE[mode[device]], "自": a, "至": b}


def responsibilities(county: County, staff: Staff, day: date) -> dict[str, tuple[str, pd.DataFrame]]:
    """Sheets of responsibility: sections in free text, grids by code, squads' leaders."""
    text = []
    unit_name = {u["unit_id"]: u["name"] for u in staff.units}
    for b in staff.beats:
        who = "、".join(p.name for p in b.members)
        for k in b.stretches:
            if county.stretches[k].road_class == "村内道路":
                continue  # a village is answered for as a work grid
            colon = ":" if (k + b.unit) % 5 else "\uff1a"
            text.append(
                {
                    "中队": unit_name[f"Z{b.unit + 1:02d}"],
                    "责任路段及责任人": f"{county.stretches[k].text}{colon}{who}",
                    "长度(米)": round(length_m(county, k)),
                }
            )
    text += [{"中队": "东城中队", "责任路段及责任人": t, "长度(米)": None} for t in NEVER]
    sections = pd.DataFrame(text)
    sections.insert(0, "序号", np.arange(1, len(sections) + 1))
    work = pd.DataFrame(
        [{"网格编号": r.grid_id, "人员编号": r.person.person_id, "姓名": r.person.name} for r in staff.collectors]
    )
    community = pd.DataFrame(
        [{"网格编号": r.grid_id, "人员编号": r.person.person_id, "姓名": r.person.name} for r in staff.members]
    )
    squad_grids = pd.DataFrame(
        [{"网格编号": g, "人员编号": p.person_id, "姓名": p.name} for g, p in _grid_duty(county, staff)]
    )
    squads = {u["unit_id"] for u in staff.units if u["kind"] == "squad"}
    leaders = pd.DataFrame(
        [{"中队编号": u, "人员编号": p.person_id, "姓名": p.name} for u, p in staff.leaders if u in squads]
    )
    heads = pd.DataFrame(
        [{"网格编号": u, "人员编号": p.person_id, "姓名": p.name} for u, p in staff.leaders if u not in squads]
    )
    title = f"责任网格与责任路段一览表({day.year}年{day.month}月)"
    return {
        "路段责任": (title, sections),
        "工作网格": (title, work),
        "中队网格": (title, squad_grids),
        "全科网格": (title, community),
        "网格组长": (title, heads),
        "中队长": (title, leaders),
    }


def _grid_duty(county: County, staff: Staff) -> list[tuple[str, Person]]:
    """Squad members who answer for what no stretch names in a work grid: of a daily beat there, that of the village where one is."""
    out = []
    grids = county.tables["work_grids"]
    middle = {k: shapely.Point(s.at) for k, s in enumerate(county.stretches)}
    east, north = shift()
    for grid_id, unit_id, ring in zip(grids["grid_id"], grids["unit_id"], grids.geometry, strict=True):
        here = shapely.transform(ring, lambda xy: xy - np.array([east, north]))
        mine = [b for b in staff.beats if f"Z{b.unit + 1:02d}" == unit_id and b.cadence == "day"]
        village = [b for b in staff.beats for k in b.stretches
                   if county.stretches[k].road_class == "村内道路" and here.contains(middle[k])]  # fmt: skip
        near = min(mine, key=lambda b: min(here.distance(middle[k]) for k in b.stretches))
        beat = (village or [near])[0]
        out += [(grid_id, p) for p in beat.members]
    return out


def exceptions(county: County, staff: Staff, day: date) -> dict[str, tuple[str, pd.DataFrame]]:
    """Registered exceptions: a closed section, a road under works, a storm a week ago, leave, and one row that nobody signed."""
    midnight = pd.Timestamp(day)
    hourly = [k for b in staff.beats if b.unit == 0 and b.cadence == "hour" for k in b.stretches]
    closed = county.stretches[hourly[1]]
    works = next(s for s in county.stretches if s.road == "安澜街")
    _, _, away, stand_in = shared_and_leave(staff)
    resting = staff.beats[0].members[0]

    def row(
        kind: str,
        target_kind: str,
        target: str,
        start: float,
        end: float,
        reason: str,
        approver: str | None = "周局长",
        **more: Any,
    ) -> dict[str, Any]:
        return {
            "类型": kind,
            "对象类型": target_kind,
            "对象": target,
            "代班人": more.get("substitute"),
            "开始": midnight + timedelta(hours=start),
            "结束": midnight + timedelta(hours=end),
            "原因": reason,
            "批准人": approver,
            "登记时间": midnight + timedelta(hours=more.get("entered", start - 20)),
        }

    rows = [
        row("封路", "路段", closed.text, 10.0, 15.0, "燃气管道抢修，全封闭"),
        row("施工", "道路", works.road, -72.0, 96.0, "雨污分流改造"),
        row("台风", "全部", "全县", -168.0, -150.0, "台风红色预警，人员撤回", "县防指"),
        row("请假", "人员", away.person.person_id, 0.0, 24.0, "病假", substitute=stand_in.person.person_id),
        row("请假", "人员", resting.person_id, 13.5, 17.5, "参加培训", "中队长"),
        row("封路", "路段", county.stretches[hourly[2]].text, 8.5, 17.5, "未办审批", None),
    ]
    for k, r in enumerate(rows):
        r["编号"] = f"LW{day:%Y%m}{k + 1:03d}"
    return {
        "例外": (
            "例外情况登记表",
            pd.DataFrame(rows)[["编号", *rows[0].keys() - {"编号"}]].reindex(columns=["编号", *list(rows[0])[:-1]]),
        )
    }


def checkins(county: County, staff: Staff, day: date, days: int, *, rng: np.random.Generator) -> pd.DataFrame:
    """Two weeks of check-ins of grid members at the places of their grids; most keep the half days, some places are forgotten."""
    areas = county.tables["areas"]
    places = areas[areas["kind"].isin(["key_point", "back_street", "hot_area"])].reset_index(drop=True)
    tree = shapely.STRtree(places.geometry.representative_point().to_numpy())
    grids = county.tables["community_grids"].set_index("grid_id").geometry
    rows = []
    span = max(days, 14)
    for r in staff.members:
        mine = np.sort(tree.query(grids[r.grid_id].buffer(25), predicate="contains"))
        care = 0.97 if rng.random() < 0.75 else 0.75  # noqa: PLR2004 (most are careful)
        forgotten = set(mine[rng.random(len(mine)) < FORGOTTEN].tolist())
        for back in range(span):
            the_day = day - timedelta(days=back)
            for place in mine:
                kind = places["kind"].iloc[place]
                halves = (
                    ((8.4, 11.8), (13.6, 17.2))
                    if kind != "back_street"
                    else ((8.4, 17.2),)
                    if (back + place) % 2 == 0
                    else ()
                )
                for lo, hi in halves:
                    if place in forgotten or rng.random() > care:
                        continue
                    when = at(the_day, float(rng.uniform(lo, hi)))
                    rows.append(
                        (
                            r.person.person_id,
                            r.person.name,
                            places["area_id"].iloc[place],
                            when,
                            when + int(rng.integers(1, 40)) * 1000,
                        )
                    )
    frame = pd.DataFrame(rows, columns=["人员编号", "姓名", "点位编号", "时间", "到达平台"]).sort_values(
        ["时间", "人员编号"], kind="stable"
    )
    for column in ("时间", "到达平台"):
        frame[column] = _local(frame[column].to_numpy())
    return frame.reset_index(drop=True)


def _local(ms: Any) -> Any:
    return np.char.replace(np.datetime_as_string((ms // 1000 + 8 * 3600).astype("datetime64[s]"), unit="s"), "T", " ")
