"""Map matching: fixes in, passes out."""

from gis.matching.matcher import Matcher
from gis.matching.settings import SPARSE, MatchSettings

__all__ = ["SPARSE", "MatchSettings", "Matcher"]
