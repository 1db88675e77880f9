"""Network: from road edges to segments, responsible sections and the graph that matching runs on."""

from gis.network.build import build_network
from gis.network.model import Network, RoadGraph
from gis.network.responsible import resolve_responsibilities
from gis.network.settings import NetworkSettings
from gis.network.tables import network_from_tables, network_to_tables

__all__ = [
    "Network",
    "NetworkSettings",
    "RoadGraph",
    "build_network",
    "network_from_tables",
    "network_to_tables",
    "resolve_responsibilities",
]
