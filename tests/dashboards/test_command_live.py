"""The command desk on live evidence: without any audit, over midnight, and with the same figure for town and county."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import numpy as np
import pyarrow as pa
import pytest
from conftest import serving
from town import CITY, DAY, add_to, at, fill, heard_at, ms
from town import frame as frame_of

from dashboards.app import create_app, create_desk
from dashboards.auth.principal import Principal, Scope
from dashboards.command_day import day_of
from dashboards.command_parts import CODE_OF
from dashboards.pages import command
from dashboards.pages.command import command_state, desk_day
from dashboards.settings import DeskSettings
from layers.store import open_store
from layers.store.base import Live
from layers.store.live import TABLES

TODAY = DAY + timedelta(days=1)  # a working day that nobody has audited
DAY_MS = 86_400_000
MIN = 60_000


@pytest.fixture
def desk(tmp_path):
    """The small county; DAY was audited."""
    store = open_store(f"embedded:{tmp_path / 'store'}")
    store.prepare()
    fill(store)
    yield create_desk(store, CITY, DeskSettings())
    store.close()


def view(desk, scope="county"):
    return desk.view_of(Principal("v", "command", Scope.parse(scope)), "zh")


def at_clock(monkeypatch, moment_ms):
    """The desk's clock stands at a moment."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(moment_ms / 1000, tz)

    monkeypatch.setattr(command, "datetime", Clock)


HOURS = (8.5, 9.5, 10.5)  # windows of an hour from 08:30
OF = {"c0": "pA", "c3": "pB"}


def put(store, patrols, *, day=TODAY, positions=1, until=None, otherwise="missed", excused=()):
    """Live evidence of these full patrols (section, moment): windows of an hour on two streets, covered where a patrol falls into them."""
    start = (day - DAY).days * DAY_MS
    tables = {n: s.empty_table() for n, s in TABLES.items()}
    tables["patrols"] = pa.table({"section_id": pa.array([s for s, _ in patrols], pa.string()),
                                  "completed_ms": pa.array([t for _, t in patrols], pa.int64())})  # fmt: skip
    rows = []
    for section, person in OF.items():
        for hour in HOURS:
            begins, ends = start + ms(hour), start + ms(hour + 1)
            reached = min((t for s, t in patrols if s == section and begins <= t < ends), default=-1)
            outcome = "covered" if reached >= 0 else "excused" if (section, hour) in excused else otherwise
            missing = "例外 LW1：施工" if outcome == "excused" else ""
            rows.append((section, begins, ends, person, "roster", outcome, missing, reached))
    names = TABLES["windows"].names
    tables["windows"] = pa.table({n: list(c) for n, c in zip(names, zip(*rows, strict=True), strict=True)})
    tables["rounds"] = pa.table(
        {"grid_id": ["g0", "g1"][: len(patrols)], "completed_ms": pa.array([t for _, t in patrols][:2], pa.int64())}
    )
    editions = {"segments": "seg1", "sections": "sec1"}
    known = max((t for _, t in patrols), default=start + ms(0)) if until is None else until
    return store.put_live(Live(day, known, positions, editions, "1"), tables)


def words_of(component) -> str:
    """All words of a component or of one that is JSON already."""
    if isinstance(component, dict):
        return words_of(component["props"]["children"])
    if isinstance(component, list | tuple):
        return "".join(words_of(c) for c in component)
    if hasattr(component, "children"):
        return words_of(component.children)
    return "" if component is None else str(component)


def tile(frame, k):
    """Label, value and note of a tile."""
    return [words_of(part) for part in frame.props["command-figures"]["children"][k].children]


def heard_today(store, minute=55):
    """One fix of each device after 09:00 of the day under way."""
    heard_at(store, DAY_MS + ms(9) + minute * MIN)


