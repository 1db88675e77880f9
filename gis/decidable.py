"""Whether the data of a day can decide a rule at all: `xuncha check` and the audit ask the same question here.

A rule is decided by the evidence of those whom it entitles: positions of a device that one of them carries, or of one that nobody carries
and that counts all the same; for community patrols a check-in too. Where none of them can give any, whatever was not seen is no miss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gis.crew import Crew

Obstacle = Literal["no_data", "no_roster", "no_device"]
OBSTACLES: tuple[Obstacle, ...] = ("no_data", "no_roster", "no_device")  # causes of windows that no data could decide


def obstacle(crew: Crew, roles: Iterable[str], *, checkins: bool = False) -> Obstacle | None:
    """Why nothing that is not seen can be called missed under a rule that day; None where its data can decide.

    Args:
        crew: the roster of the day with what its fixes say (`gis.crew.with_fixes`); without that the devices are taken as heard.
        roles: whom the rule entitles.
        checkins: whether check-ins give evidence too and there are any.

    Returns:
        no_data: no position of anybody (and no check-in). no_roster: nobody whom the rule entitles is in the roster, and no device counts
        without one. no_device: there are such people on duty, but none of them carries a device with positions.
    """
    if crew.blind and not checkins:
        return "no_data"
    entitled = set(crew.of_roles(roles))
    if crew.loose or (crew.heard is None and crew.unassigned_modes):
        return None
    if not entitled:
        return "no_roster"
    if checkins or crew.heard is None or not any(crew.persons[i].duty for i in entitled):
        return None
    carried = any(c.person_ix in entitled and c.device_id in crew.heard for c in crew.carries)
    return None if carried else "no_device"
