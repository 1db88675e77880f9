"""Rounds in the manager's table: done of required, at most, never visited, last round at; counted by hand."""

import pandas as pd
import pytest

from dashboards.cells import rounds_words
from dashboards.desk_manager import Choice, audit_table
from dashboards.sentences import lacking_words, missing_words
from dashboards.tally import base_of
from layers.standard_files import load_standard

STANDARD = load_standard("xiangshan-2019")
T = pd.Timestamp("2026-03-18 08:00", tz="UTC")
ROWS = [
    # grid, squad, outcome, required, seen, likely, at most, never mm, last round
    ("G1", "U1", "covered", 6, 8, 8, 9, 0, T),
    ("G2", "U1", "unknown", 6, 5, 6, 7, 120_000, T + pd.Timedelta(hours=2)),
    ("G3", "U2", "missed", 4, 0, 0, 1, 700_000, pd.NaT),
    ("G4", "U2", "excused", 4, 0, 0, 0, 0, pd.NaT),
]


@pytest.fixture
def base():
    columns = ["grid_id", "unit_id", "outcome", "required_rounds", "completed_rounds", "likely_rounds", "possible_rounds", "never_mm",
               "last_completed"]  # fmt: skip
    frame = pd.DataFrame(ROWS, columns=columns).assign(
        rule_id="grid.rounds.central", grid_name=lambda f: f["grid_id"], patrollable_mm=5_000_000, open_share=0.5,
        probability=0.4, cause="partial", missing="第 6 轮走到 50.0%，缺 来薰路 412 米、锦溪路 292 米", town_id="T1",
    )  # fmt: skip
    return base_of("rounds", frame)


def test_a_grid_shows_its_rounds_and_never_one_window_done_or_not(base):
    table = audit_table(base, Choice(kind="rounds", level="grid"), STANDARD)
    names = [c.name for c in table.columns]
    assert "windows" not in names
    rows = table.frame.set_index("key")
    shown = ["required_rounds", "completed_rounds", "likely_rounds", "possible_rounds"]
    assert rows.loc["G1", shown].tolist() == [6, 8, 8, 9]
    assert rows.loc["G2", shown].tolist() == [6, 5, 6, 7]
    assert (rows.loc["G2", "rate_rounds_low"], rows.loc["G2", "rate_rounds_high"]) == (
        5 / 6,
        1.0,
    )  # seven of six are six
    assert rows.loc["G1", "rate_rounds_low"] == 1.0
    # worst first; five of six and none of four do not rank alike; nothing is asked of the excused one
    assert table.frame["key"].tolist() == ["G3", "G2", "G1", "G4"]
    assert rows["rank"].tolist()[:3] == [3, 2, 1]
    assert rows.loc["G2", "missing"].startswith("第 6 轮走到 50.0%")


def test_a_squad_adds_up_grids_each_up_to_what_it_owes(base):
    rows = audit_table(base, Choice(kind="rounds", level="squad"), STANDARD).frame.set_index("key")
    shown = ["required_rounds", "completed_rounds", "possible_rounds"]
    assert rows.loc["U1", shown].tolist() == [12, 11, 12]  # eight of six are six
    assert rows.loc["U2", shown].tolist() == [4, 0, 1]  # the excused grid is in no sum
    assert rows.loc["U1", "rate_rounds_low"] == pytest.approx(11 / 12)
    assert (rows.loc["U1", "never_mm"], rows.loc["U1", "last_completed"]) == (120_000, T + pd.Timedelta(hours=2))


def test_runs_of_earlier_versions_know_no_upper_bound(base):
    old = base.drop(columns=["possible_rounds", "likely_rounds", "probability", "missing", "last_completed"])
    rows = audit_table(old, Choice(kind="rounds", level="squad"), STANDARD).frame.set_index("key")
    assert rows.loc["U1", "completed_rounds"] == 11
    assert pd.isna(rows.loc["U1", "rate_rounds_high"])
    assert rounds_words(5, None, 6) == "5 / 6"


def test_words_of_rounds_in_both_languages():
    assert rounds_words(5, 7, 6) == "5 – 7 / 6"
    assert rounds_words(6, 6, 6) == "6 / 6"
    assert rounds_words(2, 2, pd.NA) == "2 / —"
    said = "第 4 轮走到 93.7%，缺 来薰路 412 米、锦溪路 292 米。责任人在岗失联 25 分钟。最多可能 6 轮，无法判定。完成规定轮次的把握为 41%"
    assert missing_words(said, "en") == (
        "Round 4 came to 93.7%, lacking 来薰路 412 m, 锦溪路 292 m. Those who answer were silent on duty for 25 min. "
        "6 rounds possible at most: undecided. Probability that the required rounds were completed: 41%"
    )
    more = "第 1 轮走到 20.0%，缺 来薰路 1.20 公里、锦溪路 292 米、无名路 60 米 等，共 5 条路 1.61 公里"
    assert missing_words(more, "en") == (
        "Round 1 came to 20.0%, lacking 来薰路 1.20 km, 锦溪路 292 m, unnamed road 60 m and others, 5 streets in all, 1.61 km"
    )
    assert lacking_words('[["来薰路",412000],["",60000]]', "zh") == "来薰路 412 米、无名路 60 米"
