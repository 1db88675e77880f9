"""A stored day played into a scratch store: the virtual clock, what is known at each moment, and the end like an ordinary audit."""

import pandas as pd
import pyarrow.compute as pc
import pytest
from small_city import DAY, opened, walk, write

from etl.pipeline import audit_days
from etl.replay import replay_day
from gis.errors import ImpossibleError, SettingsError
from layers.contracts import TABLES
from layers.store import open_store

RESULTS = [t.name for t in TABLES.values() if t.kind == "result"]


class StopError(Exception):
    """The machine went off."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Four streets walked all morning, one by nobody; loaded and audited."""
    city = write(
        tmp_path_factory.mktemp("source"), positions1=pd.concat([walk(i) for i in range(4)], ignore_index=True)
    )
    store = opened(city)
    (run,) = audit_days(city, store, [DAY])
    yield city, store, run
    store.close()


def moment(store):
    """The virtual moment: the newest load of the source `replay`."""
    return int(store.manifests()[0].record.path.partition(" ")[2])


def test_a_day_played_and_interrupted_ends_like_an_ordinary_audit(source, tmp_path):
    city, store, run = source
    into = f"embedded:{tmp_path / 'scratch'}"
    waits = []

    def stop(seconds):
        waits.append(seconds)
        if len(waits) == 20:
            raise StopError

    def play(sleep):
        replay_day(city, store, DAY, speed=600.0, into=into, step_s=600, follow_every_s=600, sleep=sleep)

    with pytest.raises(StopError):
        play(stop)
    # 600 virtual seconds a step at 600x: step k is due after k seconds, and these waits take no time
    assert all(0 < s <= k for k, s in enumerate(waits, start=1))
    scratch = open_store(into, timezone=city.timezone)
    half, everything = scratch.positions.scan(DAY), store.positions.scan(DAY)
    now = moment(scratch)
    known = everything.filter(pc.less_equal(everything["arrived_ms"], now))
    assert half.equals(known)
    assert 0 < len(known) < len(everything)
    assert scratch.current_run(DAY) is None  # nothing was audited yet,
    assert 0 < scratch.live(DAY).positions <= len(known)  # and yet it is known who patrolled what
    play(lambda _: None)  # goes on where it was
    assert moment(scratch) > now
    assert scratch.positions.scan(DAY).equals(everything)
    end = scratch.current_run(DAY)
    assert end.run_id == run.run_id
    assert scratch.live(DAY) is None  # the audit has taken its place
    for table in RESULTS:
        pd.testing.assert_frame_equal(
            scratch.result(end.run_id, table), store.result(run.run_id, table), check_exact=True
        )
    scratch.close()
    with pytest.raises(ImpossibleError, match="played to its end"):
        play(lambda _: None)


def test_a_replay_killed_between_the_last_batch_and_the_audit_is_ended_by_the_same_command(
    source, tmp_path, monkeypatch
):
    city, store, run = source
    into = f"embedded:{tmp_path / 'scratch'}"

    def play():
        replay_day(city, store, DAY, speed=600.0, into=into, step_s=600, follow_every_s=600, sleep=lambda _: None)

    def killed(*_, **__):
        raise StopError

    with monkeypatch.context() as patched:
        patched.setattr("etl.replay.audit_days", killed)
        with pytest.raises(StopError):
            play()
    play()
    scratch = open_store(into, timezone=city.timezone)
    assert scratch.current_run(DAY).run_id == run.run_id
    scratch.close()


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_must_be_above_zero(source, tmp_path, speed):
    city, store, _ = source
    with pytest.raises(SettingsError, match="above zero"):
        replay_day(city, store, DAY, speed=speed, into=f"embedded:{tmp_path / 'scratch'}")


def test_only_an_empty_store_is_scratch(source):
    city, store, _ = source
    with pytest.raises(SettingsError, match="must not be the source"):
        replay_day(city, store, DAY, speed=60.0, into=city.store_url)


def test_a_store_that_holds_a_county_is_not_overwritten(source, tmp_path):
    city, store, _ = source
    other = write(tmp_path, positions1=walk(0))
    opened(other).close()
    with pytest.raises(SettingsError, match="holds something else"):
        replay_day(city, store, DAY, speed=60.0, into=other.store_url)
    with pytest.raises(ImpossibleError, match="holds no positions"):
        replay_day(city, store, DAY.replace(year=2025), speed=60.0, into=f"embedded:{tmp_path / 'scratch'}")
