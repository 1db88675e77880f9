"""Roads: source edges to segments, responsible sections and roads."""

from gis.network.model import BACKWARD_ONLY, BOTH_WAYS, FORWARD_ONLY, Network, RoadGraph

__all__ = ["BACKWARD_ONLY", "BOTH_WAYS", "FORWARD_ONLY", "Network", "RoadGraph"]
