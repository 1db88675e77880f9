"""The road rules of a day by groups of sections, here or on the workers of a Dask cluster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from etl.cluster import on_cluster
from gis.calibration import quality_of
from gis.evidence import evidence_of
from gis.frequency_parts import join_parts, judge_part, road_parts

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    import geopandas as gpd
    import pandas as pd

    from etl.base import Progress
    from gis.crew import Crew
    from gis.evidence import Evidence
    from gis.frequency import RoadFrequency
    from gis.model import Passes
    from gis.network import Network
    from gis.standard import Standard


@dataclass(frozen=True, slots=True)
class RoadsByParts:
    """Stands for `gis.frequency.road_frequency`: the same result from so many groups of sections, however they are computed."""

    parts: int
    scheduler: str | None
    progress: Progress

    def __call__(
        self,
        network: Network,
        passes: Passes,
        crew: Crew,
        standard: Standard,
        day: date,
        zone: ZoneInfo,
        *,
        exceptions: pd.DataFrame,
        areas: gpd.GeoDataFrame | None = None,
        evidence: Evidence | None = None,
    ) -> RoadFrequency:
        """See `road_frequency`."""
        evidence = evidence or evidence_of(network, passes, standard)
        parts = road_parts(network, passes, evidence.strokes, self.parts)
        work = partial(
            judge_part, crew=crew, standard=standard, day=day, zone=zone, exceptions=exceptions, areas=areas,
            quality=quality_of(passes, crew),
        )  # fmt: skip
        judged = []
        for one in map(work, parts) if self.scheduler is None else on_cluster(self.scheduler, work, parts):
            judged.append(one)
            self.progress("判定 judge", len(judged), len(parts))
        return join_parts(parts, judged)
