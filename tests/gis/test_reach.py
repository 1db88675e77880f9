"""What a silent person can have patrolled, given where they were last heard and heard again: counted by hand."""

import numpy as np
import pytest
from hand_network import X0, Y0, Sec, Seg, make_network
from hypothesis import given
from hypothesis import strategies as st

from gis.answerable import answer_rows
from gis.calendar import windows_of
from gis.crew import Carry, Crew, Person, with_fixes
from gis.model import Fixes, Mode
from gis.reach import confined_reach
from layers.standard_files import load_standard

STANDARD = load_standard("xiangshan-2019")
NETWORK = make_network(
    [Sec("A", "road-a", "main", "road.main"), Sec("D", "road-d", "branch", "road.branch")],
    [Seg("a1", "A", (3000, 0), (3400, 0), (0, 400)), Seg("d1", "D", (0, 0), (0, 400), (0, 400))],
)
HOUR = 3_600_000
WATCH = ((0, 2 * HOUR),)


def crew(*devices: str) -> Crew:
    person = Person("p1", "张三", "squad_member", "", "", WATCH, WATCH, WATCH, ())
    carries = tuple(Carry(d, 0, 0, 24 * HOUR, int(Mode.EBIKE)) for d in devices)
    return Crew(0, 24 * HOUR, (person,), carries, (), index={"p1": 0})


def fixes(*rows: tuple[str, int, float, float]) -> Fixes:
    """Rows: device, seconds, metres east and north of the town's origin; sorted by device and time."""
    devices = tuple(sorted({r[0] for r in rows}))
    n = len(rows)
    return Fixes(
        device_ix=np.array([devices.index(r[0]) for r in rows], dtype=np.int32),
        t_ms=np.array([r[1] * 1000 for r in rows], dtype=np.int64),
        x=np.array([X0 + r[2] for r in rows]),
        y=np.array([Y0 + r[3] for r in rows]),
        flags=np.zeros(n, np.uint16),
        track_ix=np.zeros(n, np.int32),
        devices=devices,
        mode=np.full(len(devices), int(Mode.EBIKE), np.int8),
    )


def minute_by_minute(
    device: str, start_s: int, end_s: int, x: float, y: float = 0.0
) -> list[tuple[str, int, float, float]]:
    return [(device, t, x, y) for t in range(start_s, end_s + 1, 60)]


def reach(who: Crew) -> tuple[list[int], list[int]]:
    """Reach in mm without and with the ways, of sections A and D in the window of the first hour."""
    windows = [windows_of([(0, HOUR)], None, remainder_share=0.5)]
    entries = [((0, 0, 2 * HOUR),)] * 2
    answer = answer_rows(who, STANDARD, entries, [0, 0], windows)
    rows = np.arange(2)
    confined = confined_reach(
        answer, NETWORK, who, STANDARD, entries, [0, 0], windows, rows=rows, section_of_row=rows, window_of_row=np.zeros(2, np.int64)
    )  # fmt: skip
    return answer.reach_mm.tolist(), confined.tolist()


def test_ways_to_and_from_a_section_counted_by_hand():
    # Heard at (2050, 0) until 1,200 s and again at (1050, 0) from 1,800 s: silent for 600 s, at 6,944 mm/s at most.
    heard = minute_by_minute("d", 0, 1200, 2050) + minute_by_minute("d", 1800, 7200, 1050)
    free, confined = reach(with_fixes(crew("d"), fixes(*heard), STANDARD))
    assert free == [600 * 6944, 600 * 6944]
    # D lies at x = 0: 2,000 m there (50 m are allowed for the error) are 288.018 s, 1,000 m back are 144.009 s: 167.973 s are left.
    # A begins at x = 3,000: 900 m are 129.608 s, 1,900 m back are 273.617 s: 196.775 s are left.
    assert confined == [196_775 * 6944 // 1000, 167_973 * 6944 // 1000]


def test_who_could_not_get_there_patrolled_nothing_there():
    heard = minute_by_minute("d", 0, 1200, 9000) + minute_by_minute("d", 1500, 7200, 9000)
    _, confined = reach(with_fixes(crew("d"), fixes(*heard), STANDARD))
    assert confined == [0, 0]  # 300 s; A is 5,550 m away, 800 s


def test_an_unknown_end_confines_nothing():
    # Heard only until 1,200 s at (50, 0), next to D: nobody knows where he was at the end, so only the way there is taken off.
    _, confined = reach(with_fixes(crew("d"), fixes(*minute_by_minute("d", 0, 1200, 50)), STANDARD))
    # To A, which begins 2,950 m away: 2,900 m are 417.626 s.
    assert confined == [(2_400_000 - 417_626) * 6944 // 1000, 2400 * 6944]
    _, confined = reach(with_fixes(crew("d"), fixes(*minute_by_minute("d", 5000, 7200, 9000)), STANDARD))
    assert confined == [
        3600 * 6944,
        3600 * 6944,
    ]  # the silence lasts until 5,000 s: all of the first hour, back in time from 9 km away


def test_the_last_of_all_phones_counts():
    # The second phone is heard until 1,320 s, 1,000 m nearer to D.
    heard = minute_by_minute("d", 0, 1200, 2050) + minute_by_minute("d", 1800, 7200, 1050)
    heard += minute_by_minute("e", 0, 1320, 1050)
    _, confined = reach(with_fixes(crew("d", "e"), fixes(*heard), STANDARD))
    assert confined[1] == (480_000 - 144_009 - 144_009) * 6944 // 1000


@given(start=st.integers(0, 30), gap=st.integers(3, 60), x=st.integers(-6000, 6000), back=st.integers(-6000, 6000))
def test_ways_only_ever_take_off(start, gap, x, back):
    heard = minute_by_minute("d", 0, start * 60, x) + minute_by_minute("d", (start + gap) * 60, 7200, back)
    free, confined = reach(with_fixes(crew("d"), fixes(*heard), STANDARD))
    assert all(0 <= c <= f for c, f in zip(confined, free, strict=True))
    near = reach(with_fixes(crew("d"), fixes(*((d, t, 0.0, y) for d, t, _, y in heard)), STANDARD))[1][1]
    assert near >= confined[1]  # who stays beside D can have patrolled it longest


def test_a_silence_keeps_its_places():
    heard = minute_by_minute("d", 0, 1200, 2050, 7) + minute_by_minute("d", 1800, 7200, 1050)
    (silence,) = with_fixes(crew("d"), fixes(*heard), STANDARD).silences[0]
    assert (silence.start_ms, silence.end_ms) == (1_200_000, 1_800_000)
    assert silence.left == (1_200_000, pytest.approx(X0 + 2050), pytest.approx(Y0 + 7))
    assert silence.back == (1_800_000, pytest.approx(X0 + 1050), pytest.approx(Y0))
