"""What the data can support: the probability that a window was truly covered, and which calls it is too poor to make.

A call of *missed* rests on not having seen something. With fixes two minutes apart, or thirty metres off, a patrol is easily not seen;
the more so the shorter the section. So each window gets the probability p that it was truly covered, from a logistic model for each call
over a few features of its data (`features`), fitted on simulated days with known truth and made monotone and honest by isotonic regression
(Zadrozny & Elkan 2002) on other days. A *missed* with p above `doubt_missed`, and a *covered* with p below `doubt_covered`, is *unknown*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from gis.crew import Crew
    from gis.model import Passes

Floats = Any  # npt.NDArray[np.float64]
FEATURES = (
    "one", "reached", "reached_high", "reached_full", "gap", "doubt", "gap_reached", "doubt_reached", "gap_doubt", "gap_2", "raw", "fast",
    "nothing", "unheard",
)  # fmt: skip
CALLS = ("covered", "missed", "unknown")
_SPARSE_S, _RIDGE = 5.0, 1.0


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
class CalibrationTable:
    """A fitted calibration with where it comes from."""

    version: str
    fitted_on: str
    doubt_missed: float
    doubt_covered: float
    models: Mapping[str, CallModel]


# --- quality of the data ---
def device_quality(passes: Passes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Per device: time between fixes (s, median over the joints of consecutive passes), and how doubtful its stretches are.

    Doubt is the mean of -log10(1 - confidence), by length, at most 6: small where the matcher is unsure. NaN for devices without passes.
    """
    n = len(passes.devices)
    gap, sure = np.full(n, np.nan), np.full(n, np.nan)
    if not len(passes.segment_ix):
        return gap, sure
    joint = (
        (np.diff(passes.device_ix) == 0)
        & (np.diff(passes.track_ix) == 0)
        & (passes.enter_ms[1:] == passes.leave_ms[:-1])
    )
    between = (passes.last_fix_ms[:-1] - passes.first_fix_ms[1:])[joint] / 1000
    owner = passes.device_ix[1:][joint]
    medians = pd.Series(between).groupby(owner).median()
    gap[medians.index.to_numpy(dtype=np.int64)] = medians.to_numpy()
    length = np.abs(passes.to_mm - passes.from_mm).astype(np.float64) + 1
    nines = np.minimum(-np.log10(np.maximum(1 - passes.confidence.astype(np.float64), 1e-6)), 6.0)
    total = np.bincount(passes.device_ix, weights=length, minlength=n)
    some = total > 0
    sure[some] = np.bincount(passes.device_ix, weights=length * nines, minlength=n)[some] / total[some]
    return gap, sure


