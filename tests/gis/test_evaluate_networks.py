"""The part of a network that an evaluation patrols: counted by hand on streets in a row."""

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import shapely
from hand_network import Sec, Seg, make_network

from etl.accuracy import network_section
from etl.evaluate import Ground, evaluate, reason_table, score_table
from etl.evaluate_demo import AS_IT_IS, city_of_kind, true_passes
from etl.evaluate_networks import part_of
from etl.evaluate_unit import NO_ROSTER, NOBODY_NAMED, evaluate_unit
from etl.sample import write_sample_county
from gis.calibration_tables import latest
from gis.model import Mode
from gis.rehearsal import Habits
from layers.city import load_city_file
from layers.standard_files import load_standard

DAY, ZONE = date(2026, 3, 18), ZoneInfo("Asia/Shanghai")
STANDARD = load_standard("xiangshan-2019")


@pytest.fixture
def ground():
    """Seven streets of 1 km in a row from west to east, one of them (the third) without a rule; all in work grid W or E."""
    rules = ["road.branch"] * 7
    rules[2] = None
    sections = [Sec(f"S{i}", f"r{i}", "branch", r, grid="W" if i < 4 else "E") for i, r in enumerate(rules)]
    streets = [Seg(f"s{i}", f"S{i}", (1000 * i, 0), (1000 * i + 1000, 0), (0, 1000)) for i in range(7)]
    grids = pd.DataFrame({"grid_id": ["E", "W"], "level": ["central", "central"]})
    return Ground(make_network(sections, streets), STANDARD, ZONE, DAY, grids)


def ruled(ground):
    sections = ground.network.sections
    return sections["section_id"][sections["rule_id"].notna()].tolist()


def test_what_fits_the_budget_is_taken_whole(ground):
    part = part_of(ground, budget_km=6.0)
    assert part.ground is ground
    assert (part.km, part.km_all, part.sections) == (6.0, 6.0, 6)


def test_the_sections_next_to_the_middle_are_taken_up_to_the_budget(ground):
    # the six begin at 0, 1, 3, 4, 5 and 6 km: median 3.5 km; 3 and 4 lie half a kilometre from it, 5 one and a half, 1 two and a half
    part = part_of(ground, budget_km=3.9)
    assert ruled(part.ground) == ["S3", "S4", "S5"]
    assert (part.km, part.km_all, part.sections) == (3.0, 6.0, 3)
    assert part.ground.network.graph is ground.network.graph
    assert part.ground.work_grids["grid_id"].tolist() == ["E", "W"]
    assert ruled(ground) == ["S0", "S1", "S3", "S4", "S5", "S6"]


def test_grids_without_a_judged_section_are_left_out(ground):
    only_east = replace(ground, network=replace(ground.network, sections=ground.network.sections.iloc[:].copy()))
    only_east.network.sections.loc[:3, "rule_id"] = None
    part = part_of(only_east, budget_km=1.0)
    assert ruled(part.ground) == ["S5"]
    assert part.ground.work_grids["grid_id"].tolist() == ["E"]


def test_a_part_is_evaluated_and_told(ground):
    part = part_of(replace(ground, work_grids=None), budget_km=2.0)
    found = evaluate(part.ground, seeds=(1,), intervals_s=(10.0,), noises_m=(3.0,), modes=(Mode.EBIKE,), table=latest())
    # a branch has one window a day
    assert sorted(found.windows["section_id"]) == ["S3", "S4"]
    page = network_section(found, part, place="小城", seconds=1.0, command="xuncha evaluate small.toml")
    assert "最靠中心的 2.0 km，全网共 6.0 km" in page
    assert "2 sections with a rule" in page
    assert "| ebike | 10 | 3 |" in page


def test_days_on_which_nobody_answers_are_evaluated_and_told(ground):
    part = part_of(replace(ground, work_grids=None), budget_km=2.0)
    found = evaluate_unit(
        part.ground,
        seeds=(1,),
        intervals_s=(10.0,),
        noises_m=(3.0,),
        modes=(Mode.EBIKE,),
        table=latest(),
        habits=Habits(silent=0.0),
    )
    assert found.windows.groupby("kind")["section_id"].apply(sorted).to_dict() == {
        NOBODY_NAMED: ["S3", "S4"],
        NO_ROSTER: ["S3", "S4"],
    }
    table = score_table(found.windows, ["kind"])
    assert table["rate_error"].tolist() == [0.0, 0.0]
    assert not found.windows["cause"].isin(("no_roster", "no_device", "no_data", "no_rostered")).any()


def test_the_sample_countys_files_without_what_a_kind_lacks(tmp_path):
    whole = load_city_file(write_sample_county(tmp_path))
    unnamed, bare = (city_of_kind(whole, kind) for kind in (NOBODY_NAMED, NO_ROSTER))
    assert city_of_kind(whole, AS_IT_IS) == whole
    lacks = {s.table for s in whole.sources} - {s.table for s in unnamed.sources}
    assert lacks == {"responsibilities"}
    assert not {s.table for s in bare.sources} & {"persons", "devices", "assignments", "responsibilities", "exceptions"}
    assert bare.counting.unassigned
    assert not unnamed.counting.unassigned


def test_true_passes_lie_on_the_segments_of_their_edges_whichever_way_these_run(ground):
    network = ground.network
    lines = network.segments.geometry.to_numpy()
    edges = pd.DataFrame({"edge_id": ["a", "b"], "geometry": [lines[0], shapely.reverse(lines[1])]})
    at = pd.to_datetime(["2026-03-18T01:00Z", "2026-03-18T01:02Z"])
    truth = pd.DataFrame(
        {
            "device_id": ["d", "d"],
            "edge_id": ["a", "b"],
            "from_mm": [0, 100],
            "to_mm": [400, 600],
            "enter": at,
            "leave": at,
        }
    )
    p = true_passes(network, edges, truth)
    assert p.segment_ix.tolist() == [0, 1]
    # of the edge that runs against its 1-km segment 100 mm are 999,900
    assert list(zip(p.from_mm.tolist(), p.to_mm.tolist(), strict=True)) == [(0, 400), (999_900, 999_400)]
    with pytest.raises(ValueError, match="no segment"):
        true_passes(network, edges.iloc[:1], truth)


def test_reasons_of_truly_missed_windows_counted_by_hand():
    #          called     its cause      cause by the rules alone   truth
    rows = [("missed",  "partial",     "partial",    "missed"),
            ("unknown", "unsupported", "partial",    "missed"),
            ("unknown", "unsupported", "not_passed", "missed"),
            ("unknown", "silent",      "silent",     "missed"),
            ("unknown", "unsupported", None,         "missed"),  # covered by the rules
            ("covered", None,          None,         "missed"),
            ("unknown", "silent",      "silent",     "covered"),  # not truly missed
            ("missed",  "not_passed",  "not_passed", "covered")]  # fmt: skip
    called = pd.DataFrame([(r[0], r[1], r[3], "foot") for r in rows], columns=["call", "cause", "truth", "mode"])
    plain = pd.DataFrame({"cause": [r[2] for r in rows]})
    table = reason_table(called, plain, ["mode"])
    assert table["windows"].tolist() == [6]
    shares = {c: table[c].item() * 6 for c in table.columns[2:]}
    assert shares == pytest.approx({
        "missed": 1, "covered": 1, "silent": 1, "inferred": 0, "doubted_not_passed": 1, "doubted_partial": 1, "doubted_too_fast": 0, "other": 1,
    })  # fmt: skip
