"""A phone that lies in a drawer is no evidence of absence; one that was on patrol and then rests is. Counted by hand, and simulated."""

from __future__ import annotations

from datetime import date
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hand_network import (
    ASSIGNMENTS,
    DEVICES,
    EXCEPTIONS,
    PERSONS,
    RESPONSIBILITIES,
    X0,
    Y0,
    Sec,
    Seg,
    frame,
    make_network,
    make_passes,
    ms,
    utc,
)

from gis.calendar import intersect, total_ms
from gis.crew import build_crew, with_fixes
from gis.degrade import Degradation
from gis.evaluate import compare_windows, confusion, scores
from gis.frequency import road_frequency
from gis.matching import Matcher
from gis.model import Fixes, Mode
from gis.rehearsal import fixes_of, judge, observe, rehearse
from gis.standard import Calibration
from gis.stillness import long_stays, stays_of
from layers.standard_files import load_standard

DAY, ZONE = date(2026, 3, 18), ZoneInfo("Asia/Shanghai")
STANDARD = load_standard("xiangshan-2019").model_copy(update={"calibration": Calibration()})
WITHOUT = STANDARD.model_copy(update={"measure": STANDARD.measure.model_copy(update={"motionless_s": None})})
HOUR = 3_600_000


def street(length_m: int = 400):
    return make_network(
        [Sec("A", "road-a", "main", "road.main")], [Seg("a1", "A", (0, 0), (0, length_m), (0, length_m))]
    )


def crew(*devices: str, named: bool = True, people: int = 1):
    """Squad members, each with devices of their own by turns, on e-bikes; all of them answer for A, or nobody does."""
    ids = [f"p{i}" for i in range(people)]
    return build_crew(
        DAY, ZONE, STANDARD,
        persons=frame(PERSONS, [(p, p, "squad_member", "squad-1", "T1", None, None, None) for p in ids]),
        devices=frame(DEVICES, [(d, "phone", "ebike") for d in devices]),
        assignments=frame(ASSIGNMENTS, [(d, ids[i % people], None, utc("2026-01-01"), None) for i, d in enumerate(devices)]),
        responsibilities=frame(RESPONSIBILITIES, [(f"r{p}", p, "responsible", "section", "A", None, None, None, None, True, None, None, None) for p in ids] * named),
        exceptions=frame(EXCEPTIONS, []),
    )  # fmt: skip