def person_quality(passes: Passes, crew: Crew) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The same per person of the crew: the best of the devices that they carried; the median of all persons where nothing is known."""
    gap, sure = device_quality(passes)
    place = {d: i for i, d in enumerate(passes.devices)}
    own_gap, own_sure = np.full(len(crew.persons), np.inf), np.full(len(crew.persons), -np.inf)
    for c in crew.carries:
        i = place.get(c.device_id)
        if i is not None and not np.isnan(gap[i]):
            own_gap[c.person_ix] = min(own_gap[c.person_ix], gap[i])
            own_sure[c.person_ix] = max(own_sure[c.person_ix], sure[i])
    known = np.isfinite(own_gap) & np.isfinite(own_sure)
    typical = (float(np.median(own_gap[known])), float(np.median(own_sure[known]))) if known.any() else (60.0, 2.0)
    return np.where(known, own_gap, typical[0]), np.where(known, own_sure, typical[1])


def features(windows: pd.DataFrame, passes: Passes, crew: Crew) -> npt.NDArray[np.float64]:
    """Features of windows, float64 (N, len(FEATURES)).

    Args:
        windows: contract `section_windows`, as judged, `probability` still raw.
        passes: those it was judged from.
        crew: the roster it was judged with.
    """
    gap, sure = person_quality(passes, crew)
    index = crew.index or {p.person_id: i for i, p in enumerate(crew.persons)}
    codes, names = pd.factorize(windows["person_ids"].fillna("").astype(str))
    overall = (float(np.median(gap)), float(np.median(sure))) if len(gap) else (60.0, 2.0)
    table = np.array([_of(str(n), index, gap, sure, overall) for n in names]).reshape(-1, 2)[codes]
    need = np.maximum(windows["required_share"].to_numpy(dtype=float), 1e-9)
    reached = np.minimum(windows["covered_share"].to_numpy(dtype=float) / need, 1.2)
    took = np.maximum(windows["needed_s"].to_numpy(dtype=float), 1.0)
    q = np.log((table[:, 0] + _SPARSE_S) / took)
    d = table[:, 1]
    cause = windows["cause"].fillna("").to_numpy(dtype=object)
    quiet = np.minimum(windows["silent_s"].to_numpy(dtype=float) / took, 10.0) / 10.0
    columns = (
        np.ones(len(windows)), reached, np.maximum(reached - 0.7, 0), np.maximum(reached - 0.95, 0), q, d, q * reached, d * reached, q * d,
        q * q, windows["probability"].to_numpy(dtype=float), cause == "too_fast", windows["passes"].to_numpy() == 0, quiet,
    )  # fmt: skip
    return np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=1)


def _of(
    who: str, index: Mapping[str, int], gap: Floats, sure: Floats, overall: tuple[float, float]
) -> tuple[float, float]:
    """Quality of the data of those who answer: the best of them; that of everybody where nobody is rostered."""
    rows = [index[p] for p in who.split(";") if p in index]
    return (float(gap[rows].min()), float(sure[rows].max())) if rows else overall


# --- use ---
def calibrate(windows: pd.DataFrame, passes: Passes, crew: Crew, table: CalibrationTable) -> pd.DataFrame:
    """The windows with calibrated `probability`, and *unknown* (cause `unsupported`) where the data cannot support the call.

    A call by the responsible person that is the same as the call by anyone is doubted with it. Excused windows stay as they are, and so do
    those missed because nobody was rostered.
    """
    if not len(windows):
        return windows
    out = windows.copy()
    x = features(windows, passes, crew)
    call = windows["outcome"].to_numpy(dtype=object)
    p = windows["probability"].to_numpy(dtype=float).copy()
    for name, model in table.models.items():
        mine = call == name
        p[mine] = model.probability(x[mine])
    out["probability"] = p
    nobody = (windows["cause"] == "no_rostered").to_numpy(dtype=bool)  # no data would have helped: charged to the unit
    doubted = ((call == "missed") & (p > table.doubt_missed) & ~nobody) | (
        (call == "covered") & (p < table.doubt_covered)
    )
    same = doubted & (windows["outcome_responsible"].to_numpy(dtype=object) == call)
    out.loc[doubted, "outcome"] = "unknown"
    out.loc[same, "outcome_responsible"] = "unknown"
    out.loc[doubted, "cause"] = "unsupported"
    percent = np.char.mod("%.0f", p * 100)
    words = np.char.add(np.char.add("定位数据不足以判定(按数据质量估计,已巡的把握为 ", percent), "%)")
    out.loc[doubted, "missing"] = pd.Series(words, index=out.index, dtype="object")[doubted]
    return out


# --- fit ---
def fit(windows: pd.DataFrame, x: npt.NDArray[np.float64], *, honest: npt.NDArray[np.bool_]) -> dict[str, CallModel]:
    """Models from windows whose truth is known.

    Args:
        windows: columns call and truth (covered, missed).
        x: their features.
        honest: bool (N,), windows kept from the logistic fit and used for its isotonic correction.
    """
    truth = (windows["truth"] == "covered").to_numpy(dtype=float)
    call = windows["call"].to_numpy(dtype=object)
    models = {}
    for name in CALLS:
        mine = call == name
        weights = _logistic(x[mine & ~honest], truth[mine & ~honest])
        raw, calibrated = isotonic(expit(x[mine & honest] @ weights), truth[mine & honest])
        models[name] = CallModel(*(tuple(float(f"{v:.5g}") for v in a) for a in (weights, raw, calibrated)))
    return models


def _logistic(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ridge logistic regression."""

    def loss(w: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        z = x @ w
        value = float(np.logaddexp(0, z).sum() - y @ z + _RIDGE * w @ w / 2)
        return value, x.T @ (expit(z) - y) + _RIDGE * w

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    weights: npt.NDArray[np.float64] = found.x
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
