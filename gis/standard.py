"""The standard: every rule, clock and figure that a policy demands, as typed, frozen objects.

No figure of a policy stands in code: the analytics read them from here. What the policy leaves open is a `Setting` with
`assumption = true` and its reason, so that a planner sees what was assumed and may change it. `layers.standard_files` reads the TOML form.
"""

from __future__ import annotations

import re
from datetime import date, time  # noqa: TC003 (pydantic reads the types)
from typing import Annotated, Generic, Literal, TypeVar

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gis.model import Mode
from gis.public_days import CHINA, calendar_named

T = TypeVar("T")

Role = Literal["squad_member", "squad_leader", "grid_leader", "collector", "grid_member"]
PolicyClass = Literal["main", "secondary", "branch"]
Zone = Literal["central", "fringe"]
Must = Literal["key_point", "back_street", "hot_area"]
Counted = Literal["allocated", "on_duty"]
Channel = Literal["community", "squad", "platform", "opinion"]
Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]

_PERIOD = re.compile(r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")
_DAY_OF_YEAR = re.compile(r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")


def minutes_of(period: str) -> tuple[int, int]:
    """Minutes after midnight at which a period such as `08:30-12:00` begins and ends.

    Raises:
        ValueError: no such period, or it ends before it begins.

    Examples:
        >>> minutes_of("08:30-12:00")
        (510, 720)
    """
    text = period.strip()
    if not _PERIOD.match(text):
        message = f"{period!r} is no period such as 08:30-12:00"
        raise ValueError(message)
    (h0, m0), (h1, m1) = (part.split(":") for part in text.split("-"))
    start, end = 60 * int(h0) + int(m0), 60 * int(h1) + int(m1)
    if end <= start:
        message = f"{period!r} ends before it begins"
        raise ValueError(message)
    return start, end


def _period(text: str) -> str:
    minutes_of(text)
    return text.strip()


def _day_of_year(text: str) -> str:
    if not _DAY_OF_YEAR.match(text):
        message = f"{text!r} is no day of the year such as 05-01"
        raise ValueError(message)
    return text


Period = Annotated[str, AfterValidator(_period)]
DayOfYear = Annotated[str, AfterValidator(_day_of_year)]
CalendarName = Annotated[str, AfterValidator(calendar_named)]


class Frozen(BaseModel):
    """Base of all parts: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Setting(Frozen, Generic[T]):
    """One figure that says how to measure. An assumption names its reason in both languages."""

    value: T
    unit: str = ""
    zh: str
    en: str
    assumption: bool = True
    reason_zh: str = ""
    reason_en: str = ""

    @model_validator(mode="after")
    def _reasoned(self) -> Setting[T]:
        if self.assumption and not (self.reason_zh and self.reason_en):
            message = "an assumption needs reason_zh and reason_en"
            raise ValueError(message)
        return self


class Clause(Frozen):
    """What every rule carries: the clause, the sentence it rests on (verbatim), and names for people."""

    clause: str
    quote: str
    zh: str
    en: str
    assumption: bool = False
    reason_zh: str = ""
    reason_en: str = ""


class RoadRule(Clause):
    """A full patrol of every section of some classes, every interval or once a day, within duty time."""

    kind: Literal["road"]
    roles: tuple[Role, ...]
    policy_class: PolicyClass
    areas: tuple[str, ...] = ()
    interval_s: int | None = Field(default=None, gt=0)
    calendar: Literal["working", "every"] = "working"

    @property
    def daily(self) -> bool:
        """One full patrol a day instead of one an interval."""
        return self.interval_s is None


class RoundsRule(Clause):
    """Full-coverage rounds of every work grid of a zone."""

    kind: Literal["rounds"]
    roles: tuple[Role, ...]
    zone: Zone
    rounds_per_day: int = Field(gt=0)
    calendar: Literal["working", "every"] = "every"


class DensityRule(Clause):
    """Inspectors allocated per area."""

    kind: Literal["density"]
    roles: tuple[Role, ...]
    zone: Zone
    km2_per_person: Positive


class CommunityRule(Clause):
    """A patrol of every community grid in each window of a cadence; `musts` are the kinds of places that it owes."""

    kind: Literal["community"]
    roles: tuple[Role, ...]
    cadence: Literal["half_day", "two_days", "week"]
    musts: tuple[Must, ...]


class StatementRule(Clause):
    """A demand without a computed rate: shown with its clause (named responsibility, sources, exposure)."""

    kind: Literal["statement"]
    figure: float | None = None
    figure_high: float | None = None
    unit: str = ""
    items: tuple[str, ...] = ()


Rule = Annotated[
    RoadRule | RoundsRule | DensityRule | CommunityRule | StatementRule,
    Field(discriminator="kind"),
]


class Clock(Clause):
    """How long a disposal may take; `amount` None: the policy names no figure, or the category's limit holds."""

    channel: Channel
    starts: Literal["opened", "dispatched"] = "opened"
    unit: Literal["at_once", "same_day", "day", "working_day", "working_hour", "category", "none"]
    amount: Positive | None = None
    ends: Literal["closed", "verified"] = "closed"
    closes: bool = Field(default=False, description="whether the case's own deadline is judged by this clock")
    override: Literal["", "instruction"] = ""

    @model_validator(mode="after")
    def _figure(self) -> Clock:
        if (self.amount is None) == (self.unit in {"day", "working_day", "working_hour"}):
            message = "amount goes with unit day, working_day or working_hour, and with no other"
            raise ValueError(message)
        return self


class Supervision(Clause):
    """What follows when a disposal is not in time or not in place."""

    channel: Channel | Literal["all"]
    amount: Positive | None = None
    unit: Literal["", "working_day", "day"] = ""


class Limit(Frozen):
    """One line of the platform's table of limits; `*` stands for every category or road class."""

    category: str = "*"
    road_class: str = "*"
    amount: Positive
    unit: Literal["working_hour", "working_day", "day"]


class PlatformLimits(Frozen):
    """Limits by category and road class: the most specific line holds (category before road class)."""

    zh: str
    en: str
    clause: str
    quote: str
    assumption: bool = True
    reason_zh: str = ""
    reason_en: str = ""
    lines: tuple[Limit, ...]

    def limit(self, category: str, road_class: str) -> Limit | None:
        """The line for a case, None where no line fits."""
        fits = [
            (2 * (line.category != "*") + (line.road_class != "*"), line)
            for line in self.lines
            if line.category in {"*", category} and line.road_class in {"*", road_class}
        ]
        return max(fits, key=lambda f: f[0])[1] if fits else None


class Schedule(Frozen):
    """Duty periods of some roles (and units) in a season. The first schedule that fits a role, unit and day holds."""

    roles: tuple[Role, ...]
    units: tuple[str, ...] = ()
    season_from: DayOfYear = "01-01"
    season_to: DayOfYear = "12-31"
    days: Literal["working", "every"] = "working"
    periods: tuple[Period, ...] = Field(min_length=1, description="when a pass counts")
    watch: tuple[Period, ...] = Field(default=(), description="when silence is a doubt; empty: the periods")
    zh: str = ""
    en: str = ""
    assumption: bool = True
    reason_zh: str
    reason_en: str

    def in_season(self, day: date) -> bool:
        """Whether the season (which may run over New Year) holds the day."""
        key = f"{day:%m-%d}"
        if self.season_from <= self.season_to:
            return self.season_from <= key <= self.season_to
        return key >= self.season_from or key <= self.season_to


class Calendar(Frozen):
    """Working days: the public calendar of a country with its make-up days, and what a place decides otherwise.

    `source`: china, none (Monday to Friday), or the ISO code of another country with or without its region (US, US-MA).
    """

    source: CalendarName = CHINA
    working: tuple[date, ...] = ()
    free: tuple[date, ...] = ()
    zh: str = ""
    en: str = ""
    assumption: bool = True
    reason_zh: str
    reason_en: str


class Scope(Frozen):
    """Where and what the policy binds."""

    clause: str
    quote: str
    areas: tuple[str, ...]
    subjects: tuple[str, ...]
    area_kinds: tuple[str, ...] = ("scope",)


class Speeds(Frozen):
    """Patrol speed of each mode, km/h: faster is driving by."""

    foot: Positive
    ebike: Positive
    vehicle: Positive

    def mm_per_s(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Whole millimetres a second, indexed by `Mode`."""
        out = np.zeros(len(Mode), dtype=np.int64)
        for mode in Mode:
            out[mode] = round(getattr(self, mode.name.lower()) * 1_000_000 / 3600)
        return out


class Measure(Frozen):
    """How to measure: every line a setting."""

    patrol_speed_kmh: Setting[Speeds]
    pace_s: Setting[NotNegative]
    full_patrol_share: Setting[Share]
    round_share: Setting[Share]
    remainder_share: Setting[Share]
    carriageways: Setting[Literal["either", "each"]]
    evidence: Setting[Literal["seen", "seen_and_inferred"]]
    silence_s: Setting[Positive]
    silence_medians: Setting[Positive]
    motionless_s: Setting[Positive] | None = None  # standards stored before it asked for none
    place_error_m: Setting[NotNegative]
    unknown_need: Setting[Literal["full", "remaining"]]
    excused_share: Setting[Share]
    weight: Setting[Literal["km", "count"]]
    rank_by: Setting[Literal["rate_low", "rate_high"]]
    rates_exclude_excused: Setting[bool]
    responsible_fallback: Setting[tuple[Literal["work_grid"], ...]]
    cell_m: Setting[Positive]
    place_reach_m: Setting[Positive]
    confirmation: Setting[bool]
    day_clock: Setting[Literal["end_of_day", "next_working_day", "elapsed"]]


class Cadence(Frozen):
    """How community windows lie."""

    half_day_split: Setting[time]
    two_day_epoch: Setting[date]
    week_starts: Setting[Literal["monday", "sunday"]]
    evidence: Setting[Literal["track_or_checkin", "track", "checkin"]]


class DensitySettings(Frozen):
    """How density is measured. Persons present never decide: a phone that is off must not make a grid short."""

    verdict: Setting[Counted]
    quotient: Setting[Literal["exact", "ceiling"]]
    unzoned: Setting[Zone]


class Calibration(Frozen):
    """From the raw probability of *covered* to a calibrated one: a polyline through (raw, calibrated), empty: raw.

    `calls` names a fitted table of `gis.calibration_tables`; with it a call that the data cannot support becomes unknown. `rounds`
    names one for rounds of grids. Empty: none.
    """

    raw: tuple[float, ...] = ()
    calibrated: tuple[float, ...] = ()
    calls: str = ""
    rounds: str = ""
    zh: str = ""
    en: str = ""

    @model_validator(mode="after")
    def _monotone(self) -> Calibration:
        up = all(b > a for a, b in zip(self.raw, self.raw[1:], strict=False))
        if len(self.raw) != len(self.calibrated) or not up:
            message = "raw and calibrated must be equally long, and raw must rise"
            raise ValueError(message)
        return self

    def apply(self, probability: np.ndarray) -> np.ndarray:
        """Calibrated probabilities."""
        return np.interp(probability, self.raw, self.calibrated) if self.raw else probability


class Standard(Frozen):
    """A whole standard, as one versioned file holds it."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    version: str = Field(min_length=1)
    zh: str
    en: str
    issuer: str = ""
    issued: date | None = None
    draft: bool = False
    scope: Scope
    rules: dict[str, Rule]
    clocks: dict[str, Clock]
    supervision: dict[str, Supervision]
    requirements: dict[str, Clause] = {}
    measure: Measure
    schedules: dict[str, Schedule]
    calendar: Calendar
    community: Cadence
    density: DensitySettings
    platform: PlatformLimits
    calibration: Calibration = Calibration()

    @model_validator(mode="after")
    def _one_rule_a_subject(self) -> Standard:
        for kind, key in (
            (RoadRule, "policy_class"),
            (RoundsRule, "zone"),
            (DensityRule, "zone"),
            (CommunityRule, "cadence"),
        ):
            names = [getattr(r, key) for r in self.rules.values() if isinstance(r, kind)]
            if len(names) != len(set(names)):
                message = f"two {kind.__name__}s share one {key}: {sorted(names)}"
                raise ValueError(message)
        return self

    def road_rules(self) -> dict[str, RoadRule]:
        """Road rules by id, in the order of the file."""
        return {k: r for k, r in self.rules.items() if isinstance(r, RoadRule)}

    def rounds_rules(self) -> dict[str, RoundsRule]:
        """Rounds rules by id."""
        return {k: r for k, r in self.rules.items() if isinstance(r, RoundsRule)}

    def density_rules(self) -> dict[str, DensityRule]:
        """Density rules by id."""
        return {k: r for k, r in self.rules.items() if isinstance(r, DensityRule)}

    def community_rules(self) -> dict[str, CommunityRule]:
        """Community rules by id."""
        return {k: r for k, r in self.rules.items() if isinstance(r, CommunityRule)}

    def rule_of_class(self) -> dict[str, str]:
        """Rule id of each policy class that has one."""
        return {r.policy_class: k for k, r in self.road_rules().items()}

    def class_of_area(self) -> dict[str, str]:
        """Policy class that an overlay area gives to the roads in it, by kind of area."""
        return {kind: r.policy_class for r in self.road_rules().values() for kind in r.areas}

    def assumptions(self) -> list[tuple[str, BaseModel]]:
        """Every part marked as an assumption with its key in the file."""
        found: list[tuple[str, BaseModel]] = []
        _gather(self, "", found)
        return found


def _gather(part: object, key: str, found: list[tuple[str, BaseModel]]) -> None:
    if isinstance(part, dict):
        for name, value in part.items():
            _gather(value, f'{key}."{name}"' if "." in name else f"{key}.{name}", found)
    elif isinstance(part, BaseModel):
        if getattr(part, "assumption", False):
            found.append((key, part))
        for name in type(part).model_fields:
            _gather(getattr(part, name), f"{key}.{name}".lstrip("."), found)
