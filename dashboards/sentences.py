"""What was missing, in the reader's language and its punctuation; the stored sentences are the office's Chinese (gis.sentences and others).

Stored sentences carry half-width marks; they are printed with full-width ones here, where pages and files show them.
"""

from __future__ import annotations

import re

_C, _S = "[,，]", "[;；]"
_LEFT, _RIGHT = r"[((]", r"[))]"

# Sentence → English; groups are lengths, durations, shares, names.
_ENGLISH: tuple[tuple[str, str], ...] = (
    ("有权人员全时段未到", "nobody entitled came in the whole window"),
    (f"当天既无名册也无定位{_C}只列出应巡时段{_C}无法判定", "neither roster nor positions that day: windows are listed, none is judged"),
    (f"该时段无责任人在岗{_LEFT}计入单位{_RIGHT}", "no responsible person on duty in this window (charged to the unit)"),
    (f"该时段无责任人在岗{_S}他人已巡 (.+){_C}还缺 (.+)", "no responsible person on duty; others covered {0}, {1} short"),
    (f"已巡 (.+){_LEFT}占 (.+){_RIGHT}{_C}还缺 (.+){_LEFT}要求 (.+){_RIGHT}", "{0} covered ({1}), {2} short ({3} required)"),
    (f"通过 (.+){_C}但按巡查速度只计 (.+){_LEFT}过快为驶过{_RIGHT}", "{0} passed, but only {1} at patrol speed (faster is driving by)"),
    (f"看见 (.+){_C}其余路线只能推断{_C}无法判定", "{0} seen, the rest of the route only inferred: undecided"),
    (f"责任人在岗失联 (.+){_C}足够一次全面巡查{_LEFT}需 (.+){_RIGHT}{_C}无法判定",
     "the responsible person was silent on duty for {0}, enough for a full patrol ({1} needed): undecided"),
    (f"定位数据不足以判定{_LEFT}按数据质量估计{_C}已巡的把握为 (.+){_RIGHT}",
     "positions do not support a call (probability of having been covered, by the quality of the data: {0})"),
    ("例外 (.+?)[:：](.*)", "exception {0}: {1}"),
    ("网格", "the grid itself"),
)  # fmt: skip
_PATTERNS = tuple((re.compile(zh), en) for zh, en in _ENGLISH)
# Half-width punctuation beside Chinese: brackets first, then what stands beside them.
_BRACKETS = re.compile(r"(?<=[\u4e00-\u9fff])\(([^()]*)\)|\(([^()]*[\u4e00-\u9fff][^()]*)\)")
_MARKS = re.compile(r"(?<=[\u4e00-\u9fff）”」])([,;:?!]) ?|([,;:?!])(?=[\u4e00-\u9fff（“「])")
_WIDE = str.maketrans(",;:?!", "，；：？！")
_UNITS = (("分钟", "min"), ("公里", "km"), ("秒", "s"), ("米", "m"))
_MEASURE = re.compile(r"([\d.,]+) ?(分钟|公里|秒|米)")


def full_width(text: str) -> str:
    """Chinese as it is printed: marks and brackets beside Chinese characters are full width, those within figures stay.

    >>> full_width("已巡 400 米(占 40%),还缺 1,500 米")
    '已巡 400 米（占 40%），还缺 1,500 米'
    """
    text = _BRACKETS.sub(lambda m: f"（{m[1] if m[1] is not None else m[2]}）", text)
    return _MARKS.sub(lambda m: (m[1] or m[2]).translate(_WIDE), text)


def _measures(text: str) -> str:
    return _MEASURE.sub(lambda m: f"{m[1]} {dict(_UNITS)[m[2]]}", text)


# Notes of loads → English.
_NOTES: tuple[tuple[str, str], ...] = (
    ("([0-9]+) 条边有多个等级,取第一个", "{0} edges have several classes, the first is taken"),
    (
        "([0-9]+) 人的单位不在单位表中,按原文保留",
        "the unit of {0} persons is not in the table of units and is kept as written",
    ),
    ("([0-9]+) 行含 ([0-9]+) 条记录", "{0} rows hold {1} records"),
    ("([0-9]+) 条责任分工未能对应到人员或网格", "{0} responsibilities match no person or grid"),
    ("([0-9]+) 条(.*)坐标不可能,按无坐标处理", "{0} impossible coordinates are taken as none"),
    ("([0-9]+) 条案件没有坐标", "{0} cases have no coordinates"),
    ("([0-9]+) 条(.*)没有坐标", "{0} records have no coordinates"),
    ("([0-9]+) 件案件结案早于立案,按原文保留", "{0} cases were closed before they were opened; kept as written"),
    ("([0-9]+) 件案件没有期限", "{0} cases have no due time"),
    (
        "([0-9]+) 件案件都在 (.*),视为系统默认坐标,不上图",
        "{0} cases lie at {1}, taken for a default place and left off maps",
    ),
    ("([0-9]+) 条线由不相接的几段组成,拆成 ([0-9]+) 条边", "{0} lines of several parts were split into {1} edges"),
    ("([0-9]+) 条边长度为零,保留,由路网步骤收缩", "{0} edges of no length are kept; the network step contracts them"),
    ("([0-9]+) 条边没有道路等级,不适用任何规则", "{0} edges have no class and no rule"),
    ("摘录缺少 ([0-9]+) 个节点,道路在该处断开", "the extract lacks {0} nodes; roads end there"),
    ("已修复 ([0-9]+) 个无效多边形\\((.*)\\):(.*)", "{0} invalid polygons repaired ({1}): {2}"),
    ("已由 (.*) 改正到 WGS 84", "corrected from {0} to WGS 84"),
    ("坐标由 (.*) 换算为 WGS 84", "converted from {0} to WGS 84"),
    (
        "文件自带坐标系 (.*),按城市文件声明的 (.*) 读取",
        "the file says CRS {0}; read as {1}, which the city file declares",
    ),
    ("没有 .cpg,按内容识别为 (.*)", "no .cpg: by its content {0}"),
    (".cpg 写的是 (.*),与内容不符,按 (.*) 读取", "the .cpg says {0}, which does not fit: read as {1}"),
    ("来源没有到达时间,以定位时间代替", "no arrival times: those of the fixes are taken"),
    (
        "(?:.*:)?([0-9]+) 个当地时间处于时钟调整期,按调整前计算",
        "{0} local times fall into a change of clocks; taken as before it",
    ),
    (
        "多数时间晚于本机时钟,未按未来时间隔离,请核对本机时钟",
        "most times are later than this machine's clock: nothing was set aside as future; look at the clock",
    ),
)
_NOTE_PATTERNS = tuple(
    (re.compile(zh.replace(",", _C).replace(":", "[:：]").replace("(?[:：]", "(?:")), en) for zh, en in _NOTES
)


def note_words(text: str, lang: str) -> str:
    """A note of a load in a language; one without a translation stays as it is."""
    if lang == "zh":
        return full_width(text)
    for pattern, english in _NOTE_PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            return english.format(*found.groups())
    return text


def missing_words(text: object, lang: str) -> str:
    """A stored sentence of what was missing, in a language; names in it, and sentences without a translation, stay as they are."""
    if not isinstance(text, str) or not text:
        return ""
    if lang == "zh":
        return full_width(text)
    for pattern, english in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            return english.format(*map(_measures, found.groups()))
    return text
