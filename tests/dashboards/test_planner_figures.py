"""The planner's figures on a county small enough to count by hand, and against the run's own tables."""

from __future__ import annotations

import io
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rasterio import Affine
from small_run import DAY, frame, t, tables

from dashboards import planner_coverage as coverage
from dashboards import planner_density as density
from dashboards import planner_remote as remote
from dashboards import planner_rounds
from dashboards.planner_choice import COMPARES, MEASURES, UNDER, choice_from, measures_of, steps
from layers.standard_files import load_standard

ZONE = ZoneInfo("Asia/Shanghai")
STANDARD = load_standard("xiangshan-2019")
DAYS = [date(2026, 3, 16), date(2026, 3, 17), date(2026, 3, 18)]


@pytest.fixture(scope="module")
def town():
    """The small run, its windows with column day as the store gives it."""
    parts = tables()
    for name in ("section_windows", "segment_days", "grid_days"):
        parts[name] = parts[name].assign(day=DAY)
    return parts


def choice(**said):
    return choice_from(said, DAYS)


# --- choices ---
def test_nothing_said_is_the_latest_day_against_the_day_before():
    c = choice()
    assert (c.measure, c.first, c.second, c.compare, c.hour, c.count) == (
        "road_outcome",
        (DAYS[2],),
        (DAYS[1],),
        "none",
        None,
        5,
    )


def test_a_period_either_way_round_and_days_that_were_not_audited():
    assert choice(**{"from": "2026-03-18", "to": "2026-03-16"}).first == tuple(DAYS)
    assert choice(**{"from": "2026-03-17", "to": "2027-01-01"}).first == (DAYS[1],)
    assert choice(day="2026-03-16").first == (DAYS[0],)
    assert choice(**{"from": "nonsense"}).first == (DAYS[2],)


@given(
    st.dictionaries(
        st.sampled_from(["measure", "from", "to", "hour", "class", "under", "compare", "count", "period"]),
        st.text(max_size=12),
    )
)
def test_no_query_breaks_the_page(said):
    c = choice_from(said, DAYS)
    assert c.measure in MEASURES
    assert c.compare in COMPARES
    assert c.under in UNDER
    assert 1 <= c.count <= 50
    assert c.first


def test_what_has_no_difference_is_not_compared_by_one():
    assert choice(measure="density_verdict", compare="difference").compare == "none"
    assert choice(measure="road_gap", compare="difference").compare == "difference"
    assert choice(measure="road_gap", hour="9").by_hour is None  # of whole days
    assert choice(measure="road_rate", hour="9").by_hour == 9
    assert {m.group for m in MEASURES.values()} == {"coverage", "density", "remote", "hotspots"}
    assert measures_of("density")[0].id == "density_gap"


def test_steps_say_their_bounds():
    classes = steps((-0.25, 0.25), ("a", "b", "c"), percent=True, sign=True)
    assert [(c.zh, c.lower, c.upper) for c in classes] == [
        ("< -25%", None, -0.25),
        ("-25% … +25%", -0.25, 0.25),
        ("≥ +25%", 0.25, None),
    ]


# --- coverage ---
def test_an_hour_holds_every_window_that_reaches_into_it(town):
    # 08:30-09:30 reaches into 8 and 9, 09:30-10:30 into 9 and 10.
    touched = coverage.hours_touched(town["section_windows"], ZONE)
    assert [np.flatnonzero(row).tolist() for row in touched] == [[8, 9], [9, 10], [8, 9], [9, 10]]
    at_8 = coverage.chosen_windows(town["section_windows"], town["sections"], choice(hour="8"), ZONE)
    assert at_8["outcome"].tolist() == ["covered", "unknown"]
    whole = coverage.by_hour(town["section_windows"], ZONE, STANDARD).set_index("hour")
    # 8: covered + unknown, so 1/2 … 2/2; 9: all four, of which one is excused: 1/3 … 2/3; 10: missed + excused: 0/1 … 0/1.
    assert whole[["rate_low", "rate_high"]].round(6).to_numpy().tolist() == [
        [0.5, 1.0],
        [0.333333, 0.666667],
        [0.0, 0.0],
    ]


def test_a_window_to_midnight_ends_with_the_day():
    rows = pd.DataFrame({"starts": [t("20:00:00")], "ends": [t("00:00:00") + pd.Timedelta(days=1)]})
    assert np.flatnonzero(coverage.hours_touched(rows, ZONE)[0]).tolist() == [20, 21, 22, 23]


