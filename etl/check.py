"""Can this data decide? Rule by rule of the standard: yes, in part, or no; what is missing, and what to do about it. Chinese first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from etl.base import Progress, silent
from etl.check_roster import unresolved_lines, unresolved_of
from etl.holdings import from_sources, from_store
from etl.layers_told import coverage
from etl.near_ids import near_ids
from etl.verdicts import Answer, assigned, judge_clock, judge_rule
from gis.calendar_notes import calendar_of_another_country
from gis.standard import StatementRule
from layers.standard_editions import standard_of

if TYPE_CHECKING:
    from etl.holdings import Holdings
    from etl.verdicts import Finding
    from gis.errors import Fault, Lang
    from gis.standard import Rule, Standard
    from layers.city import City
    from layers.store.base import Store

ANSWERS: dict[Answer, tuple[str, str]] = {
    "yes": ("能判定", "can be decided"),
    "partly": ("部分能判定", "in part"),
    "no": ("不能判定", "cannot be decided"),
    "stated": ("只陈述", "stated, no rate"),
}


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a city's data can decide.

    Attributes:
        rules: one row a rule or clock: rule_id, clause, zh, en, answer (yes, partly, no, stated), why_zh, why_en.
        devices: fix interval and silences a device (see `etl.holdings.device_figures`), with `assigned`.
        facts: counts that the reader should see: code, count, zh, en.
        faults: sources that cannot be read; rules are judged without them.
        warnings: what is doubtful, such as an undeclared map offset.
        unresolved: responsibilities that match nothing, each with its file and row, reason and what to write.
    """

    rules: pd.DataFrame
    devices: pd.DataFrame
    facts: pd.DataFrame
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()
    unresolved: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def readable(self) -> bool:
        """Whether every source could be read."""
        return not self.faults

    def render(self, lang: Lang = "zh") -> str:
        """The report as lines: sources that cannot be read, warnings, facts, then every rule with its answer and reasons."""
        at = 0 if lang == "zh" else 1
        lines: list[str] = []
        if self.faults:
            lines.append(("无法读取", "Cannot be read")[at])
            lines += [f"  · [{f.code}] {f.render(lang)}" for f in self.faults]
        if self.warnings:
            lines.append(("警告", "Warnings")[at])
            lines += [f"  · [{f.code}] {f.render(lang)}" for f in self.warnings]
        lines.append(("数据概况", "What the data holds")[at])
        lines += [f"  · {row[lang]}" for row in self.facts.to_dict("records")]
        lines += unresolved_lines(self.unresolved, lang)
        lines.append(("逐条规则", "Rule by rule")[at])
        for row in self.rules.to_dict("records"):
            answer: Answer = row["answer"]
            why = row[f"why_{lang}"]
            colon = ("：", ": ")[at]
            lines.append(f"  [{ANSWERS[answer][at]}] {row['rule_id']} {row[lang]}{colon + why if why else ''}")
        return "\n".join(lines)


def check_city(city: City, store: Store | None = None, *, progress: Progress = silent) -> CheckReport:
    """Whether the data of a city can decide its standard: of its sources, read without storing, or of what a store holds.

    Raises:
        SettingsError: the standard of the city file cannot be read.
    """
    standard = standard_of(city)
    silence_s = standard.measure.silence_s.value
    if store is not None:
        return judge_city(city, from_store(city, store, silence_s=silence_s), standard)
    return judge_city(city, from_sources(city, silence_s=silence_s, progress=progress), standard)


def judge_city(city: City, holdings: Holdings, standard: Standard) -> CheckReport:
    """Judge, rule by rule, whether a city's data can decide it."""
    rows = [_row(rule_id, rule, judge_rule(rule, city, holdings, standard)) for rule_id, rule in standard.rules.items()]
    for clock_id, clock in standard.clocks.items():
        finding = judge_clock(clock, holdings, standard)
        rows.append((clock_id, clock.clause, clock.zh, clock.en, finding.answer(), finding.words(0), finding.words(1)))
    rules = pd.DataFrame(rows, columns=["rule_id", "clause", "zh", "en", "answer", "why_zh", "why_en"])
    devices = holdings.devices.assign(assigned=holdings.devices["device_id"].isin(assigned(holdings)))
    facts, unresolved = _facts(city, holdings, standard), unresolved_of(city, holdings, standard)
    return CheckReport(rules, devices, facts, holdings.faults, holdings.warnings, unresolved)


def _row(rule_id: str, rule: Rule, finding: Finding) -> tuple[str, ...]:
    answer: Answer = finding.answer()
    if isinstance(rule, StatementRule) and answer != "no":
        answer = "stated"
    return rule_id, rule.clause, rule.zh, rule.en, answer, finding.words(0), finding.words(1)


