"""Why a row is set aside: every reason code with its Chinese and English words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for quarantine."""

    code: str
    zh: str
    en: str


_ALL = (
    Reason("row_broken", "列数与表头不符", "the row has another number of columns than the heading"),
    Reason(
        "quote_open",
        "引号没有闭合（该行隔离，之后各行照常读取）",
        "a quotation mark is not closed (the row is set aside, the rows after it are read)",
    ),
    Reason("text_nul", "含有空字符（NUL），内容已损坏", "it holds NUL characters: damaged"),
    Reason("cell_stray", "单元格远在表格之外", "a cell that stands far outside the table"),
    Reason("device_missing", "缺少设备编号", "no device id"),
    Reason("time_missing", "缺少时间", "no time"),
    Reason("time_unparsable", "时间无法识别", "the time cannot be read"),
    Reason(
        "day_part_unclear",
        "只写半天、早上、晚上等，或时段与钟点矛盾，看不出起止时刻：请写上午、下午或钟点",
        "a part of a day (half a day, morning, evening) that does not say when, or contradicts its clock: write which half, or a clock",
    ),
    Reason("time_naive", "时间没有时区，也未声明时区", "the time names no time zone and none is declared"),
    Reason("time_early", "时间早于1990年", "the time lies before 1990"),
    Reason("time_future", "时间在未来", "the time lies in the future"),
    Reason("coordinate_missing", "缺少坐标", "no coordinates"),
    Reason("number_unparsable", "坐标不是数字", "a coordinate is no number"),
    Reason("lat_impossible", "纬度超出 ±90 度", "latitude beyond ±90 degrees"),
    Reason("lon_impossible", "经度超出 ±180 度", "longitude beyond ±180 degrees"),
    Reason("lonlat_swapped", "经纬度疑似颠倒", "longitude and latitude look swapped"),
    Reason("coordinate_zero", "坐标为 (0, 0)", "the coordinates are (0, 0)"),
    Reason(
        "coordinate_unprojectable", "坐标不在所声明坐标系的范围内", "the coordinates lie outside the declared system"
    ),
    Reason("value_missing", "必填项为空", "a required value is empty"),
    Reason("value_unknown", "无法识别的取值", "a value that is not known"),
    Reason("duty_unparsable", "上班时间无法识别", "the duty times cannot be read"),
    Reason("key_duplicate", "编号重复", "the key is repeated"),
    Reason("approver_missing", "缺少批准人", "no approver"),
    Reason("order_wrong", "结束早于开始", "it ends before it starts"),
    Reason("person_unknown", "名册中没有此人", "no such person in the roster"),
    Reason("person_ambiguous", "名册中有同名人员", "several persons of that name in the roster"),
)

REASONS: dict[str, Reason] = {r.code: r for r in _ALL}