def day_of(lies: dict[str, list[tuple[str, str]]], *, away_m: float = 1000.0, noise_m: float = 5.0) -> Fixes:
    """A fix every 30 s from 08:00 to 18:00 of each device, which goes to and fro `away_m` east of A but lies still at those hours."""
    t = np.arange(ms("2026-03-18 08:00"), ms("2026-03-18 18:00"), 30_000)
    noise = np.random.default_rng(7)
    xs, ys = [], []
    for _, spans in sorted(lies.items()):
        still = np.zeros(len(t), dtype=np.bool_)
        for a, b in spans:
            still |= (t >= ms(f"2026-03-18 {a}")) & (t < ms(f"2026-03-18 {b}"))
        north = np.abs((t // 1000 % 800) - 400.0)  # a metre a second
        xs.append(away_m + noise.normal(0, noise_m, len(t)))
        ys.append(np.where(still, 200.0, north) + noise.normal(0, noise_m, len(t)))
    devices, n = tuple(sorted(lies)), len(t) * len(lies)
    return Fixes(
        np.repeat(np.arange(len(lies), dtype=np.int32), len(t)), np.tile(t, len(lies)), X0 + np.concatenate(xs), Y0 + np.concatenate(ys),
        np.zeros(n, np.uint16), np.zeros(n, np.int32), devices, np.full(len(devices), int(Mode.EBIKE), np.int8),
    )  # fmt: skip


def windows(who, fixes, network=None, standard=STANDARD) -> pd.DataFrame:
    """The day's windows of A, on which no device made a pass, by the hour they begin."""
    network = network or street()
    none = make_passes(network, [], dict.fromkeys(fixes.devices, Mode.EBIKE))
    found = road_frequency(
        network, none, with_fixes(who, fixes, standard), standard, DAY, ZONE, exceptions=frame(EXCEPTIONS, [])
    ).section_windows
    return found.set_index(found["starts"].dt.tz_convert(ZONE).dt.strftime("%H:%M"))


def causes(found: pd.DataFrame) -> dict[str, str]:
    return dict(zip(found.index, found["outcome"] + " " + found["cause"], strict=True))


DRAWER = [("09:00", "11:00")]
MISSED, OPEN = "missed not_passed", "unknown motionless"


def test_a_phone_in_a_drawer_from_nine_to_eleven():
    found = windows(crew("d"), day_of({"d": DRAWER}))
    told = causes(found)
    # the whole window in the drawer
    assert told.pop("09:30") == OPEN
    # half an hour of moving elsewhere would have been enough for the 400 m (57.6 s): it was with its bearer
    assert set(told.values()) == {MISSED}
    w = found.loc["09:30"]
    assert (w["motionless_s"], w["silent_s"], w["attribution"]) == (3600.0, 0.0, "person")
    assert (
        w["missing"] == "责任人的设备在岗时静置或失联 60 分钟，不能说明其未巡查，足够一次全面巡查（需 58 秒），无法判定"
    )
    assert w["outcome_responsible"] == "unknown"


def test_without_the_setting_it_is_missed():
    found = windows(crew("d"), day_of({"d": DRAWER}), standard=WITHOUT)
    assert set(causes(found).values()) == {MISSED}
    assert not found["motionless_s"].any()


@pytest.mark.parametrize(
    "lies",
    [
        [],  # moving elsewhere all day
        [("09:40", "09:50")],  # ten minutes at a post
        [("09:32", "09:55"), ("10:00", "10:20")],  # two rests of less than half an hour
    ],
)
def test_who_moves_elsewhere_or_stops_for_a_while_missed_it(lies):
    assert set(causes(windows(crew("d"), day_of({"d": lies}))).values()) == {MISSED}


def test_a_rest_after_what_may_have_been_the_patrol_is_a_rest():
    # moving 09:30-09:50 and then half an hour and more of rest: 20 min at 25 km/h are 8.3 km
    rest = day_of({"d": [("09:50", "10:30")]})
    assert causes(windows(crew("d"), rest))["09:30"] == MISSED
    # who answers for 9 km cannot have done them in that time, but in the hour
    assert causes(windows(crew("d"), rest, street(9000)))["09:30"] == OPEN


def test_too_far_for_a_patrol_is_missed():
    # 12 km there and back are the whole hour: the drawer lies too far off
    assert causes(windows(crew("d"), day_of({"d": [("09:25", "10:35")]}, away_m=30_000.0)))["09:30"] == MISSED

    # nor can it, however long it lies there; as long as nobody knows that it was left nearer
    assert causes(windows(crew("d"), day_of({"d": [("08:00", "18:00")]}, away_m=90_000.0)))["09:30"] == MISSED
    assert causes(windows(crew("d"), day_of({"d": [("08:00", "18:00")]}, away_m=9_000.0)))["09:30"] == OPEN


def test_a_second_device_that_moves_tells_where_its_bearer_was():
    assert set(causes(windows(crew("d", "e"), day_of({"d": DRAWER, "e": []}))).values()) == {MISSED}
    assert causes(windows(crew("d", "e"), day_of({"d": DRAWER, "e": DRAWER})))["09:30"] == OPEN


def test_all_who_answer_are_asked():
    assert causes(windows(crew("d", "e", people=2), day_of({"d": DRAWER, "e": DRAWER})))["09:30"] == OPEN
    assert causes(windows(crew("d", "e", people=2), day_of({"d": DRAWER, "e": []})))["09:30"] == MISSED


def test_where_nobody_answers_those_entitled_are_asked():
    w = windows(crew("d", named=False), day_of({"d": DRAWER})).loc["09:30"]
    assert (w["outcome"], w["cause"], w["attribution"]) == ("unknown", "motionless", "unit")
    assert w["missing"].startswith("该时段无责任人在岗（计入单位）；有权人员的设备在岗时静置或失联")


def test_silence_goes_before():
    fixes = day_of({"d": DRAWER})
    heard = (fixes.t_ms < ms("2026-03-18 10:00")) | (fixes.t_ms >= ms("2026-03-18 10:20"))
    kept = Fixes(*(getattr(fixes, n)[heard] for n in ("device_ix", "t_ms", "x", "y", "flags", "track_ix")), fixes.devices, fixes.mode)  # fmt: skip
    w = windows(crew("d"), kept).loc["09:30"]
    assert (w["outcome"], w["cause"]) == ("unknown", "silent")
    assert w["silent_s"] + w["motionless_s"] == 3600.0


def test_a_device_that_nobody_carries_is_nobodys_evidence():
    assert causes(windows(crew("d"), day_of({"d": [], "spare": [("08:00", "18:00")]})))["09:30"] == MISSED


@pytest.mark.parametrize("noise_m", [0.0, 3.0, 10.0, 20.0])
def test_long_stays_are_found_at_any_noise(noise_m):
    stays = stays_of(day_of({"d": DRAWER, "e": []}, noise_m=noise_m))
    ((device, start, end, x, _),) = long_stays(stays, 1_800_000)
    assert device == "d"
    assert abs(start - ms("2026-03-18 09:00")) <= 240_000
    assert abs(end - ms("2026-03-18 11:00")) <= 240_000
    assert x == pytest.approx(X0 + 1000, abs=5.0)
    assert long_stays(stays, 3 * HOUR) == []


# --- simulated: phones in drawers while their bearers patrol ---
BLOCK_M, BLOCKS, SEEDS = 200, 8, (601, 602)


@cache
def town():
    kinds = (("main", "road.main"), ("branch", "road.branch"), ("secondary", "road.secondary"))
    sections, segments = [], []
    for i in range(BLOCKS + 1):
        for j in range(BLOCKS):
            for name, a, b in (
                (f"h{i}-{j}", (j * BLOCK_M, i * BLOCK_M), ((j + 1) * BLOCK_M, i * BLOCK_M)),
                (f"v{i}-{j}", (i * BLOCK_M, j * BLOCK_M), (i * BLOCK_M, (j + 1) * BLOCK_M)),
            ):
                sections.append(Sec(name, name, *kinds[i % 3]))
                segments.append(Seg(name, name, a, b, (0, BLOCK_M)))
    network = make_network(sections, segments)
    return network, Matcher(network.graph)


@cache
def simulated(mode: Mode, *, drawers: bool) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Windows as called with and without the setting and as they truly were, with `drawer`: whose phones all lay in one all the window."""
    network, matcher = town()
    said, before, true = [], [], []
    for seed in SEEDS:
        rng = np.random.default_rng([seed, int(mode)])
        day = rehearse(network, STANDARD, DAY, ZONE, mode=mode, rng=rng)
        lie = {}
        for k in np.flatnonzero(rng.random(len(day.moved.devices)) < 0.6).tolist() if drawers else ():
            begin = int(rng.integers(day.moved.starts_ms[k], day.moved.ends_ms[k]))
            lie[k] = (begin, begin + int(rng.uniform(1.0, 3.0) * HOUR))
        how = Degradation(interval_s=15.0, noise_m=8.0, drawers=tuple((k, *span) for k, span in lie.items()))
        fixes = fixes_of(network, observe(network, day, how, rng=rng))
        passes = matcher.match(fixes)
        place = (DAY, ZONE)
        for standard, out in ((STANDARD, said), (WITHOUT, before)):
            out.append(judge(network, passes, with_fixes(day.crew, fixes, standard), standard, *place, work_grids=None).section_windows)  # fmt: skip
        truth = judge(network, day.moved.passes, day.crew, STANDARD, *place, work_grids=None).section_windows
        spans = {day.moved.devices[k]: span for k, span in lie.items()}
        duty = {p.person_id: p.duty for p in day.crew.persons}
        rows = zip(truth["person_ids"], *(truth[c].astype("int64") for c in ("starts", "ends")), strict=True)
        true.append(truth.assign(drawer=[
            all(p in spans and total_ms(intersect(duty[p], [(a, b)])) == total_ms(intersect(duty[p], [(max(a, spans[p][0]), min(b, spans[p][1]))])) for p in str(who).split(";"))
            for who, a, b in rows
        ]))  # fmt: skip
    return tuple(pd.concat(x, ignore_index=True) for x in (said, before, true))


def scored(called: pd.DataFrame, true: pd.DataFrame):
    table = sum(
        confusion(compare_windows(called.iloc[a:b], true.iloc[a:b]))
        for a, b in ((0, len(true) // 2), (len(true) // 2, len(true)))
    )
    return scores(table)


@pytest.mark.parametrize("mode", [Mode.FOOT, Mode.EBIKE])
def test_no_covered_window_whose_phones_all_lay_in_drawers_is_called_missed(mode):
    said, before, true = simulated(mode, drawers=True)
    hidden = (true["drawer"] & (true["outcome"] == "covered")).to_numpy()
    assert (before["outcome"][hidden] == "missed").sum() >= 10
    assert not (said["outcome"][hidden] == "missed").any()
    assert (said["cause"][hidden] == "motionless").any()
    was, now = scored(before, true), scored(said, true)
    assert now.precision_missed > was.precision_missed + 0.1


@pytest.mark.parametrize("mode", [Mode.FOOT, Mode.EBIKE])
def test_without_drawers_as_much_is_missed_as_before(mode):
    said, before, true = simulated(mode, drawers=False)
    was, now = scored(before, true), scored(said, true)
    assert now.recall_missed >= was.recall_missed - 0.01
    assert now.precision_missed >= was.precision_missed - 0.01
