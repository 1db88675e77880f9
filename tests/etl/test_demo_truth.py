"""The sample county audited as an office does, held against what its generator knows: who is called missed was not patrolled."""

from __future__ import annotations

import pytest

from etl.evaluate_demo import true_windows
from etl.load import load_city
from etl.pipeline import audit_days
from etl.sample.write import DEFAULT_DAY, write_sample_county
from layers.city import load_city_file
from layers.store import open_store


@pytest.mark.slow
def test_missed_is_right_and_rates_hold_the_truth(tmp_path):
    root = write_sample_county(tmp_path / "county").parent
    city = load_city_file(root / "city.toml")
    store = open_store(city.store_url, timezone=city.timezone)
    store.prepare()
    load_city(city, store)
    (run,) = audit_days(city, store, [DEFAULT_DAY])
    called, true = store.result(run.run_id, "section_windows"), true_windows(city, store, root)
    store.close()
    key = ["section_id", "window_ix"]
    both = called[[*key, "outcome"]].merge(true[[*key, "outcome"]], on=key, suffixes=("", "_true"))
    assert len(both) == len(called) == len(true)
    both = both[both["outcome_true"] != "excused"]
    missed, covered = both[both["outcome"] == "missed"], both[both["outcome"] == "covered"]
    found = (missed["outcome_true"] == "missed").sum()
    assert found / len(missed) >= 0.98
    assert found / (both["outcome_true"] == "missed").sum() >= 0.2  # 19 of 74 when this was written
    assert (covered["outcome_true"] == "covered").mean() >= 0.99
    asked = both[both["outcome"] != "excused"]
    low, high = (asked["outcome"] == "covered").mean(), asked["outcome"].isin(["covered", "unknown"]).mean()
    assert low <= (asked["outcome_true"] == "covered").mean() <= high
