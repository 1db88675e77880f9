"""What was missing, in the words of the office and in English: one sentence for every window that is not covered."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt


class Sentence(NamedTuple):
    """One thing that may have been missing; `{}` stands for a length, a duration, a share or a name, in the same order in both."""

    zh: str
    en: str


# The Chinese one is stored with the window; whoever shows it in English finds its parts by the same words.
SENTENCES: dict[str, Sentence] = {
    "not_passed": Sentence("有权人员全时段未到", "nobody entitled came in the whole window"),
    "no_data": Sentence(
        "当天没有收到任何人的定位，只列出应巡时段，无法判定",
        "not one position of anybody arrived that day: windows are listed, none is judged",
    ),
    "no_roster": Sentence(
        "名册中没有有权巡查的人员，未登记设备也不计入，无法判定",
        "nobody in the roster may patrol this, and unassigned devices do not count: undecided",
    ),
    "no_device": Sentence(
        "有权人员在岗，但没有一台有定位的设备登记到他们，无法判定",
        "those entitled were on duty, but no device with positions is assigned to any of them: undecided",
    ),
    "no_rostered": Sentence(
        "该时段无责任人在岗（计入单位），也没有有权人员在岗",
        "no responsible person on duty in this window (charged to the unit), nor anybody entitled",
    ),
    "partial": Sentence("已巡 {}（占 {}），还缺 {}（要求 {}）", "{} covered ({}), {} short ({} required)"),
    "too_fast": Sentence(
        "通过 {}，但按巡查速度只计 {}（过快为驶过）", "{} passed, but only {} at patrol speed (faster is driving by)"
    ),
    "inferred": Sentence(
        "看见 {}，其余路线只能推断，无法判定", "{} seen, the rest of the route only inferred: undecided"
    ),
    "silent": Sentence(
        "责任人在岗失联 {}，足够一次全面巡查（需 {}），无法判定",
        "the responsible person was silent on duty for {}, enough for a full patrol ({} needed): undecided",
    ),
    "motionless": Sentence(
        "责任人的设备在岗时静置或失联 {}，不能说明其未巡查，足够一次全面巡查（需 {}），无法判定",
        "the devices of the responsible person lay still or were silent on duty for {}, which does not show that they did not patrol, "
        "enough for a full patrol ({} needed): undecided",
    ),
    "motionless_others": Sentence(
        "有权人员的设备在岗时静置或失联，其间可能在此的时间合计 {}，足够一次全面巡查（需 {}），无法判定",
        "the devices of those entitled lay still or were silent on duty, who may have been here for {} in all, "
        "enough for a full patrol ({} needed): undecided",
    ),
    # As earlier versions stored it.
    "nobody": Sentence(
        "该时段无责任人在岗（计入单位）", "no responsible person on duty in this window (charged to the unit)"
    ),
    "others_covered": Sentence(
        "该时段无责任人在岗；他人已巡 {}，还缺 {}", "no responsible person on duty; others covered {}, {} short"
    ),
    "silent_others": Sentence(
        "有权人员在岗失联，其间可能在此的时间合计 {}，足够一次全面巡查（需 {}），无法判定",
        "those entitled were silent on duty and may have been here for {} in all, enough for a full patrol ({} needed): undecided",
    ),
    "unsupported": Sentence(
        "定位数据不足以判定（按数据质量估计，已巡的把握为 {}%）",
        "positions do not support a call (probability of having been covered, by the quality of the data: {}%)",
    ),
    "part_closed": Sentence("例外 {} 封闭 {}，余 {}应巡；{}", "exception {} closes {}, {} left to patrol; {}"),
    "exception": Sentence("例外 {}：{}", "exception {}: {}"),
    "checkin_far": Sentence(
        "{} 在 {} 打卡：打卡处距点位 {}，过远", "check-in {} at {}: made {} from the place, too far"
    ),
    "checkin_track": Sentence(
        "{} 在 {} 打卡：本人轨迹在 {} 之外，不符", "check-in {} at {}: the person's own track was {} away"
    ),
    "checkin_fast": Sentence(
        "{} 在 {} 打卡：距上一次打卡 {}，间隔过短，过快", "check-in {} at {}: {} from the one before, too fast"
    ),
    "checkin_more": Sentence("等共 {} 次", "{} in all"),
    "grid": Sentence("网格", "the grid itself"),
    "grid_not_passed": Sentence("有权人员当天未到", "Nobody entitled came that day"),
    "grid_no_rostered": Sentence(
        "当天无责任人在岗（计入单位）", "No responsible person on duty that day (charged to the unit)"
    ),
    "grid_done": Sentence("完成 {} 轮，第 {} 轮未走", "{} rounds completed, none of round {} passed"),
    "grid_open_more": Sentence(
        "第 {} 轮走到 {}，缺 {} 等，共 {} 条路 {}", "Round {} came to {}, lacking {} and others, {} streets in all, {}"
    ),
    "grid_open": Sentence("第 {} 轮走到 {}，缺 {}", "Round {} came to {}, lacking {}"),
    "grid_silent": Sentence("责任人在岗失联 {}", "Those who answer were silent on duty for {}"),
    "grid_inferred": Sentence("部分路线只能推断", "A part of the way is only inferred"),
    "grid_seen": Sentence("看到完成 {} 轮", "{} rounds were seen"),
    "grid_possible": Sentence("最多可能 {} 轮，无法判定", "{} rounds possible at most: undecided"),
    "grid_chance": Sentence("完成规定轮次的把握为 {}%", "Probability that the required rounds were completed: {}%"),
}
# Before the sentence of a window for which nobody answered.
UNIT = Sentence(
    "该时段无责任人在岗（计入单位）；", "no responsible person on duty in this window (charged to the unit); "
)
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
    unit: npt.NDArray[np.bool_],
    covered_mm: npt.NDArray[np.int64],
    any_speed_mm: npt.NDArray[np.int64],
    need_mm: npt.NDArray[np.int64],
    length_mm: npt.NDArray[np.int64],
    share: npt.NDArray[np.float64],
    silent_ms: npt.NDArray[np.int64],
    unobserved_ms: npt.NDArray[np.int64],
    needed_s: npt.NDArray[np.float64],
    exception_id: npt.NDArray[np.object_],
    reasons: Mapping[str, str],
    closed_mm: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.object_]:
    """A Chinese sentence per window; empty where it is covered.

    `unit`: nobody answered for it. `unobserved_ms`: silent or motionless. `length_mm` is what is owed: without `closed_mm`.
    """
    say = {name: sentence.zh.format for name, sentence in SENTENCES.items()}
    out = np.full(len(cause), "", dtype=object)
    for plain in ("not_passed", "no_data", "no_roster", "no_device", "no_rostered"):
        out[cause == plain] = SENTENCES[plain].zh
    for i in np.flatnonzero(cause == "partial").tolist():
        done, short = covered_mm[i] / max(length_mm[i], 1), need_mm[i] - covered_mm[i]
        out[i] = say["partial"](metres(covered_mm[i]), f"{done:.0%}", metres(short), f"{share[i]:.0%}")
    for i in np.flatnonzero(cause == "too_fast").tolist():
        out[i] = say["too_fast"](metres(any_speed_mm[i]), metres(covered_mm[i]))
    for i in np.flatnonzero(cause == "inferred").tolist():
        out[i] = say["inferred"](metres(covered_mm[i]))
    for i in np.flatnonzero(cause == "silent").tolist():
        out[i] = say["silent_others" if unit[i] else "silent"](minutes(silent_ms[i] / 1000), minutes(needed_s[i]))
    for i in np.flatnonzero(cause == "motionless").tolist():
        name = "motionless_others" if unit[i] else "motionless"
        out[i] = say[name](minutes(unobserved_ms[i] / 1000), minutes(needed_s[i]))
    for i in np.flatnonzero(cause == "exception").tolist():
        out[i] = say["exception"](exception_id[i], reasons.get(exception_id[i], ""))
    closed = np.zeros(len(out), dtype=np.int64) if closed_mm is None else closed_mm
    for i in np.flatnonzero((closed > 0) & (out != "")).tolist():
        out[i] = say["part_closed"](exception_id[i], metres(closed[i]), metres(length_mm[i]), out[i])
    charged = unit & (out != "") & ~np.isin(cause, ("no_rostered", "exception"))
    out[charged] = UNIT.zh + out[charged]
    return out
