"""What the data can support: the probability that a window was truly covered, and which calls it is too poor to make.

A call of *missed* rests on not having seen something. With fixes two minutes apart, or thirty metres off, a patrol is easily not seen;
the more so the shorter the section. So each window gets the probability p that it was truly covered, from a logistic model for each call
over a few features of its data (`features`), fitted on simulated days with known truth and made monotone and honest by isotonic regression
(Zadrozny & Elkan 2002) on days that the model predicted without having seen them. A *missed* with p above `doubt_missed`, and a *covered*
with p below `doubt_covered`, is *unknown*; a limit may be milder where the matcher was sure of its streets (`Doubt`).

Windows for which nobody answered have models of their own (`unit_models`), fitted on days on which nobody is named, or no roster known.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit

from gis.pace import pace
from gis.parallel_streets import BESIDE_M
from gis.sentences import SENTENCES, UNIT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy.typing as npt

    from gis.crew import Crew
    from gis.model import Passes

FEATURES = (
    "one", "reached", "reached_high", "reached_full", "gap", "doubt", "gap_reached", "doubt_reached", "gap_doubt", "gap_2", "raw", "fast",
    "nothing", "unheard", "fast_doubt", "fast_gap", "nothing_gap", "nothing_doubt", "unheard_reached", "some_unheard", "doubt_2", "gap_3",
    "gap_2_reached", "doubt_2_reached", "some_reached", "jitter", "jitter_reached", "jitter_fast", "jitter_nothing",
    *(f"beside_{m:g}" for m in BESIDE_M),
)  # fmt: skip
CALLS = ("covered", "missed", "unknown")
_SPARSE_S, _RIDGE, _JITTER_MS, _SAME = 5.0, 1.0, 60_000, 1e-9

_DIGITS = 9  # a sum of products differs in its last bit with the number of rows; a window must not know how many others there are


@dataclass(frozen=True, slots=True)
class CallModel:
    """One call's model: weights of FEATURES, then a polyline from its output to the probability."""

    weights: tuple[float, ...]
    raw: tuple[float, ...]
    calibrated: tuple[float, ...]

    def probability(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Probability of truly covered, of rows of features (N, len(FEATURES))."""
        out: npt.NDArray[np.float64] = np.interp(expit(x @ np.array(self.weights)), self.raw, self.calibrated)
        return out


@dataclass(frozen=True, slots=True)
class Doubt:
    """The limit of p beyond which a call is not made, by the feature `doubt` of its window: how sure the matcher was, in nines.

    Attributes:
        limit: where it was less sure than `sure`.
        sure: mean of -log10(1 - confidence) over the stretches of those who answer (see `device_quality`).
        limit_sure: where it was at least that sure.
    """

    limit: float
    sure: float = np.inf
    limit_sure: float = np.nan

    def at(self, sure: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The limit of every window, from its `doubt`."""
        out: npt.NDArray[np.float64] = np.where(sure >= self.sure, self.limit_sure, self.limit)
        return out


@dataclass(frozen=True, slots=True)
class CalibrationTable:
    """A fitted calibration with where it comes from.

    Attributes:
        version: its name.
        fitted_on: days, in words.
        doubt_missed, doubt_covered: limits of p.
        models: by call, of windows for which somebody answered.
        unit_models: by call, of windows for which nobody did; none: they go by `models`.
        unit_fitted_on: days of these, in words.
    """

    version: str
    fitted_on: str
    doubt_missed: Doubt
    doubt_covered: Doubt
    models: Mapping[str, CallModel]
    unit_models: Mapping[str, CallModel] = field(default_factory=dict)
    unit_fitted_on: str = ""

    def models_of(self, *, unit: bool) -> Mapping[str, CallModel]:
        """The models of windows for which nobody answered, or somebody."""
        return self.unit_models if unit and self.unit_models else self.models


# --- quality of the data ---
def device_quality(passes: Passes) -> npt.NDArray[np.float64]:
    """Quality of the data of each device, float64 (D, 3); NaN for devices without passes.

    Columns: time between the fixes that were matched (s, median over the joints of consecutive passes, but for those where both rest on
    one fix, the way turning back there: 0 where there are no others); how sure its stretches are (mean of
    -log10(1 - confidence), by length, at most 6: small where the matcher is unsure); jitter (how far the way of a pass departs from what
    the speed of the minute about it would give, as a share of the way: large where noise, not movement, makes the speed).
    """
    n = len(passes.devices)
    out = np.full((n, 3), np.nan)
    if not len(passes.segment_ix):
        return out
    passes = _in_order(passes)
    owner, between = _joints(passes)
    out[np.unique(owner), 0] = 0.0
    apart = between > 0
    medians = pd.Series(between[apart]).groupby(owner[apart]).median()
    out[medians.index.to_numpy(dtype=np.int64), 0] = medians.to_numpy()
    way = np.abs(passes.to_mm.astype(np.int64) - passes.from_mm)
    length = way.astype(np.float64) + 1
    nines = np.minimum(-np.log10(np.maximum(1 - passes.confidence.astype(np.float64), 1e-6)), 6.0)
    moved, took = pace(passes, over_ms=_JITTER_MS)
    off = np.abs(way - moved * ((passes.leave_ms - passes.enter_ms) / np.maximum(took, 1)))
    total = np.bincount(passes.device_ix, weights=length, minlength=n)
    some = total > 0
    for column, weights in ((1, length * nines), (2, off)):
        out[some, column] = np.bincount(passes.device_ix, weights=weights, minlength=n)[some] / total[some]
    return out


def _joints(passes: Passes) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Where one pass of a track goes on into the next: device, and seconds from the fix before to the fix after."""
    device, track = passes.device_ix, passes.track_ix
    joint = (np.diff(device) == 0) & (np.diff(track) == 0) & (passes.enter_ms[1:] == passes.leave_ms[:-1])
    return device[1:][joint], (passes.last_fix_ms[:-1] - passes.first_fix_ms[1:])[joint] / 1000


def _in_order(passes: Passes) -> Passes:
    """Passes by device and time; those of a device at the same time by all else, so that the order they came in does not matter."""
    device, enter, leave = passes.device_ix, passes.enter_ms, passes.leave_ms
    same, later = np.diff(device) == 0, np.diff(enter)
    if ((np.diff(device) > 0) | (same & ((later > 0) | ((later == 0) & (np.diff(leave) > 0))))).all():
        return passes
    p = passes
    keys = (
        p.confidence,
        p.seen,
        p.last_fix_ms,
        p.first_fix_ms,
        p.to_mm,
        p.from_mm,
        p.segment_ix,
        p.track_ix,
        leave,
        enter,
        device,
    )
    rows = np.lexsort(keys)
    columns = {f.name: getattr(p, f.name) for f in fields(p)}
    return replace(p, **{n: c[rows] for n, c in columns.items() if n not in {"devices", "mode"}})


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """Quality of a day's data, in the columns of `device_quality`.

    Attributes:
        persons: float64 (persons of the crew, 3), the best of the devices that each carried; where nothing is known of a person, the
            median of all persons; where nothing is known of any, the median of all devices.
        overall: float64 (3,), the median of the persons; of the devices where there is no roster.
        known: bool (persons,), of whom something is known.
        loose: float64 (L, 3), of the devices that nobody carried and that count.
    """

    persons: npt.NDArray[np.float64]
    overall: npt.NDArray[np.float64]
    known: npt.NDArray[np.bool_]
    loose: npt.NDArray[np.float64]

    def of_entitled(self, persons: Sequence[int]) -> npt.NDArray[np.float64]:
        """Quality of those who may have patrolled where nobody answers, float64 (3,): a quarter of them are worse, column by column.

        Whose patrol was overlooked is not known, so it is not the best of them that counts.
        """
        who = np.array(persons, dtype=np.int64)
        rows = np.concatenate([self.persons[who[self.known[who]]], self.loose])
        if not len(rows):
            return self.overall
        gap, sure, jitter = (np.quantile(rows[:, i], q) for i, q in ((0, 0.75), (1, 0.25), (2, 0.75)))
        return np.array([gap, sure, jitter])


def quality_of(passes: Passes, crew: Crew) -> Quality:
    """The quality of a whole day's data."""
    quality = device_quality(passes)
    place = {d: i for i, d in enumerate(passes.devices)}
    own = np.tile(_WORST, (len(crew.persons), 1))
    for c in crew.carries:
        i = place.get(c.device_id)
        if i is not None and not np.isnan(quality[i]).any():
            own[c.person_ix] = _best(np.stack([own[c.person_ix], quality[i]]))
    known = np.isfinite(own).all(axis=1)
    typical = np.median(own[known], axis=0) if known.any() else _median(quality)
    persons = np.where(known[:, None], own, typical)
    loose = quality[[place[d.device_id] for d in crew.loose if d.device_id in place]].reshape(-1, 3)
    return Quality(
        persons, np.median(persons, axis=0) if len(persons) else _median(quality), known,
        loose[np.isfinite(loose).all(axis=1)],
    )  # fmt: skip


def _median(quality: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The median of the devices of which all is known."""
    known = np.isfinite(quality).all(axis=1)
    out: npt.NDArray[np.float64] = np.median(quality[known], axis=0) if known.any() else _TYPICAL
    return out


_WORST = np.array([np.inf, -np.inf, np.inf])
_TYPICAL = np.array([60.0, 2.0, 0.2])


def _best(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The best of several rows of quality, column by column: shortest gap, surest, least jitter."""
    out: npt.NDArray[np.float64] = np.array([rows[:, 0].min(), rows[:, 1].max(), rows[:, 2].min()])
    return out


def features(
    windows: pd.DataFrame,
    beside: npt.NDArray[np.float64],
    quality: Quality,
    crew: Crew,
    roles: Mapping[str, Collection[str]] | None = None,
) -> npt.NDArray[np.float64]:
    """Features of windows, float64 (N, len(FEATURES)).

    Args:
        windows: contract `section_windows`, as judged, `probability` still raw.
        beside: float64 (N, len(BESIDE_M)), `parallel_shares` of the section of each.
        quality: of the passes of the day.
        crew: the roster it was judged with.
        roles: whom each rule entitles, for windows for which nobody answers; None: everybody in the roster.
    """
    table = _row_quality(windows, quality, crew, roles)
    need = np.maximum(windows["required_share"].to_numpy(dtype=float), 1e-9)
    reached = np.minimum(windows["covered_share"].to_numpy(dtype=float) / need, 1.2)
    took = np.maximum(windows["needed_s"].to_numpy(dtype=float), 1.0)
    gap, sure, jitter = np.log((table[:, 0] + _SPARSE_S) / took), table[:, 1], np.minimum(table[:, 2], 2.0)
    fast = (windows["cause"].fillna("") == "too_fast").to_numpy(dtype=float)
    nothing = (windows["passes"] == 0).to_numpy(dtype=float)
    quiet = np.minimum(windows["silent_s"].to_numpy(dtype=float) / took, 10.0) / 10.0
    columns = (
        np.ones(len(windows)), reached, np.maximum(reached - 0.7, 0), np.maximum(reached - 0.95, 0), gap, sure, gap * reached,
        sure * reached, gap * sure, gap**2, windows["probability"].to_numpy(dtype=float), fast, nothing, quiet,
        fast * sure, fast * gap, nothing * gap,
        nothing * sure, quiet * reached, np.minimum(quiet * 10, 1.0), sure**2, gap**3, gap**2 * reached, sure**2 * reached,
        np.minimum(reached, 0.3), jitter, jitter * reached, jitter * fast, jitter * nothing,
    )  # fmt: skip
    return np.concatenate([np.stack(columns, axis=1), beside], axis=1)


def _row_quality(
    windows: pd.DataFrame, quality: Quality, crew: Crew, roles: Mapping[str, Collection[str]] | None
) -> npt.NDArray[np.float64]:
    """Quality of the data that each window is judged by, float64 (N, 3): the best of those who answer, else that of those entitled."""
    index = crew.index or {p.person_id: i for i, p in enumerate(crew.persons)}
    codes, names = pd.factorize(windows["person_ids"].fillna("").astype(str))
    own = [[index[p] for p in str(n).split(";") if p in index] for n in names]
    table = np.array([_best(quality.persons[rows]) if rows else quality.overall for rows in own]).reshape(-1, 3)[codes]
    nobody = np.array([not rows for rows in own], dtype=np.bool_)[codes]
    rule_of, rules = pd.factorize(windows["rule_id"])
    for i, rule in enumerate(rules):
        entitled = crew.of_roles(roles[rule]) if roles and rule in roles else list(range(len(crew.persons)))
        table[nobody & (rule_of == i)] = quality.of_entitled(entitled)
    return table


def for_nobody(windows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which windows nobody on duty answered for, bool (N,)."""
    out: npt.NDArray[np.bool_] = (windows["person_ids"].fillna("") == "").to_numpy(dtype=np.bool_)
    return out


# --- use ---
def calibrate(
    windows: pd.DataFrame,
    beside: npt.NDArray[np.float64],
    quality: Quality,
    crew: Crew,
    table: CalibrationTable,
    *,
    roles: Mapping[str, Collection[str]] | None = None,
) -> pd.DataFrame:
    """The windows with calibrated `probability`, and *unknown* (cause `unsupported`) where the data cannot support the call.

    A call by the responsible person that is the same as the call by anyone is doubted with it. Excused windows stay as they are, and so do
    those missed because nobody entitled was on duty. Arguments as those of `features`, and the table to apply.
    """
    if not len(windows):
        return windows
    out = windows.copy()
    x = features(windows, beside, quality, crew, roles)
    call, unit = windows["outcome"].to_numpy(dtype=object), for_nobody(windows)
    p = probabilities(call, x, table, unit=unit, raw=windows["probability"].to_numpy(dtype=float))
    out["probability"] = p
    certain = (windows["cause"] == "no_rostered").to_numpy(dtype=bool)  # no data would have helped
    given_up = (call == "missed") & doubted("missed", p, x, table.doubt_missed) & ~certain
    given_up |= (call == "covered") & doubted("covered", p, x, table.doubt_covered)
    same = given_up & (windows["outcome_responsible"].to_numpy(dtype=object) == call)
    out.loc[given_up, "outcome"] = "unknown"
    out.loc[same, "outcome_responsible"] = "unknown"
    out.loc[given_up, "cause"] = "unsupported"
    said = SENTENCES["unsupported"].zh
    out.loc[given_up, "missing"] = [
        (UNIT.zh if alone else "") + said.format(f"{percent:.0f}")
        for alone, percent in zip(unit[given_up].tolist(), (p[given_up] * 100).tolist(), strict=True)
    ]
    if "attribution" in out:  # a covered window that is covered no more is charged to somebody
        out.loc[given_up, "attribution"] = np.where(unit[given_up], "unit", "person")
    return out


def probabilities(
    call: npt.NDArray[np.object_],
    x: npt.NDArray[np.float64],
    table: CalibrationTable,
    *,
    unit: npt.NDArray[np.bool_],
    raw: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Probability that a window was truly covered, from its call and features; `raw` where no model speaks of the call (excused).

    Args:
        call: object (N,).
        x: float64 (N, len(FEATURES)).
        table: with the models.
        unit: bool (N,), windows for which nobody answered.
        raw: float64 (N,).
    """
    p = raw.copy()
    for alone in (False, True):
        for name, model in table.models_of(unit=alone).items():
            mine = (call == name) & (unit == alone)
            p[mine] = np.round(model.probability(x[mine]), _DIGITS)
    return p


def doubted(call: str, p: npt.NDArray[np.float64], x: npt.NDArray[np.float64], limit: Doubt) -> npt.NDArray[np.bool_]:
    """Which windows with probability p would not be called `call` (covered, missed) under a limit; `x`: their features."""
    at = limit.at(x[:, FEATURES.index("doubt")])
    return p > at if call == "missed" else p < at


# --- fit ---
def fit(
    windows: pd.DataFrame, x: npt.NDArray[np.float64], *, fold: npt.NDArray[np.int64], calls: Sequence[str] = CALLS
) -> dict[str, CallModel]:
    """Models from windows whose truth is known.

    The weights are those of all days; the isotonic correction is that of predictions for each day by a model of the others, so that every
    day corrects and none corrects itself.

    Args:
        windows: columns call and truth (covered, missed).
        x: their features.
        fold: int64 (N,), windows that are left out together: the simulated day.
        calls: of which to fit models.
    """
    truth: npt.NDArray[np.float64] = np.asarray(windows["truth"] == "covered", dtype=np.float64)
    call = windows["call"].to_numpy(dtype=object)
    models = {}
    for name in calls:
        mine = np.flatnonzero(call == name)
        p = np.zeros(len(mine))
        for day in np.unique(fold[mine]):
            out = fold[mine] == day
            p[out] = expit(x[mine[out]] @ _logistic(x[mine[~out]], truth[mine[~out]]))
        weights = _logistic(x[mine], truth[mine])
        models[name] = CallModel(
            *(
                tuple(float(f"{v:.{n}g}") for v in a)
                for a, n in zip((weights, *isotonic(p, truth[mine])), (7, 5, 5), strict=True)
            )
        )
    return models


def _logistic(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ridge logistic regression on standardised features; weights of the features as they are. The first feature is the constant 1."""
    middle, scale = x.mean(axis=0), x.std(axis=0)
    same = scale < _SAME
    middle[same], scale[same] = 0.0, 1.0
    z = (x - middle) / scale

    def loss(w: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        to = z @ w
        value = float(np.logaddexp(0, to).sum() - y @ to + _RIDGE * w @ w / 2)
        return value, z.T @ (expit(to) - y) + _RIDGE * w

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    weights: npt.NDArray[np.float64] = found.x / scale
    weights[0] -= weights @ middle
    return weights


def isotonic(
    p: npt.NDArray[np.float64], y: npt.NDArray[np.float64], *, least: int = 60
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """A rising polyline from p to the share of y: pool adjacent violators over groups of at least `least` rows, Laplace's rule in each.

    Returns:
        knots (K,) strictly rising from 0 to 1, and the probabilities there.
    """
    order = np.argsort(p, kind="stable")
    groups = np.array_split(order, max(1, len(p) // least))
    blocks: list[list[float]] = []  # weight, sum of p, sum of y
    for g in groups:
        blocks.append([len(g), float(p[g].sum()), float(y[g].sum())])
        while len(blocks) > 1 and blocks[-2][2] * blocks[-1][0] >= blocks[-1][2] * blocks[-2][0]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    knots = [b[1] / b[0] if b[0] else 0.5 for b in blocks]
    shares = [(b[2] + 1) / (b[0] + 2) for b in blocks]
    x = np.array([0.0, *knots, 1.0])
    v = np.maximum.accumulate(np.array([shares[0], *shares, shares[-1]]))
    keep = np.r_[True, np.diff(x) > 1e-9]  # noqa: PLR2004 (equal knots)
    return x[keep], v[keep]
