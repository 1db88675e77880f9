"""A whole standard as lines of text: every rule, clock and setting with its clause, its sentence and its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from gis.standard import Clause, Clock, Frozen, Limit, Setting, Supervision

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gis.standard import Calendar, Calibration, PlatformLimits, Schedule, Standard

Lang = Literal["zh", "en"]
TITLES = {
    "scope": ("适用范围", "Scope"), "rules": ("规则", "Rules"), "clocks": ("处置时限", "Clocks"), "supervision": ("督查", "Supervision"),
    "requirements": ("工作要求", "Requirements"), "settings": ("设定", "Settings"), "schedules": ("上班时间", "Duty hours"),
    "calendar": ("工作日", "Calendar"), "platform": ("平台时限", "Platform limits"), "calibration": ("概率校准", "Calibration"),
}  # fmt: skip


def standard_lines(standard: Standard, lang: Lang = "zh") -> Iterator[str]:
    """The lines: a head, then a part after another, each with a title."""
    issued = f" {standard.issuer} {standard.issued or ''}".rstrip()
    draft = f" [{'草案' if lang == 'zh' else 'draft'}]" if standard.draft else ""
    yield f"{standard.id} {standard.version}{draft} {_pick(standard, lang)}{issued}"
    yield from _titled("scope", lang, _scope(standard))
    parts: tuple[tuple[str, dict[str, Any]], ...] = (
        ("rules", {**standard.rules}),
        ("clocks", {**standard.clocks}),
        ("supervision", {**standard.supervision}),
        ("requirements", {**standard.requirements}),
    )
    for part, clauses in parts:
        yield from _titled(part, lang, _clauses(clauses, lang))
    yield from _titled("settings", lang, (_setting(*s, lang) for s in settings_of(standard)))
    yield from _titled("schedules", lang, (_schedule(k, s, lang) for k, s in standard.schedules.items()))
    yield from _titled("calendar", lang, _calendar(standard.calendar, lang))
    yield from _titled("platform", lang, _platform(standard.platform, lang))
    yield from _titled("calibration", lang, _calibration(standard.calibration, lang))


def settings_of(standard: Standard) -> list[tuple[str, Setting[Any]]]:
    """Every setting with its key in the file, assumption or not."""
    parts = (("measure", standard.measure), ("community", standard.community), ("density", standard.density))
    return [(f"{name}.{key}", value) for name, part in parts for key, value in part if isinstance(value, Setting)]


def value_words(value: object) -> str:
    """The value of a setting as people read it."""
    if isinstance(value, Frozen):
        return ", ".join(f"{k} {value_words(v)}" for k, v in value)
    if isinstance(value, tuple):
        return ", ".join(value_words(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _titled(part: str, lang: Lang, lines: Iterable[str]) -> Iterator[str]:
    yield f"## {TITLES[part][0 if lang == 'zh' else 1]}"
    yield from lines


def _pick(part: Any, lang: Lang) -> str:
    return str(part.zh if lang == "zh" else part.en)


def _assumed(part: Any, lang: Lang) -> str:
    """Why something was assumed, where it was."""
    if not part.assumption:
        return ""
    return f"（假定：{part.reason_zh}）" if lang == "zh" else f" (assumed: {part.reason_en})"


def _scope(standard: Standard) -> Iterator[str]:
    scope = standard.scope
    yield f"{scope.clause}  {scope.quote}"
    for name, listed in (("areas", scope.areas), ("subjects", scope.subjects), ("area_kinds", scope.area_kinds)):
        yield f"  {name}: {'、'.join(listed)}"


def _clauses(parts: dict[str, Any], lang: Lang) -> Iterator[str]:
    for key, part in parts.items():
        yield f"{key:<24} {part.clause}  {part.quote}"
        yield f"  {_pick(part, lang)}{_assumed(part, lang)}"
        said = _figures(part)
        if said:
            yield f"  {said}"


def _figures(part: Clause) -> str:
    """The fields of a rule or clock that are neither words nor empty: `roles squad_member、grid_leader; interval_s 3600`."""
    words = set(Clause.model_fields)
    kept = [(k, v) for k, v in part if k not in words and v not in (None, "", (), False)]
    if isinstance(part, Clock | Supervision):
        kept = [(k, v) for k, v in kept if k != "channel"] + [("channel", part.channel)]
    return "; ".join(f"{k} {value_words(v)}" for k, v in kept)


def _setting(key: str, setting: Setting[Any], lang: Lang) -> str:
    value = f"{value_words(setting.value)} {setting.unit}".strip()
    return f"{key:<32} {value}  {_pick(setting, lang)}{_assumed(setting, lang)}"


def _schedule(key: str, s: Schedule, lang: Lang) -> str:
    times = f"{s.season_from}/{s.season_to} {s.days} {', '.join(s.periods)}"
    watch = f" ({', '.join(s.watch)})" if s.watch else ""
    units = f" [{'、'.join(s.units)}]" if s.units else ""
    return f"{key:<24} {'、'.join(s.roles)}{units}: {times}{watch}  {_pick(s, lang)}{_assumed(s, lang)}"


def _calendar(c: Calendar, lang: Lang) -> Iterator[str]:
    yield f"{c.source}  {_pick(c, lang)}{_assumed(c, lang)}"
    for name, days in (("working", c.working), ("free", c.free)):
        if days:
            yield f"  {name}: {', '.join(map(str, days))}"


def _platform(p: PlatformLimits, lang: Lang) -> Iterator[str]:
    yield f"{p.clause}  {p.quote}"
    yield f"  {_pick(p, lang)}{_assumed(p, lang)}"
    for line in p.lines:
        yield f"  {_limit(line)}"


def _limit(line: Limit) -> str:
    return f"{line.category} / {line.road_class}: {line.amount:g} {line.unit}"


def _calibration(c: Calibration, lang: Lang) -> Iterator[str]:
    yield f"calls {c.calls or '-'}  {_pick(c, lang)}".rstrip()
    if c.raw:
        yield f"  raw {value_words(c.raw)} -> calibrated {value_words(c.calibrated)}"