def test_totals_equal_the_rollup_of_the_run(town):
    rule = town["rollups"].iloc[0]
    sums = coverage.total(coverage.chosen_windows(town["section_windows"], town["sections"], choice(), ZONE), STANDARD)
    for column in (
        "windows",
        "covered",
        "missed",
        "unknown",
        "excused",
        "km_windows",
        "km_missed",
        "rate_low",
        "rate_high",
    ):
        assert sums[column] == pytest.approx(rule[column]), column
    nothing = coverage.total(town["section_windows"].head(0), STANDARD)
    assert nothing["windows"] == 0
    assert np.isnan(nothing["rate_low"])


def test_outcomes_of_a_day_are_those_that_the_run_gave_its_segments(town):
    windows = coverage.chosen_windows(town["section_windows"], town["sections"], choice(), ZONE)
    shown = coverage.road_outcome(windows, town["segments"], STANDARD)
    by_segment = dict(zip(town["segment_days"]["segment_id"], town["segment_days"]["outcome"], strict=True))
    assert shown.tolist() == [by_segment[s] for s in town["segments"]["segment_id"]]
    # Within 08:00-09:00: S0 was covered, S1 unknown.
    at_8 = coverage.chosen_windows(town["section_windows"], town["sections"], choice(hour="8"), ZONE)
    assert coverage.road_outcome(at_8, town["segments"], STANDARD).tolist() == ["covered", "unknown"]
    assert coverage.road_rate(windows, town["segments"], STANDARD).tolist() == [0.5, 0.0]


def test_two_days_are_added_and_the_longest_gap_is_that_of_both(town):
    later = town["section_windows"].assign(day=date(2026, 3, 19), outcome="covered")
    both = pd.concat([town["section_windows"], later], ignore_index=True)
    windows = coverage.chosen_windows(both, town["sections"], choice(), ZONE)
    # S0: covered 1 + 2 of 4; S1: covered 2, unknown 1, of 3 asked (one excused).
    assert coverage.road_rate(windows, town["segments"], STANDARD).tolist() == pytest.approx([3 / 4, 2 / 3])
    assert coverage.by_day(windows, STANDARD)["rate_low"].tolist() == pytest.approx([1 / 3, 1.0])
    gaps = pd.concat(
        [town["segment_days"], town["segment_days"].assign(longest_gap_s=100.0, within_share=1.0)], ignore_index=True
    )
    assert coverage.road_figure(gaps, town["segments"], "longest_gap_s").tolist() == [4800.0, 7200.0]
    assert coverage.road_figure(gaps, town["segments"], "within_share").tolist() == pytest.approx([0.8, 0.5])


def test_class_and_squad_leave_the_rest_out(town):
    windows = town["section_windows"]
    assert len(coverage.chosen_windows(windows, town["sections"], choice(**{"class": "branch"}), ZONE)) == 0
    assert len(coverage.chosen_windows(windows, town["sections"], choice(squad="U1"), ZONE)) == 4
    assert coverage.muted_segments(town["segments"], town["sections"], choice(squad="U2")).tolist() == [True, True]
    assert coverage.muted_grids(town["work_grids"], choice(squad="U1")).tolist() == [False]
    assert coverage.muted_grids(town["work_grids"], choice(squad="U2")).tolist() == [True]


def test_better_or_worse():
    first = pd.Series(["covered", "missed", "partly", "unknown", None, "covered"])
    second = pd.Series(["missed", "covered", "partly", "covered", "missed", "excused"])
    assert coverage.moved(first, second).tolist() == ["better", "worse", "same", None, None, None]


def test_rounds_a_day_and_in_an_hour(town):
    two_days = pd.concat([town["grid_days"], town["grid_days"].assign(completed_rounds=5)], ignore_index=True)
    rounds = frame("grid_rounds", [
        {"grid_id": "G1", "round_ix": i, "started": t("08:00:00"), "completed": t(x)} for i, x in enumerate(["09:10:00", "09:59:00", "10:00:00"])
    ])  # fmt: skip
    # 2 of 6 and 5 of 6; the colour of a map tells done of required, so that 5 of 4 and 4 of 6 never look the same
    assert coverage.grid_rounds(two_days, rounds, town["work_grids"], None, ZONE).tolist() == [pytest.approx(3.5 / 6)]
    assert coverage.grid_rounds(two_days, rounds, town["work_grids"], 9, ZONE).tolist() == [2 / 12]  # two of twelve
    fringe = town["grid_days"].assign(completed_rounds=5, required_rounds=4)
    assert coverage.grid_rounds(fringe, rounds, town["work_grids"], None, ZONE).tolist() == [
        1.0
    ]  # a surplus is no more than all
    unasked = town["grid_days"].assign(required_rounds=pd.NA)
    assert coverage.grid_rounds(unasked, rounds, town["work_grids"], None, ZONE).isna().tolist() == [True]
    assert coverage.grid_outcomes(two_days, town["work_grids"]).tolist() == ["missed"]