def test_a_day_that_nobody_audited_counts_down_from_live_patrols(desk, monkeypatch):
    noon = DAY_MS + ms(10)
    at_clock(monkeypatch, noon)
    assert desk_day(view(desk)) == DAY  # an archive until something of today is known
    heard_today(desk.store)
    put(desk.store, [("c0", noon - 10 * MIN), ("c3", noon - 50 * MIN)])
    desk.cache._brief.clear()
    v = view(desk)
    assert desk_day(v) == TODAY
    frame = command_state(v, {"mode": "live"})
    roads = frame.values["command-map", "roads"]
    assert (roads[0], roads[3]) == (
        CODE_OF["done"],
        CODE_OF["due"],
    )  # in this window since 09:30, and in the one before
    assert roads[1] == CODE_OF["not_asked"]
    words = frame.props["command-evidence"]
    assert words == {
        "children": "路况依据实时轨迹，截至 09:50（晚 10 分钟，其后的巡查尚未计入）",
        "className": "evidence-at old",
    }
    assert frame.data["day"] == str(TODAY)
    d = day_of(replace(v, data=v.data.current()), TODAY)
    assert d.standing.windows.responsible(3, noon) == ["pB"]
    assert d.standing.round_grid.tolist() == [0, 1]
    # ten minutes later somebody has come by c3
    put(desk.store, [("c0", noon - 10 * MIN), ("c3", noon - 50 * MIN), ("c3", noon - MIN)])
    desk.cache._brief.clear()
    frame = command_state(view(desk), {"mode": "live"})
    assert frame.values["command-map", "roads"][3] == CODE_OF["done"]
    assert frame.props["command-evidence"] == {
        "children": "路况依据实时轨迹，截至 09:59（晚 1 分钟，其后的巡查尚未计入）",
        "className": "evidence-at",
    }


def test_a_town_is_told_of_its_own_streets_alone(desk, monkeypatch):
    noon = DAY_MS + ms(10)
    at_clock(monkeypatch, noon)
    live = put(desk.store, [("c0", noon - 10 * MIN), ("c3", noon - 50 * MIN)])
    found = view(desk, "town:B").data.figures(live)
    assert found["patrols"]["section_id"].to_pylist() == ["c3"]
    assert found["windows"]["person_ids"].to_pylist() == ["pB"] * 3
    assert found["rounds"]["grid_id"].to_pylist() == ["g1"]
    assert "passes" not in found


def test_the_newer_one_counts(desk, monkeypatch):
    at_clock(monkeypatch, ms(12))
    run = desk.store.current_run(DAY)
    known = replace(run, run_id="run2", inputs=[{"name": f"positions {DAY}", "rows": 4}])
    desk.store.publish(known, {}, [])
    for positions, words in ((4, "核查结果"), (5, "实时轨迹")):
        put(desk.store, [("c0", ms(11)), ("c3", ms(11))], day=DAY, positions=positions)
        desk.cache._brief.clear()
        assert words in command_state(view(desk), {"mode": "live"}).props["command-evidence"]["children"]


def test_at_midnight_a_live_desk_goes_on_with_the_new_day(desk, monkeypatch):
    midnight = ms(0) + 2 * DAY_MS
    put(desk.store, [("c0", midnight - 6 * 60 * MIN), ("c3", midnight - 6 * 60 * MIN)])
    desk.store.beat({"day": str(TODAY), "seconds": 0.1, "error": "", "error_en": ""})
    asked = {"mode": "live", "day": str(TODAY)}
    at_clock(monkeypatch, midnight - 1000)
    before = command_state(view(desk), asked)
    at_clock(monkeypatch, midnight + 1000)
    after = command_state(view(desk), asked)
    assert (before.data["day"], after.data["day"]) == (str(TODAY), str(TODAY + timedelta(days=1)))
    assert after.data["live"] is True
    assert after.data["minute"] < 1
    assert after.data["network"] == before.data["network"]  # so the map stays as it is
    assert after.props["command-evidence"]["children"] == "尚无路况依据"
    at_clock(
        monkeypatch, midnight + 10 * 60 * MIN
    )  # working hours of the new day, of which nothing was heard: no road is called overdue
    quiet = command_state(view(desk), asked)
    assert np.isnan(quiet.values["command-map", "roads"]).all()
    assert quiet.props["command-overdue"]["children"]["props"]["children"] == "尚无路况依据"
    assert len(after.values["command-map", "roads"]) == len(before.values["command-map", "roads"])


