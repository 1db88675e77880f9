"""Settings of the network step: every distance and share that its rules use, none of them a figure of the policy."""

from __future__ import annotations

from dataclasses import dataclass, fields

from gis.errors import Fault, SettingsError

POLICY_CLASSES = ("main", "secondary", "branch")
"""Classes that a road rule may bind, the most demanding first."""

NO_RULE = "no_rule"

OVERLAY_CLASS = {
    "street_important": "main",
    "street_general": "secondary",
    "urban_village": "branch",
    "fringe_road": "branch",
}
"""Kind of area -> class that it asks for at least."""


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Options of `build_network`.

    Attributes:
        patrollable: policy classes whose length counts for the rounds of a work grid; `none` stands for roads in scope without a class.
        overlay_excludes: source classes that no overlay lifts (motorways, footways and what is no road).
        overlay_share: share of a segment's length that must lie in an area for the area to apply.
        line_buffer_m: how far an overlay drawn as a line or point reaches.
        scope_share: share of a segment's length that must lie in the scope.
        boundary_tolerance_m: a segment within this distance of a boundary counts as inside on both sides.
        min_section_m, max_section_m: default sections are not cut shorter, and are cut at the next node when longer.
        each_side: True where each carriageway of a divided road must be patrolled on its own (`measure.carriageways` of the standard).
        pair_distance_m: largest distance between paired carriageways.
        pair_angle_deg: largest deviation from opposite headings.
        pair_share: share of a segment's length that must run beside its partner.
        road_gap_m: stretches of one name end to end within this distance are one road (roundabouts, divided crossings).
        cross_tolerance_m: a cross street that shares no node with the road is looked for within this distance.
    """

    patrollable: tuple[str, ...] = POLICY_CLASSES
    overlay_excludes: tuple[str, ...] = (
        "bridleway",
        "bus_guideway",
        "bus_stop",
        "construction",
        "corridor",
        "crossing",
        "cycleway",
        "elevator",
        "footway",
        "motorway",
        "motorway_link",
        "path",
        "platform",
        "proposed",
        "steps",
        "高速公路",
    )
    overlay_share: float = 0.5
    line_buffer_m: float = 15.0
    scope_share: float = 0.5
    boundary_tolerance_m: float = 5.0
    min_section_m: float = 80.0
    max_section_m: float = 3000.0
    each_side: bool = False
    pair_distance_m: float = 45.0
    pair_angle_deg: float = 30.0
    pair_share: float = 0.6
    road_gap_m: float = 80.0
    cross_tolerance_m: float = 30.0

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            SettingsError: every option that is out of its range.
        """
        faults = [
            Fault("network_setting", f"路网设置 {f.name} 不能为负", f"network setting {f.name} must not be negative")
            for f in fields(self)
            if isinstance(getattr(self, f.name), (int, float)) and getattr(self, f.name) < 0
        ]
        faults += [
            Fault("network_setting", f"路网设置 {n} 须在 0 与 1 之间", f"network setting {n} must lie between 0 and 1")
            for n in ("overlay_share", "scope_share", "pair_share")
            if getattr(self, n) > 1
        ]
        faults += [
            Fault("network_setting", f"patrollable 中有未知等级 {c}", f"unknown class {c} in patrollable")
            for c in self.patrollable
            if c not in {*POLICY_CLASSES, "none"}
        ]
        if self.max_section_m < self.min_section_m:
            faults.append(
                Fault("network_setting", "max_section_m 小于 min_section_m", "max_section_m is less than min_section_m")
            )
        if faults:
            raise SettingsError(faults)
