"""What was missing, in the words of the office: one sentence for every window that is not covered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt


_KM = 1_000_000


def metres(mm: int) -> str:
    """A length for people: metres below a kilometre, else kilometres."""
    return f"{mm / 1000:.0f} 米" if mm < _KM else f"{mm / _KM:.2f} 公里"


def minutes(seconds: float) -> str:
    """A duration for people."""
    return f"{seconds:.0f} 秒" if seconds < 60 else f"{seconds / 60:.0f} 分钟"  # noqa: PLR2004 (seconds in a minute)


def missing_sentences(
    *,
    cause: npt.NDArray[np.object_],
    covered_mm: npt.NDArray[np.int64],
    any_speed_mm: npt.NDArray[np.int64],
    need_mm: npt.NDArray[np.int64],
    length_mm: npt.NDArray[np.int64],
    share: npt.NDArray[np.float64],
    silent_ms: npt.NDArray[np.int64],
    needed_s: npt.NDArray[np.float64],
    exception_id: npt.NDArray[np.object_],
    reasons: Mapping[str, str],
) -> npt.NDArray[np.object_]:
    """A Chinese sentence per window; empty where it is covered."""
    out = np.full(len(cause), "", dtype=object)
    out[cause == "not_passed"] = "有权人员全时段未到"
    out[cause == "no_data"] = "当天既无名册也无定位,只列出应巡时段,无法判定"
    out[cause == "no_rostered"] = "该时段无责任人在岗(计入单位)"
    for i in np.flatnonzero((cause == "no_rostered") & (covered_mm > 0)).tolist():
        out[i] = f"该时段无责任人在岗;他人已巡 {metres(covered_mm[i])},还缺 {metres(need_mm[i] - covered_mm[i])}"
    for i in np.flatnonzero(cause == "partial").tolist():
        out[i] = (
            f"已巡 {metres(covered_mm[i])}(占 {covered_mm[i] / max(length_mm[i], 1):.0%}),"
            f"还缺 {metres(need_mm[i] - covered_mm[i])}(要求 {share[i]:.0%})"
        )
    for i in np.flatnonzero(cause == "too_fast").tolist():
        out[i] = f"通过 {metres(any_speed_mm[i])},但按巡查速度只计 {metres(covered_mm[i])}(过快为驶过)"
    for i in np.flatnonzero(cause == "inferred").tolist():
        out[i] = f"看见 {metres(covered_mm[i])},其余路线只能推断,无法判定"
    for i in np.flatnonzero(cause == "silent").tolist():
        out[i] = f"责任人在岗失联 {minutes(silent_ms[i] / 1000)},足够一次全面巡查(需 {minutes(needed_s[i])}),无法判定"
    for i in np.flatnonzero(cause == "exception").tolist():
        out[i] = f"例外 {exception_id[i]}:{reasons.get(exception_id[i], '')}"
    return out