def test_town_and_county_see_the_same_patrols_of_a_street(desk):
    """Twenty seconds at 5.5 m/s are too fast alone, and slow within their minute, most of which was spent in the other town.

    Street 3 (1950 m, 90 % make a full patrol): 1700 m slowly, then 110 m more. These lie between two passes of a metre on street 2, so that
    the minute about them holds 112 m: 6.7 km/h, below the 10 km/h of a walker. Counted without street 2 it would be 19.8 km/h.
    """
    t0 = ms(10)
    rows = [  # segment, from, to, enter, leave, track
        (3, 0, 1_700_000, ms(9), ms(9.6), 0), (2, 0, 1000, t0, t0 + 20_000, 1), (3, 1_700_000, 1_810_000, t0 + 20_000, t0 + 40_000, 1),
        (2, 1000, 2000, t0 + 40_000, t0 + 60_000, 1),
    ]  # fmt: skip
    columns = [np.array(c) for c in zip(*rows, strict=True)]
    passes = pa.table({
        "segment_ix": columns[0], "from_mm": columns[1], "to_mm": columns[2], "enter_ms": columns[3], "leave_ms": columns[4],
        "device_id": ["dB"] * 4, "track_ix": columns[5], "first_fix_ms": columns[3], "last_fix_ms": columns[4],
        "seen": [True] * 4, "confidence": np.ones(4, np.float32),
    })  # fmt: skip
    desk.store.publish(replace(desk.store.current_run(DAY), run_id="run2"), {}, [passes])
    found = {}
    for scope in ("county", "town:B"):
        d = day_of(view(desk, scope), DAY)
        ids = d.ground.sections["section_id"].to_numpy()[d.standing.patrol_section]
        found[scope] = list(zip(ids.tolist(), d.standing.patrol_ms.tolist(), strict=True))
    assert [s for s, _ in found["county"]] == ["c3"]
    assert t0 + 20_000 < found["county"][0][1] <= t0 + 40_000
    assert found["town:B"] == found["county"]


def test_ready_says_how_following_goes(desk, built):
    with serving(create_app(desk.store, CITY, DeskSettings())) as server:
        assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready"}
        assert "xuncha_follow_age_seconds NaN" in httpx.get(f"{server.url}/metrics").text
        desk.store.beat({"day": str(DAY), "seconds": 0.1, "error": "忙", "error_en": "busy"})
        told = httpx.get(f"{server.url}/readyz").json()["follow"]
        assert told["ok"] is False
        assert 0 <= told["age_s"] < 600
        assert "xuncha_follow_age_seconds NaN" not in httpx.get(f"{server.url}/metrics").text


def test_overdue_is_told_as_of_the_evidence_and_the_rest_is_unknown(desk, monkeypatch):
    now = DAY_MS + ms(10.75)
    at_clock(monkeypatch, now)
    heard_today(desk.store)
    # c0 missed the window that ended at 09:30; c3 was patrolled in it. The newest fix is of 09:55: nothing is known of 10:30
    put(desk.store, [("c3", DAY_MS + ms(9.2))], until=DAY_MS + ms(9) + 55 * MIN)
    frame = command_state(view(desk), {"mode": "live"})
    assert tile(frame, 1)[:2] == ["超期路段（截至 09:55）", "1；其后未知 1"]
    assert tile(frame, 1)[2] == "今日至此：已巡 1 · 漏巡 1 · 未知 2 · 免巡 0（全天 6 个时段）"
    roads = frame.values["command-map", "roads"]
    assert (roads[0], roads[3]) == (CODE_OF["overdue"], CODE_OF["unknown"])
    assert "badge bad" in str(frame.props["command-overdue"])
    # with the evidence of the moment the audit's word stands
    put(desk.store, [("c3", DAY_MS + ms(9.2))], until=now, positions=2)
    desk.cache._brief.clear()
    frame = command_state(view(desk), {"mode": "live"})
    assert tile(frame, 1)[:2] == ["超期路段", "2"]
    # what the audit calls unknown is never red
    put(desk.store, [], until=now, positions=3, otherwise="unknown")
    desk.cache._brief.clear()
    frame = command_state(view(desk), {"mode": "live"})
    assert tile(frame, 1)[:2] == ["超期路段", "0；未知 2"]
    assert "badge bad" not in str(frame.props["command-overdue"])
    assert CODE_OF["overdue"] not in frame.values["command-map", "roads"]


