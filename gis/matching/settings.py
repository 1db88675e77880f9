"""Settings of map matching, with the reason for every default."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MatchSettings:
    """How fixes are matched. Triples are per Mode: foot, e-bike, vehicle.

    Attributes:
        oneway_binds: which modes obey one-way streets.
        candidates: at most so many segments are considered for a fix.
        near_m: candidates are sought within this distance; where a fix has none, within `far_m`.
        far_m: beyond this distance from every segment a fix is left out.
        sigma_m: expected noise of a fix across the street, where a track is too short to tell.
        sigma_floor_m, sigma_cap_m: limits of the noise that is estimated per track.
        sigma_prior: weight of `sigma_m` in the estimate, in fixes.
        beta_m, beta_sigma, beta_share: a route longer than the straight line by max(beta_m, beta_sigma × noise) + beta_share × straight
            line costs one nat.
        short: weight of what a route lacks to the straight line (1 as dear as what it is longer; 0 free; -1 every metre is charged).
        huber: beyond so many sigmas a fix counts linearly, not squared (outliers).
        uturn_m: turning round in a street costs as much as this detour.
        back_m: moving back by less than this in a street is noise, not a turn.
        speed_mps: routes that need a higher speed are charged.
        table_m: bound of the table of shortest paths; what lies farther is searched.
        search_factor, search_m: longest route that is searched: factor × straight line + search_m.
        seen_gap_s, seen_factor: a stretch is seen where the gap between fixes is at most
            max(seen_gap_s, seen_factor × the device's median interval) …
        unique_m, unique_share: … and no other way between them is longer by less than unique_m + unique_share × its length.
        beam: histories that are dearer than the best by so many nats are given up, and candidates likewise.
        margin: pairs dearer than the best by less than so many nats are kept for the confidence.
        pass_s: a pass that lasts longer is cut at a fix, so that times inside it stay true.
        near_sigma, near_s: a fix is left out that lies nearer to the one before than near_sigma × (noise of the track - sigma_floor_m)
            and comes within near_s of it; 0 keeps all.
    """

    oneway_binds: tuple[bool, bool, bool] = (False, False, True)
    candidates: int = 12
    near_m: float = 50.0
    far_m: float = 200.0
    sigma_m: float = 8.0
    sigma_floor_m: float = 4.0
    sigma_cap_m: float = 40.0
    sigma_prior: float = 8.0
    beta_m: float = 2.5
    beta_sigma: float = 0.4
    beta_share: float = 0.0
    short: float = 0.0
    huber: float = 4.0
    uturn_m: float = 10.0
    back_m: float = 30.0
    speed_mps: tuple[float, float, float] = (6.0, 15.0, 40.0)
    table_m: float = 1000.0
    search_factor: float = 3.0
    search_m: float = 1500.0
    seen_gap_s: float = 120.0
    seen_factor: float = 3.0
    unique_m: float = 10.0
    unique_share: float = 0.1
    beam: float = 14.0
    margin: float = 4.0
    pass_s: float = 300.0
    near_sigma: float = 2.0
    near_s: float = 30.0


# Fixes a kilometre and more apart: a fix may lie far off, the way between two is chosen by length and class, and what would be a long
# detour is left out. Found on 23 taxi tracks of Beijing (docs/performance.md).
SPARSE = MatchSettings(
    candidates=60, near_m=300.0, far_m=300.0, sigma_m=20.0, sigma_prior=50.0, sigma_floor_m=8.0, huber=1.0, beta_m=150.0, short=-0.3,
    uturn_m=1000.0, search_factor=1.3, search_m=500.0, speed_mps=(100.0, 100.0, 100.0),
)  # fmt: skip