def test_the_worst_sections_come_first(town):
    windows = coverage.chosen_windows(town["section_windows"], town["sections"], choice(), ZONE)
    worst = coverage.worst_sections(windows, STANDARD)
    assert worst["section_id"].tolist() == ["S0", "S1"]  # a kilometre missed before a kilometre unknown
    assert worst["km_missed"].tolist() == [1.0, 0.0]


# --- inspectors ---
def staff():
    rows = [("G1", "central", 1.0, 2.0, 1.0), ("G2", "central", 0.5, 1.0, 2.0), ("G3", "fringe", 2.5, 2.5, 1.0)]
    grids = [
        {"level": "work_grid", "area_id": a, "name": a, "zone": z, "area_km2": k, "required": r, "allocated": h, "on_duty": h, "present": h / 2,
         "gap": max(0.0, r - h), "verdict": "short" if r > h else "enough"} for a, z, k, r, h in rows
    ]  # fmt: skip
    return frame("density", grids).assign(day=DAY)


def test_staff_by_zone_and_a_surplus_that_fills_no_other_gap():
    zones = density.by_zone(staff(), STANDARD).set_index("zone")
    assert zones.loc["central", ["required", "allocated", "gap", "gap_within"]].tolist() == [3.0, 3.0, 0.0, 1.0]
    assert zones.loc["all", ["areas", "required", "allocated", "gap", "gap_within"]].tolist() == [3, 5.5, 4.0, 1.5, 2.5]


def test_the_next_inspectors_and_how_much_they_save():
    # Gaps: G1 1.0, G3 1.5; the first goes to G3 (zone gap 1.5 > 1.0 at an equal step of 1), then G1, then what is left of G3.
    plan = density.placed(staff(), 5, STANDARD)
    assert plan["area_id"].tolist() == ["G3", "G1", "G3"]
    assert plan["saving"].tolist() == [1.0, 1.0, 0.5]
    assert plan["total_gap_before"].tolist() == [2.5, 1.5, 0.5]
    assert plan["total_gap_after"].tolist() == [1.5, 0.5, 0.0]
    grids = density.by_grid(plan).set_index("area_id")
    assert grids.loc["G3", ["persons", "steps", "saving"]].tolist() == [2, "1、3", 1.5]


def test_the_figures_are_those_of_the_standard():
    figures = density.figures(STANDARD).set_index("zone")
    assert figures["km2_per_person"].to_dict() == {"central": 0.5, "fringe": 1.0}
    assert figures["quote"].str.contains("平方公里").all()


def test_days_of_staff_are_averaged():
    more = staff().assign(day=date(2026, 3, 19), on_duty=[3.0, 2.0, 1.0])
    mean = density.daily_mean(pd.concat([staff(), more], ignore_index=True)).set_index("area_id")
    assert mean.loc["G1", "on_duty"] == 2.0
    assert mean.loc["G1", "verdict"] == "short"


# --- satellites ---
def test_png_holds_the_pixels():
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 256, (4, 5, 9), dtype=np.uint8)
    image = Image.open(io.BytesIO(remote.png(pixels)))
    assert image.mode == "RGBA"
    assert np.array_equal(np.moveaxis(np.asarray(image), -1, 0), pixels)


def test_ndvi_wears_its_legend():
    pixels = remote.coloured(np.array([[-0.5, 0.7, np.nan]]), "ndvi")
    assert pixels[:, 0, 0].tolist() == [0xD9, 0xD0, 0xC1, 255]
    assert pixels[:, 0, 1].tolist() == [0x23, 0x84, 0x43, 255]
    assert pixels[3, 0, 2] == 0


def test_bands_make_a_picture():
    assert remote.composite({"red": 1, "nir": 2, "swir": 3}) == ("swir", "nir", "red")
    assert remote.composite({"red": 1, "green": 2, "blue": 3}) == ("red", "green", "blue")
    assert remote.kinds_of({"blue": 1}) == []


