"""Map matching: fixes in, passes out."""

from gis.matching.matcher import Matcher
from gis.matching.settings import MatchSettings

__all__ = ["MatchSettings", "Matcher"]
