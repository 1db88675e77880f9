"""The command desk on live evidence: without any audit, over midnight, and with the same figure for town and county."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import numpy as np
import pyarrow as pa
import pytest
from conftest import serving
from town import CITY, DAY, fill, ms

from dashboards.app import create_app, create_desk
from dashboards.auth.principal import Principal, Scope
from dashboards.command_day import day_of
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


def put(store, patrols, *, day=TODAY, positions=1):
    """Live evidence of these full patrols (section, moment), one person responsible all day."""
    start = ms(0) + (day - DAY).days * DAY_MS
    tables = {n: s.empty_table() for n, s in TABLES.items()}
    tables["patrols"] = pa.table({"section_id": [s for s, _ in patrols], "completed_ms": [t for _, t in patrols]})
    tables["windows"] = pa.table(
        {
            "section_id": ["c0", "c3"],
            "starts_ms": [start] * 2,
            "ends_ms": [start + DAY_MS] * 2,
            "person_ids": ["pA", "pB"],
            "excused": [False, False],
        }
    )
    tables["rounds"] = pa.table({"grid_id": ["g0", "g1"], "completed_ms": [t for _, t in patrols][:2]})
    editions = {"segments": "seg1", "sections": "sec1"}
    return store.put_live(Live(day, max(t for _, t in patrols), positions, editions, "1"), tables)


def test_a_day_that_nobody_audited_counts_down_from_live_patrols(desk, monkeypatch):
    noon = DAY_MS + ms(10)
    at_clock(monkeypatch, noon)
    assert desk_day(view(desk)) == DAY  # an archive until something of today is known
    put(desk.store, [("c0", noon - 10 * MIN), ("c3", noon - 50 * MIN)])
    desk.cache._brief.clear()
    v = view(desk)
    assert desk_day(v) == TODAY
    frame = command_state(v, {"mode": "live"})
    roads = frame.values["command-map", "roads"]
    assert roads[0] > roads[3] > 0  # patrolled ten minutes ago, fifty minutes ago; their hour is not over
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
    assert frame.values["command-map", "roads"][3] > roads[3]
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
    assert found["windows"]["person_ids"].to_pylist() == ["pB"]
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
        ids = d.ground.sections["section_id"].to_numpy()[d.standing.asked.section]
        found[scope] = list(zip(ids.tolist(), d.standing.asked.completed_ms.tolist(), strict=True))
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
