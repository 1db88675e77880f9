"""What every rule of roads and grids reads of a day's passes, made once: strokes, and the cells of the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gis.strokes import network_cells, primary_segments, strokes_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from gis.coverage import Cells, Strokes
    from gis.model import Passes
    from gis.network.model import Network
    from gis.standard import Standard


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Passes on the measure of their sections, and the stretches on which gaps and rounds are counted.

    Attributes:
        strokes: of P passes, see `gis.strokes.strokes_of`.
        cells: of the network, see `gis.strokes.network_cells`.
        primary: bool (S,), see `gis.strokes.primary_segments`.
    """

    strokes: Strokes
    cells: Cells
    primary: npt.NDArray[np.bool_]


def evidence_of(network: Network, passes: Passes, standard: Standard) -> Evidence:
    """The evidence of passes on a network."""
    return Evidence(strokes_of(network, passes, standard), network_cells(network, standard), primary_segments(network))