def test_an_excused_road_is_told_with_its_reason_and_is_neither_due_nor_overdue(desk, monkeypatch):
    now = DAY_MS + ms(10)
    at_clock(monkeypatch, now)
    heard_today(desk.store)
    put(desk.store, [], until=now, excused={("c0", 9.5)})
    frame = command_state(view(desk), {"mode": "live"})
    assert tile(frame, 1)[1] == "1"  # c3 alone, though c0 missed the window before
    assert frame.values["command-map", "roads"][0] == CODE_OF["excused"]
    listed = frame.props["command-overdue"]["children"]
    assert "丹河路全段 免巡 例外 LW1：施工" in words_of(listed)
    assert words_of(listed).count("丹河路") == 1
    assert "丹河路" not in words_of(
        command_state(view(desk, "squad:squadB"), {"mode": "live"}).props["command-overdue"]["children"]
    )


@pytest.mark.parametrize(
    ("hour", "words"), [(8, "今日 08:30 起"), (18.65, "今日巡查已于 11:30 结束，已巡 1 个时段、漏巡 5、未知 0、免巡 0")]
)
def test_before_the_first_window_and_after_the_last_one_nothing_is_due(desk, monkeypatch, hour, words):
    now = DAY_MS + ms(hour)
    at_clock(monkeypatch, now)
    heard_today(desk.store)
    put(desk.store, [("c3", DAY_MS + ms(9.2))], until=now)
    frame = command_state(view(desk), {"mode": "live"})
    listed = frame.props["command-overdue"]["children"]
    assert words in words_of(listed)
    assert "data-fit" not in str(listed)
    assert set(frame.values["command-map", "roads"]) == {CODE_OF["not_asked"]}
    if hour > 12:
        assert tile(frame, 1) == [
            "今日结果（时段）",
            "漏巡 5；未知 0",
            "今日至此：已巡 1 · 漏巡 5 · 未知 0 · 免巡 0（全天 6 个时段）",
        ]


def test_who_was_heard_of_hours_ago_is_silent_and_not_unheard_of(desk, monkeypatch):
    at_clock(monkeypatch, DAY_MS + ms(14))
    heard_today(desk.store)
    put(desk.store, [], until=DAY_MS + ms(14))
    frame = command_state(view(desk), {"mode": "live"})
    assert tile(frame, 0)[2] == "正常 0 · 中断 2 · 未上线 0 · 无设备 0"
    assert "队员A执法队员中断245 分前" in words_of(frame.props["command-people"]["children"])


def test_a_day_without_any_position_calls_nothing_overdue_and_nobody_silent(desk, monkeypatch):
    now = DAY_MS + ms(10)
    at_clock(monkeypatch, now)
    put(desk.store, [], until=DAY_MS + ms(0), positions=0, otherwise="unknown")
    frame = command_state(view(desk), {"mode": "live"})
    label, value, note = tile(frame, 1)
    assert (label, value) == ("超期路段", "—")
    assert note.startswith("今日没有任何定位，无从判断")
    assert tile(frame, 0) == ["在岗人数", "2", "有设备、今日无任何定位，在线与否不明 2"]
    assert tile(frame, 2)[1] == "— / 12"
    assert "badge bad" not in str(frame.props)
    for part in ("command-people", "command-grids"):
        assert words_of(frame.props[part]["children"]) == "今日没有任何定位，无从判断"
    assert frame.props["command-evidence"]["children"] == "今日没有任何定位，无从判断"


@pytest.mark.parametrize("scope", ["county", "squad:squadA", "squad:squadB", "town:A"])
def test_the_parts_of_those_on_duty_add_up_in_every_scope(desk, monkeypatch, scope):
    now = DAY_MS + ms(10)
    at_clock(monkeypatch, now)
    heard_today(desk.store, 59)
    more = frame_of("persons", [
        {"person_id": f"q{t}{k}", "name": f"新人{t}{k}", "role": "squad_member", "unit_id": f"squad{t}", "town_id": t} for t in "AB" for k in range(2)
    ])  # fmt: skip
    add_to(desk.store, "persons", more)
    add_to(
        desk.store,
        "assignments",
        frame_of("assignments", [{"device_id": f"e{t}", "person_id": f"q{t}0", "valid_from": at(-1)} for t in "AB"]),
    )
    put(desk.store, [], until=now)
    desk.cache._brief.clear()
    label, value, note = tile(command_state(view(desk, scope), {"mode": "live"}), 0)
    each = 2 if scope == "county" else 1
    assert (label, value) == ("在岗人数", str(3 * each))
    assert note == f"正常 {each} · 中断 0 · 未上线 {each} · 无设备 {each}"