def _facts(city: City, holdings: Holdings, standard: Standard) -> pd.DataFrame:
    rows: list[tuple[str, int, str, str]] = []
    for name, zh, en in (("road_edges", "条道路边", "road edges"), ("work_grids", "个工作网格", "work grids"),
                         ("community_grids", "个全科网格", "community grids"), ("unit_grids", "个单元网格", "unit grids"),
                         ("areas", "个区域与点位", "areas and places"), ("persons", "名人员", "persons"), ("cases", "件案件", "cases"),
                         ("checkins", "次打卡", "check-ins"), ("scenes", "景影像", "scenes")):  # fmt: skip
        n = len(holdings.table(name))
        rows.append((name, n, f"{n} {zh}" if n else f"没有来源 {name}", f"{n} {en}" if n else f"no source: {name}"))
    rows += [(f"roads.in.{c.code}", 1, *c.words()) for c in coverage(holdings.tables)]
    rows += _gaps(holdings) + _device_facts(holdings, standard)
    rows += [(f"quarantine.{s}.{c}", n, f"来源 {s} 隔离 {n} 行（{c}）", f"source {s}: {n} rows set aside ({c})")
             for s, reasons in sorted(holdings.quarantined.items()) for c, n in reasons.items()]  # fmt: skip
    rows += [
        ("note", 1, f"来源 {r.source}：{n.zh}", f"source {r.source}: {n.en}") for r in holdings.records for n in r.notes
    ]
    other = calendar_of_another_country(standard.calendar, city.zone)
    if other:
        rows.append(("calendar.country", 1, *other))
    if city.counting.unassigned:
        rows.append(("counting", 1, "城市文件规定未登记设备计入", "the city file counts unassigned devices"))
    return pd.DataFrame(rows, columns=["code", "count", "zh", "en"])


def _gaps(holdings: Holdings) -> list[tuple[str, int, str, str]]:
    """Roads without class, grids without level or leader, persons without device."""
    out: list[tuple[str, int, str, str]] = []

    def tell(code: str, n: int, zh: str, en: str) -> None:
        if n:
            out.append((code, n, zh.format(n), en.format(n)))

    edges, grids, persons = holdings.table("road_edges"), holdings.table("work_grids"), holdings.table("persons")
    if len(edges):
        tell(
            "roads.classless", int(edges["policy_class"].isna().sum()), "{} 条边没有道路等级", "{} edges have no class"
        )
        tell(
            "roads.no_rule",
            int((edges["policy_class"] == "none").sum()),
            "{} 条边的等级不适用规则",
            "{} edges are of a class without a rule",
        )
    if len(grids):
        tell(
            "grids.levelless", int(grids["level"].isna().sum()), "{} 个工作网格没有区位", "{} work grids have no level"
        )
    rows = holdings.table("responsibilities")
    led = set(rows.loc[rows["target_kind"] == "work_grid", "target_id"]) if len(rows) else set()
    if len(grids):
        tell(
            "grids.leaderless",
            int((~grids["grid_id"].isin(led)).sum()),
            "{} 个工作网格没有责任人",
            "{} work grids have nobody responsible",
        )
    if len(rows):
        tell(
            "responsibilities.open",
            int((~rows["resolved"].astype(bool)).sum()),
            "{} 条责任分工待对应",
            "{} responsibilities await resolution",
        )
    if len(persons):
        assignments = holdings.table("assignments")
        carrying = set(assignments["person_id"]) if len(assignments) else set()
        tell(
            "persons.deviceless",
            int((~persons["person_id"].isin(carrying)).sum()),
            "{} 人没有设备",
            "{} persons have no device",
        )
    return out


def _device_facts(holdings: Holdings, standard: Standard) -> list[tuple[str, int, str, str]]:
    devices = holdings.devices
    if not len(devices):
        return [("positions", 0, "没有来源 positions", "no source: positions")]
    fixes, days, n = int(devices["fixes"].sum()), len(holdings.days), len(devices)
    interval = (
        float(np.nanmedian(devices["median_interval_s"].astype(float)))
        if devices["median_interval_s"].notna().any()
        else float("nan")
    )
    limit = standard.measure.silence_s.value
    silent_devices = int((devices["silences"] > 0).sum())
    unknown = int((~devices["device_id"].isin(assigned(holdings))).sum())
    listed = holdings.table("devices")
    known = assigned(holdings) | (set(listed["device_id"].dropna()) if len(listed) else set())
    near = [
        (
            "devices.near",
            1,
            f"设备 {found} 在定位中，名册里是 {meant}",
            f"device {found} is in the positions; the roster has {meant}",
        )
        for found, meant in near_ids(devices["device_id"], known)
    ]
    return [
        (
            "positions",
            fixes,
            f"{days} 天，{n} 台设备，{fixes} 个定位；各设备间隔中位数 {interval:.0f} 秒",
            f"{days} days, {n} devices, {fixes} fixes; median interval {interval:.0f} s",
        ),
        (
            "devices.silent",
            silent_devices,
            f"{silent_devices} 台设备有超过 {limit:g} 秒的失联",
            f"{silent_devices} devices were silent for more than {limit:g} s",
        ),
        ("devices.unassigned", unknown, f"{unknown} 台设备没有登记到人", f"{unknown} devices are assigned to nobody"),
        *near,
    ]
