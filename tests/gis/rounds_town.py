"""A small town to go round: four by three blocks of 110 by 85 m and eight dead ends of 20 to 40 m, 3.25 km, one work grid."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import geopandas as gpd
import numpy as np
from hand_network import EXCEPTIONS, Sec, Seg, frame, make_network, ms
from shapely.geometry import box

from gis.degrade import Degradation, degrade
from gis.matching import Matcher
from gis.model import Mode
from gis.rehearsal import SPEED_MPS, _crew, match
from gis.rounds import grid_rounds
from gis.simulate import Patroller, Task, simulate
from layers.standard_files import load_standard

DAY, ZONE = date(2026, 3, 18), ZoneInfo("Asia/Shanghai")
STANDARD = load_standard("xiangshan-2019")
GRIDS = gpd.GeoDataFrame(
    {"grid_id": ["G"], "name": ["G"], "level": ["central"], "town_id": ["T1"], "unit_id": ["squad-1"]},
    geometry=[box(121, 29, 122, 30)], crs=4326,
)  # fmt: skip
NONE = frame(EXCEPTIONS)


def town(columns=4, rows=3, width=110.0, depth=85.0):
    corners = [(i * width, j * depth) for i in range(columns + 1) for j in range(rows + 1)]
    lines = [((x, y), (x + width, y)) for x, y in corners if x < columns * width - 1]
    lines += [((x, y), (x, y + depth)) for x, y in corners if y < rows * depth - 1]
    rng = np.random.default_rng(0)
    for n in range(8):
        x, y = corners[int(rng.integers(0, len(corners)))]
        side = float(rng.choice([20, 30, 40])) * 0.7
        lines.append(((x, y), (x + side * (1 if n % 2 else -1), y + side)))
    lengths = [float(np.hypot(b[0] - a[0], b[1] - a[1])) for a, b in lines]
    names = [f"来薰路{k}" for k in range(len(lines))]
    return make_network(
        [Sec(f"s{k}", names[k], "branch", "road.branch", grid="G") for k in range(len(lines))],
        [Seg(f"e{k}", f"s{k}", a, b, (0, lengths[k])) for k, (a, b) in enumerate(lines)],
    )


NETWORK = town()
MATCHER = Matcher(NETWORK.graph)


def judged(passes, crew, standard=STANDARD):
    found = grid_rounds(NETWORK, passes, crew, standard, DAY, ZONE, work_grids=GRIDS, exceptions=NONE)
    return found.grid_days.iloc[0]


def gone_round(times, *, interval_s, noise_m, seed, mode=Mode.FOOT, share=1.0):
    """What was true and what the audit says of a grid gone round so often by one collector, from 07:00; `share` of the streets."""
    rng = np.random.default_rng(seed)
    count = NETWORK.graph.segment_count
    task = Task(ms("2026-03-18 07:00"), ms("2026-03-18 20:00"), np.arange(round(share * count)), times)
    patrollers = [Patroller("R0", mode, SPEED_MPS[mode], (task,), stop_share=0.02)]
    moved = simulate(NETWORK.graph, patrollers, rng=rng)
    crew = _crew(patrollers, [("R0", "collector", "work_grid", "G")], STANDARD, DAY, ZONE)
    seen = degrade(NETWORK.graph, moved, Degradation(interval_s=interval_s, noise_m=noise_m, jitter_share=0.1), rng=rng)
    passes, heard = match(NETWORK, MATCHER, seen, crew, STANDARD)
    return judged(moved.passes, crew), judged(passes, heard), passes, heard
