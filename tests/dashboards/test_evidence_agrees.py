"""The pages of evidence say of every pass what the audit counted: the sample county, every section, window and pass, for every role."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dashboards.auth.principal import Principal, Scope
from dashboards.cache import Cache
from dashboards.duty import duty_frame, roster_duty
from dashboards.scope import scoped
from dashboards.scope_passes import Asked
from dashboards.stored_passes import as_passes, counting_of
from etl.inputs import DayTables
from etl.load import load_city
from etl.network_stage import Networks
from etl.pipeline import audit_days, day_inputs
from etl.sample.write import write_sample_county
from gis import coverage
from gis.audit import crew_of
from gis.community import _places
from gis.coverage import COUNTS, SLOW
from gis.crew import column_text, device_modes, entitled_time
from gis.model import MODES
from gis.pass_accounts import Why
from gis.road_plan import plan_roads, road_pieces
from gis.rounds_ground import whole_day
from gis.strokes import strokes_of
from layers.city import load_city_file
from layers.standard_editions import standard_of
from layers.store import open_store

DAY = date(2026, 3, 18)
ROLES = ("planner", "command", "manager", "administrator")
KEEP_EVERY = 4  # device of the county: all roles, in a fraction of the time


def thinned(path):
    with gzip.open(path, "rb") as f:
        head, *lines = f.read().decode("gb18030").splitlines()
    kept = set(sorted({line.split(",")[0] for line in lines})[::KEEP_EVERY])
    with gzip.GzipFile(path, "wb", mtime=0) as f:
        f.write("\n".join([head, *(x for x in lines if x.split(",")[0] in kept), ""]).encode("gb18030"))


@pytest.fixture(scope="module")
def county(tmp_path_factory):
    """The sample county with a quarter of its devices, audited."""
    folder = tmp_path_factory.mktemp("evidence")
    write_sample_county(folder)
    for path in (folder / "定位").glob("*.csv.gz"):
        thinned(path)
    city = load_city_file(folder / "city.toml")
    store = open_store(city.store_url, timezone=city.timezone)
    store.prepare()
    load_city(city, store)
    audit_days(city, store, [DAY])
    yield Audited(city, store)
    store.close()


class Audited:
    """A county as its audit saw it: network, roster, passes and what was counted of them."""

    def __init__(self, city, store):
        self.city, self.store, self.standard = city, store, standard_of(city)
        tables = DayTables(store, DAY)
        self.network = Networks(city, store, self.standard).of(tables)[0]
        self.crew = crew_of(day_inputs(city, self.standard, tables, self.network), self.standard)
        self.run = store.current_run(DAY)
        table = store.passes(self.run.run_id)
        modes = device_modes(tables["devices"], tables["assignments"])
        self.passes = as_passes(table, table["segment_ix"].to_numpy(), modes, MODES[city.counting.unassigned_mode])
        self.strokes = strokes_of(self.network, self.passes, self.standard)
        self.good = (self.strokes.flags & (COUNTS | SLOW)) == (COUNTS | SLOW)
        self.duty = duty_frame(self.crew)

    def data(self, role):
        principal = Principal(role, role, Scope("county"))
        return scoped(self.store, principal, cache=Cache(2**30), duty=roster_duty(self.standard, self.city.zone))

    def asked(self, role, asked):
        view = SimpleNamespace(city=self.city, standard_on=lambda _day: self.standard, zone=self.city.zone)
        return self.data(role).judged_passes(DAY, counting_of(view, DAY), asked, purpose="test")

    def counter(self, rows):
        """How often each device counted on each segment, of rows of passes."""
        segments = self.network.segments["segment_id"].to_numpy(dtype=object)[self.passes.segment_ix[rows]]
        return Counter(
            zip(np.array(self.passes.devices, dtype=object)[self.passes.device_ix[rows]], segments, strict=True)
        )


def shown(rows):
    return Counter(zip(rows["device_id"], rows["segment_id"], strict=True))


def test_what_is_compared_is_what_the_audit_stored(county):
    plan = plan_roads(county.network, county.passes, county.crew, county.standard, DAY, county.city.zone)
    pieces = road_pieces(county.strokes, plan, len(county.passes.devices))
    covered, count = coverage.union_mm(pieces, county.good[pieces.stroke], plan.rows)
    windows = county.store.result(county.run.run_id, "section_windows")
    open_ = (windows["excused_mm"] == 0).to_numpy()
    assert np.array_equal(windows["covered_mm"][open_], covered[open_])
    assert np.array_equal(windows["passes"], count)
    assert count.sum() > 1000


def test_every_section_window_and_pass_is_counted_on_the_page_as_in_the_audit_for_every_role(county):
    plan = plan_roads(county.network, county.passes, county.crew, county.standard, DAY, county.city.zone)
    pieces = road_pieces(county.strokes, plan, len(county.passes.devices))
    every = frozenset(county.network.sections["section_id"])
    reasons = Counter()
    for window in (None, *range(int(plan.window_of_row.max()) + 1)):
        inside = pieces.row >= 0
        inside[inside] &= True if window is None else plan.window_of_row[pieces.row[inside]] == window
        counted = np.unique(pieces.stroke[inside & county.good[pieces.stroke]])
        tables = {role: county.asked(role, Asked(sections=every, window_ix=window)) for role in ROLES}
        seen = tables["manager"]
        assert shown(seen.rows[seen.rows["why"] == 0]) == county.counter(counted)
        assert len(seen.rows) + seen.off_duty == len(county.strokes.section)  # none is left out
        reasons.update(seen.rows["why"].tolist())
        plain = seen.rows.drop(columns="device_id")
        for role, table in tables.items():
            assert table.off_duty == seen.off_duty
            assert ("device_id" in table.rows) == (role != "planner")
            pd.testing.assert_frame_equal(table.rows.drop(columns="device_id", errors="ignore"), plain)
    said = {why for why in Why if why and any(bits & why for bits in reasons)}
    assert said >= {Why.ROLE, Why.OUTSIDE, Why.TOO_FAST, Why.INFERRED, Why.NO_RULE}
    assert seen.off_duty > 0


def test_roles_and_speeds_are_those_of_the_roster_and_of_the_judgement(county):
    rows = county.asked("manager", Asked(sections=frozenset(county.network.sections["section_id"]))).rows
    role = {p.person_id: p.role for p in county.crew.persons}
    pairs = rows.reset_index(names="at").merge(county.duty, on="device_id")
    pairs = pairs[(pairs["from_ms"] <= pairs["leave_ms"]) & (pairs["enter_ms"] < pairs["to_ms"])]
    roles = pairs["person_id"].map(role).groupby(pairs["at"]).agg(lambda r: ";".join(sorted(set(r))))
    assert rows["roles"].tolist() == roles.reindex(range(len(rows))).fillna("").tolist()
    limit = county.standard.measure.patrol_speed_kmh.value.mm_per_s()
    mode = dict(zip(county.passes.devices, county.passes.mode.tolist(), strict=True))
    too_fast = rows["moved_mm"] * 1000 > limit[rows["device_id"].map(mode).to_numpy()] * (rows["took_ms"] + 1)
    assert ((rows["why"] & int(Why.TOO_FAST)) > 0).tolist() == too_fast.tolist()
    assert ((rows["why"] & int(Why.INFERRED)) > 0).tolist() == (~rows["seen"].to_numpy(bool)).tolist()


def test_nothing_is_shown_of_a_moment_off_duty(county):
    rows = county.asked("manager", Asked(sections=frozenset(county.network.sections["section_id"]))).rows
    known = rows[rows["device_id"].isin(county.crew.carried())].reset_index(names="at")
    pairs = known.merge(county.duty, on="device_id")
    begins = (pairs["from_ms"] <= pairs["enter_ms"]) & (pairs["enter_ms"] < pairs["to_ms"])
    ends = (pairs["from_ms"] <= pairs["leave_ms"]) & (pairs["leave_ms"] <= pairs["to_ms"])
    held = begins.groupby(pairs["at"]).any() & ends.groupby(pairs["at"]).any()
    assert len(held) == len(known) > 1000
    assert held.all()


def test_every_work_grid_counts_on_the_page_as_in_the_audit(county):
    network, segments = county.network, county.network.segments
    grids = county.store.result(county.run.run_id, "grid_days")
    everything = whole_day(len(network.sections), county.crew)
    for rule_id, group in grids.dropna(subset=["rule_id"]).groupby("rule_id"):
        roles = tuple(county.standard.rules[rule_id].roles)
        time = entitled_time(county.crew, county.passes.devices, county.passes.mode, [frozenset(roles)])
        pieces = coverage.entitled_pieces(
            county.strokes, everything, role_of=np.zeros(len(network.sections), np.int32), ptr=time.ptr, start_ms=time.start_ms,
            end_ms=time.end_ms, devices=len(county.passes.devices),
        )  # fmt: skip
        counted = np.unique(pieces.stroke[county.good[pieces.stroke]])
        owner = np.array(column_text(segments, "work_grid_id"), dtype=object)
        for grid in group["grid_id"]:
            mine = owner == grid
            ids = frozenset(segments["segment_id"][mine])
            found = county.asked("manager", Asked(segments=ids, roles=roles))
            assert shown(found.rows[found.rows["why"] == 0]) == county.counter(
                counted[mine[county.passes.segment_ix[counted]]]
            )
            assert len(found.rows) + found.off_duty == int(mine[county.passes.segment_ix].sum())
            plain = county.asked("planner", Asked(segments=ids, roles=roles))
            pd.testing.assert_frame_equal(plain.rows, found.rows.drop(columns="device_id"))


def test_places_shown_of_a_community_grid_are_those_judged(county):
    tables = DayTables(county.store, DAY)
    grids, areas = tables["community_grids"], tables["areas"]
    places, of_grid, _ = _places(county.network, county.standard, grids, areas)
    assert sum(map(len, of_grid)) > 10
    for role in ROLES:
        data = county.data(role)
        for grid, mine in zip(column_text(grids, "grid_id"), of_grid, strict=True):
            assert data.community_places(DAY, grid)["area_id"].tolist() == [places[i].place_id for i in mine]
