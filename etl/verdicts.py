"""Whether data can decide a rule: what stands against it, what makes it partial, one function a kind of rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pandas as pd

from etl.holdings import ROSTER
from gis.calendar import any_provisional, is_provisional
from gis.clock_notes import lacks_verification, spot_unmarked
from gis.crew import build_crew, column_ms, device_modes, with_devices
from gis.decidable import obstacle
from gis.model import MODES
from gis.standard import CommunityRule, DensityRule, RoadRule, RoundsRule, StatementRule

if TYPE_CHECKING:
    from datetime import date

    from etl.holdings import Holdings
    from gis.crew import Crew
    from gis.decidable import Obstacle
    from gis.standard import Clock, Rule, Standard
    from layers.city import City

Answer = Literal["yes", "partly", "no", "stated"]
_MUST_WORDS = {"key_point": "重点点位", "back_street": "背街小巷", "hot_area": "高发易发区域"}
_ZONE_WORDS = {"central": "中心城区", "fringe": "城郊结合部"}

Pair = tuple[str, str]


@dataclass(slots=True)
class Finding:
    """What stands against one rule: what makes it impossible, and what makes it partial; (zh, en) each."""

    against: list[Pair] = field(default_factory=list)
    doubts: list[Pair] = field(default_factory=list)

    def answer(self) -> Answer:
        """No, in part, or yes."""
        return "no" if self.against else "partly" if self.doubts else "yes"

    def words(self, lang: int) -> str:
        """All reasons in one language (0 Chinese, 1 English)."""
        return ("；", "; ")[lang].join(p[lang] for p in (*self.against, *self.doubts))


def judge_rule(rule: Rule, city: City, holdings: Holdings, standard: Standard) -> Finding:
    """What stands against a rule, by its kind."""
    if isinstance(rule, RoadRule):
        return _judge_road(rule, city, holdings, standard)
    if isinstance(rule, RoundsRule):
        return _judge_rounds(rule, city, holdings, standard)
    if isinstance(rule, DensityRule):
        return _judge_density(rule, holdings, standard)
    if isinstance(rule, CommunityRule):
        return _judge_community(rule, city, holdings, standard)
    return _judge_statement(rule, holdings)


# --- one kind of rule each ---
def _judge_road(rule: RoadRule, city: City, holdings: Holdings, standard: Standard) -> Finding:
    finding = Finding()
    edges, kinds = holdings.table("road_edges"), _kinds(holdings)
    overlaid = sorted(set(rule.areas) & kinds)
    if not len(edges):
        finding.against.append(("没有道路", "no roads"))
    elif not (edges["policy_class"] == rule.policy_class).any() and not overlaid:
        classes = rule.policy_class
        finding.against.append(
            (
                f"没有对应为 {classes} 的道路，也没有相应的街区图层",
                f"no road of class {classes}, and no overlay that gives it",
            )
        )
    missing = sorted(set(rule.areas) - kinds)
    if missing and not finding.against:
        finding.doubts.append(
            (
                f"没有 {'、'.join(missing)} 图层，此类街道未计入",
                f"no overlay {', '.join(missing)}: such streets are not counted",
            )
        )
    if not kinds & set(standard.scope.area_kinds):
        finding.doubts.append(("没有范围图层，全部道路视为在范围内", "no scope layer: every road is taken as in scope"))
    _need_evidence(finding, city, holdings, standard, rule)
    _need_calendar(finding, holdings, standard, working=rule.calendar == "working")
    if rule.interval_s:
        _need_pace(finding, holdings, standard)
    if not _responsible(holdings, "section"):
        finding.doubts.append(
            (
                "没有路段责任人，责任人口径与漏巡归责不可用",
                "no one is responsible for a section: that column stays empty",
            )
        )
    return finding


def _judge_rounds(rule: RoundsRule, city: City, holdings: Holdings, standard: Standard) -> Finding:
    finding = Finding()
    _need_grids(finding, holdings, rule.zone)
    if not holdings.has("road_edges"):
        finding.against.append(("没有道路，无法计算可巡长度", "no roads: nothing to measure a round by"))
    _need_evidence(finding, city, holdings, standard, rule)
    _need_calendar(finding, holdings, standard, working=rule.calendar == "working")
    return finding


def _judge_density(rule: DensityRule, holdings: Holdings, standard: Standard) -> Finding:
    finding = Finding()
    grids, kinds, unzoned = holdings.table("work_grids"), _kinds(holdings), standard.density.unzoned.value
    word = _ZONE_WORDS.get(rule.zone, rule.zone)
    if not len(grids) and "town" not in kinds:
        finding.against.append(("既无工作网格也无镇街图层", "neither work grids nor towns"))
    elif not len(grids):
        finding.doubts.append(("没有工作网格：只按镇街、区位计算", "no work grids: figures by town and zone only"))
    zoned = bool({"central", "fringe"} & kinds) or (len(grids) and bool((grids["level"] == rule.zone).any()))
    if not zoned and not finding.against:
        if rule.zone == unzoned:
            finding.doubts.append((f"没有区位，全部按{word}计算", f"no zones: everything is taken as {rule.zone}"))
        else:
            finding.against.append(
                (
                    f"没有标为{word}（{rule.zone}）的网格，也没有区位图层",
                    f"no grid of level {rule.zone}, and no zone layer",
                )
            )
    persons = holdings.table("persons")
    if not len(persons) or not persons["role"].isin(rule.roles).any():
        finding.doubts.append(
            ("名册中没有信息采集人员：只能给出应配人数", "no such person in the roster: required figures only")
        )
    elif not _responsible(holdings, "work_grid"):
        finding.doubts.append(
            (
                "没有网格与人员的对应：已配人数只能按镇街、单位汇总",
                "nobody is tied to a grid: allocation only by town or unit",
            )
        )
    if not len(holdings.devices):
        finding.doubts.append(
            ("没有定位数据：在岗、在场人数不可用", "no positions: nobody on duty or present is known")
        )
    return finding


def _judge_community(rule: CommunityRule, city: City, holdings: Holdings, standard: Standard) -> Finding:
    finding = Finding()
    if not holdings.has("community_grids"):
        finding.against.append(("没有全科网格", "no community grids"))
    _need_evidence(finding, city, holdings, standard, rule)
    missing = [_MUST_WORDS.get(m, m) for m in rule.musts if m not in _kinds(holdings)]
    if missing:
        codes = [m for m in rule.musts if m not in _kinds(holdings)]
        finding.doubts.append(
            (
                f"没有{'、'.join(missing)}图层，无法核对必到",
                f"no layer {', '.join(codes)}: these musts cannot be checked",
            )
        )
    return finding


def _judge_statement(rule: StatementRule, holdings: Holdings) -> Finding:
    finding = Finding()
    if "责任" in rule.zh and not holdings.has("responsibilities"):
        finding.doubts.append(
            ("没有责任分工表，责任人比例为零", "no table of responsibilities: the share named is zero")
        )
    if "影像" in "".join(rule.items) and not holdings.has("scenes"):
        finding.doubts.append(("没有遥感影像", "no remote-sensing scene"))
    return finding


def judge_clock(clock: Clock, holdings: Holdings, standard: Standard) -> Finding:
    """What stands against a disposal clock."""
    finding = Finding()
    cases, channel = holdings.table("cases"), clock.channel
    if not len(cases):
        finding.against.append(("没有案件", "no cases"))
        return finding
    own = cases[cases["channel"] == channel]
    if not len(own):
        finding.against.append((f"没有渠道为 {channel} 的案件", f"no case of channel {channel}"))
        return finding
    if clock.ends == "verified" and lacks_verification(own, channel):
        finding.against.append(("案件没有核查时间（verified）", "the cases name no time of verification (verified)"))
    if clock.unit in {"at_once", "same_day"}:
        _need_marks(finding, own, channel)
    handed = ~own["on_spot"].eq(True) if "on_spot" in own else pd.Series(data=True, index=own.index)
    undated = int((own["due"].isna() & handed).sum()) if clock.closes else 0
    if undated:
        finding.doubts.append(
            (f"{undated} 件没有期限，按标准推算", f"{undated} cases have no due time: the standard's is used")
        )
    _need_plan(finding, clock, own, standard)
    return finding


def _need_marks(finding: Finding, own: pd.DataFrame, channel: str) -> None:
    unmarked = spot_unmarked(own, channel)
    words = (
        f"{unmarked} 件没有写明是否当场处置（on_spot）",
        f"{unmarked} cases do not say whether they were settled on the spot (on_spot)",
    )
    if unmarked == len(own):
        finding.against.append(words)
    elif unmarked:
        finding.doubts.append(words)


def _need_plan(finding: Finding, clock: Clock, own: pd.DataFrame, standard: Standard) -> None:
    """Whether limits in working days reach into days whose plan is not published."""
    if clock.unit not in {"category", "working_day", "working_hour"}:
        return
    last = own["opened"].max().date()
    if any_provisional(last, last + timedelta(days=14), standard.calendar):
        finding.doubts.append(
            (
                "时限会落到节假日安排尚未公布的日子，按周几推算，期限为暂定",
                "limits reach into days whose holidays are not published, counted by the weekday: due times are provisional",
            )
        )


# --- what several rules need ---
_OBSTACLES: dict[tuple[Obstacle, bool], Pair] = {  # of a rule by tracks alone, and of one by check-ins too
    ("no_data", False): ("没有定位数据", "no positions"),
    ("no_data", True): ("既无打卡也无轨迹", "neither check-ins nor tracks"),
    ("no_roster", False): ("名册中没有有权巡查的人员", "nobody in the roster may patrol this"),
    ("no_roster", True): ("名册中没有网格员", "no grid member in the roster"),
    ("no_device", False): ("没有一台有定位的设备登记到有权人员", "no device with positions is assigned to anybody entitled"),
    ("no_device", True): ("网格员没有有定位的设备，也没有打卡", "no grid member has a device with positions, and nobody checked in"),
}  # fmt: skip


def _need_evidence(
    finding: Finding, city: City, holdings: Holdings, standard: Standard, rule: RoadRule | RoundsRule | CommunityRule
) -> None:
    """What the audit would say of each day that has positions or check-ins (see `gis.decidable`)."""
    community = isinstance(rule, CommunityRule)
    crews = [(d, _crew_of(city, holdings, standard, d)) for d in _days(holdings, checkins=community)]
    marks = _checkin_days(holdings, city) if community else set()
    found = {d: obstacle(crew, rule.roles, checkins=d in marks) for d, crew in crews}
    barred = [d for d, code in found.items() if code]
    if len(barred) == len(found):
        code = found[barred[-1]] if barred else None
        zh, en = _OBSTACLES[code or "no_data", community]
        finding.against.append((zh, en))
        return
    if barred:
        code = found[barred[-1]] or "no_data"
        zh, en = _OBSTACLES[code, community]
        finding.doubts.append(
            (
                f"{len(barred)} 天无法判定（{barred[-1]}：{zh}）",
                f"{len(barred)} days are undecided ({barred[-1]}: {en})",
            )
        )
    loose = {d.device_id for _, crew in crews for d in crew.loose}
    if loose:
        finding.doubts.append(
            (
                f"{len(loose)} 台未登记设备按城市文件计入，不知由谁携带",
                f"{len(loose)} unassigned devices count (as the city file says); nobody knows who carried them",
            )
        )


def _days(holdings: Holdings, *, checkins: bool) -> list[date]:
    """The days that a rule can be judged on: those with positions, for community patrols those with check-ins as well."""
    return sorted(holdings.rosters) if checkins else sorted(holdings.heard)


def _checkin_days(holdings: Holdings, city: City) -> set[date]:
    times = column_ms(holdings.table("checkins"), "time", 0)
    local = pd.to_datetime(pd.Series(times, dtype="int64"), unit="ms", utc=True).dt.tz_convert(city.timezone)
    return set(local.dt.date)


def _crew_of(city: City, holdings: Holdings, standard: Standard, day: date) -> Crew:
    """The roster of a day with the devices heard then."""
    table = {t: holdings.rosters.get(day, {}).get(t, pd.DataFrame()) for t in ROSTER}
    crew = build_crew(
        day, city.zone, standard, **table, responsibilities=pd.DataFrame(), unassigned_modes=city.counting.counted_modes
    )  # fmt: skip
    known = device_modes(table["devices"], table["assignments"])
    default = MODES[city.counting.unassigned_mode]
    return with_devices(crew, {d: known.get(d, default) for d in sorted(holdings.heard.get(day, ()))})


def _need_pace(finding: Finding, holdings: Holdings, standard: Standard) -> None:
    limit = standard.measure.silence_s.value
    slow = holdings.devices[holdings.devices["median_interval_s"] > limit]
    if len(slow):
        n = len(slow)
        finding.doubts.append(
            (
                f"{n} 台设备的定位间隔中位数超过 {limit:g} 秒，多数时段将为未知",
                f"{n} devices send less often than every {limit:g} s: many windows will be unknown",
            )
        )


def _need_calendar(finding: Finding, holdings: Holdings, standard: Standard, *, working: bool) -> None:
    if not working:
        return
    days = [d for d in holdings.days if is_provisional(d, standard.calendar)]
    if days:
        finding.doubts.append(
            (
                f"{len(days)} 天（自 {days[0]} 起）的节假日安排尚未公布，按周几推算，结果为暂定",
                f"the holidays of {len(days)} days (from {days[0]}) are not published yet: by the weekday, results provisional",
            )
        )


def _need_grids(finding: Finding, holdings: Holdings, zone: str) -> None:
    grids, word = holdings.table("work_grids"), _ZONE_WORDS.get(zone, zone)
    if not len(grids):
        finding.against.append(("没有工作网格（可用 xuncha grid 划分）", "no work grids (xuncha grid cuts some)"))
    elif not (grids["level"] == zone).any():
        if {"central", "fringe"} & _kinds(holdings):
            finding.doubts.append(
                (f"网格未标区位，按区位图层判定{word}", f"no grid says {zone}: the zone layers decide")
            )
        else:
            finding.against.append(
                (f"没有标为{word}（{zone}）的网格，也没有区位图层", f"no grid of level {zone}, and no zone layer")
            )


def _kinds(holdings: Holdings) -> set[str]:
    areas = holdings.table("areas")
    return set(areas["kind"].dropna()) if len(areas) else set()


def assigned(holdings: Holdings) -> set[str]:
    """Devices that some person carries."""
    assignments = holdings.table("assignments")
    return set(assignments["device_id"].dropna()) if len(assignments) else set()


def _responsible(holdings: Holdings, target: str) -> bool:
    rows = holdings.table("responsibilities")
    return bool(len(rows)) and bool((rows["target_kind"] == target).any())