def test_a_scene_read_by_hand(tmp_path):
    """Two bands of 4 × 4 cells: NDVI (0.6 - 0.2) / 0.8 = 0.5 on the left, (0.1 - 0.3) / 0.4 = -0.5 on the right."""

    for role, left, right in (("nir", 0.6, 0.1), ("red", 0.2, 0.3)):
        cells = np.full((40, 40), left, dtype=np.float32)
        cells[:, 20:] = right
        with rasterio.open(
            tmp_path / f"{role}.tif", "w", driver="GTiff", width=40, height=40, count=1, dtype="float32", crs="EPSG:3857",
            transform=Affine(10, 0, 13565000, 0, -10, 3440000), nodata=-1,
        ) as target:  # fmt: skip
            target.write(cells, 1)

    class City:
        @staticmethod
        def resolve(written):
            return tmp_path / written

    scene = {"bands": {r: {"path": f"{r}.tif", "index": 1} for r in ("nir", "red")}, "nodata": None}
    image = np.asarray(Image.open(io.BytesIO(remote.scene_image(City, scene, "ndvi"))))
    assert image[20, 5].tolist() == [0x78, 0xC6, 0x79, 255]  # 0.4 … 0.6
    assert image[20, 35].tolist() == [0xD9, 0xD0, 0xC1, 255]  # below 0
    west, south, east, north = remote.scene_bounds(City, scene)
    assert (east - west) == pytest.approx(400 / 6378137 * 180 / np.pi, rel=1e-6)
    assert south < north


# --- rounds of work grids ---
def grid_days():
    """Two days: G1 6 of 6, then 4 of 6; G2 5 of 4 twice; G3 unknown 0 of 4, then excused 1 of 4; G4 no rule."""
    rows = [
        ("G1", 6, 6, "covered", 0), ("G2", 4, 5, "covered", 0), ("G3", 4, 0, "unknown", 300_000), ("G4", None, 0, "no_rule", 0),
        ("G1", 6, 4, "missed", 200_000), ("G2", 4, 5, "covered", 0), ("G3", 4, 1, "excused", 0), ("G4", None, 0, "no_rule", 0),
    ]  # fmt: skip
    days = pd.DataFrame(rows, columns=["grid_id", "required_rounds", "completed_rounds", "outcome", "never_mm"])
    days = days.assign(day=[date(2026, 3, 17)] * 4 + [date(2026, 3, 18)] * 4, patrollable_mm=1_000_000)
    return days.astype({"required_rounds": "Int64"})


GRIDS = pd.DataFrame(
    {"grid_id": ["G1", "G2", "G3", "G4"], "name": ["甲", "乙", "丙", "丁"], "unit_id": ["U1", "U1", "U2", None]}
)


def test_rounds_lacking_are_added_by_grid_and_a_surplus_fills_nothing():
    days = planner_rounds.judged(grid_days(), GRIDS, "")
    assert days["lacking"].tolist() == [0, 0, 0, 2, 0, 0]  # of the unknown nothing is known to lack; G4 has no rule
    one = coverage.total(days, STANDARD)
    assert one[["windows", "covered", "missed", "unknown", "excused"]].tolist() == [6, 3, 1, 1, 1]
    assert (one["rate_low"], one["rate_high"]) == (3 / 5, 4 / 5)  # grids of the same length
    behind = planner_rounds.furthest_behind(days)
    assert behind[["grid_id", "lacking", "done", "required", "outcome"]].to_numpy().tolist() == [
        ["G1", 2, 4, 6, "missed"], ["G3", 0, 0, 4, "unknown"],
    ]  # fmt: skip
    assert planner_rounds.judged(grid_days(), GRIDS, "U2")["grid_id"].tolist() == ["G3", "G3"]


def test_rounds_by_the_hour_of_completion():
    done = frame("grid_rounds", [
        {"grid_id": g, "round_ix": i, "started": t("08:00:00"), "completed": t(x)}
        for i, (g, x) in enumerate([("G1", "09:10:00"), ("G1", "09:59:59"), ("G2", "11:00:00"), ("G9", "12:00:00")])
    ])  # fmt: skip
    by_hour = planner_rounds.by_hour(done, {"G1", "G2"}, 2, ZONE)
    assert by_hour.to_dict() == {9: 1.0, 10: 0.0, 11: 0.5}
    assert len(planner_rounds.by_hour(done, {"G3"}, 1, ZONE)) == 0


def test_legends_of_rounds_and_persons_have_english_units():
    for measure in ("density_required", "density_gap"):
        classes = MEASURES[measure].layer.classes
        assert [c.zh for c in classes if "人" not in c.zh] == []
        assert [c.en for c in classes if not c.en.endswith("persons")] == []
    assert [c.en for c in MEASURES["grid_rounds"].layer.classes] == [
        "< 25%",
        "25% – 50%",
        "50% – 75%",
        "75% – 100%",
        "≥ 100%",
    ]
