"""Remote sensing for the planner: figures per grid, and the scene itself as an image over its bounds."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from gis.errors import Fault, InputError
from gis.zonal import INDICES
from layers.symbology import LAYERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

Bounds = tuple[float, float, float, float]
MERCATOR, DEGREES = "EPSG:3857", "EPSG:4326"
LONGEST_PX = 1400
STRETCH = (2.0, 98.0)
KINDS = ("colour", "ndvi")
# Bands shown as red, green, blue: natural where there are all three, else what makes vegetation green.
COMPOSITES = (("red", "green", "blue"), ("swir", "nir", "red"), ("nir", "red", "green"), ("nir", "red", "red"))


def zonal_values(
    zonal: pd.DataFrame, grids: pd.DataFrame, *, scene_id: str, column: str, measure: str = "ndvi"
) -> pd.Series:
    """A figure of a scene (`mean`, `share`) in the order of the grids; NaN where the scene says nothing."""
    if not len(zonal):
        return pd.Series(np.nan, index=range(len(grids)))
    rows = zonal[(zonal["scene_id"] == scene_id) & (zonal["measure"] == measure)].drop_duplicates("grid_id")
    return grids["grid_id"].map(rows.set_index("grid_id")[column]).astype(float).reset_index(drop=True)


def change_values(change: pd.DataFrame, grids: pd.DataFrame, *, column: str, measure: str = "ndvi") -> pd.Series:
    """A figure of the change between the latest two scenes in the order of the grids."""
    if not len(change):
        return pd.Series(np.nan, index=range(len(grids)))
    rows = change[change["measure"] == measure]
    rows = (
        rows[(rows["before_id"] == rows["before_id"].iloc[-1]) & (rows["after_id"] == rows["after_id"].iloc[-1])]
        if len(rows)
        else rows
    )
    return (
        grids["grid_id"]
        .map(rows.drop_duplicates("grid_id").set_index("grid_id")[column])
        .astype(float)
        .reset_index(drop=True)
    )


def grid_statistics(zonal: pd.DataFrame, change: pd.DataFrame, grids: pd.DataFrame, *, scene_id: str) -> pd.DataFrame:
    """One row a grid, greatest change of NDVI first: grid_id, name, mean, share, valid_share, mean_change, loss_share, gain_share."""
    out = pd.DataFrame({"grid_id": grids["grid_id"].astype(str), "name": grids["name"].astype(object)}).reset_index(
        drop=True
    )
    for column in ("mean", "share", "valid_share"):
        out[column] = zonal_values(zonal, grids, scene_id=scene_id, column=column)
    for column in ("mean_change", "loss_share", "gain_share"):
        out[column] = change_values(change, grids, column=column)
    order = out["mean_change"].abs().fillna(-1.0)
    return out.iloc[np.argsort(-order.to_numpy(), kind="stable")].reset_index(drop=True)


def composite(bands: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Roles shown as red, green and blue; None where the scene has none of them."""
    return next((roles for roles in COMPOSITES if set(roles) <= set(bands)), None)


def kinds_of(bands: Mapping[str, Any]) -> list[str]:
    """Images that a scene can give: colour, ndvi."""
    ndvi = set(INDICES["ndvi"]) <= set(bands)
    return [k for k, there in (("colour", composite(bands) is not None), ("ndvi", ndvi)) if there]


def _warped(city: Any, at: Mapping[str, Any], nodata: float | None) -> tuple[npt.NDArray[np.float64], Bounds]:
    """A band in web mercator, at most LONGEST_PX a side, NaN for no value; and its bounds in degrees.

    Raises:
        InputError: the file is gone or damaged.
    """
    path = city.resolve(at["path"])
    try:
        with rasterio.open(path) as source:
            none = source.nodata if nodata is None or np.isnan(nodata) else nodata
            with WarpedVRT(source, crs=MERCATOR, src_nodata=none, nodata=none, resampling=Resampling.bilinear) as vrt:
                factor = max(1.0, max(vrt.height, vrt.width) / LONGEST_PX)
                shape = (max(1, round(vrt.height / factor)), max(1, round(vrt.width / factor)))
                cells = vrt.read(int(at["index"]), out_shape=shape, masked=True).astype(np.float64)
                return cells.filled(np.nan), transform_bounds(MERCATOR, DEGREES, *vrt.bounds)
    except rasterio.errors.RasterioError as error:
        fault = Fault(
            "scene.unreadable", f"影像无法读取：{error}", f"the scene cannot be read: {error}", file=path.name
        )
        raise InputError(fault) from error


def scene_bounds(city: Any, scene: Mapping[str, Any]) -> Bounds:
    """West, south, east, north of the image of a scene.

    Raises:
        InputError: the file is gone or damaged.
    """
    at = dict(scene["bands"])[kinds_roles(scene)[0]]
    path = city.resolve(at["path"])
    try:
        with rasterio.open(path) as source, WarpedVRT(source, crs=MERCATOR) as vrt:
            bounds: Bounds = transform_bounds(MERCATOR, DEGREES, *vrt.bounds)
            return bounds
    except rasterio.errors.RasterioError as error:
        fault = Fault(
            "scene.unreadable", f"影像无法读取：{error}", f"the scene cannot be read: {error}", file=path.name
        )
        raise InputError(fault) from error


def kinds_roles(scene: Mapping[str, Any]) -> tuple[str, ...]:
    """The bands that the images of a scene are made of."""
    bands = dict(scene["bands"])
    return composite(bands) or tuple(r for r in INDICES["ndvi"] if r in bands) or tuple(bands)


def stretch(cells: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Values between the 2nd and the 98th percentile of all bands as 0 … 255, so that colours stay true to each other; NaN as 0."""
    known = cells[~np.isnan(cells)]
    low, high = np.percentile(known, STRETCH) if len(known) else (0.0, 1.0)
    share = (np.nan_to_num(cells, nan=low) - low) / max(high - low, 1e-9)
    return np.asarray(np.clip(share, 0, 1) * 255, dtype=np.uint8)


def coloured(values: npt.NDArray[np.float64], layer_id: str) -> npt.NDArray[np.uint8]:
    """Values as the colours of a layer's legend: (4, rows, columns) red, green, blue, opacity; nothing where NaN."""
    layer = LAYERS[layer_id]
    keys = layer.classify(pd.Series(values.ravel())).reshape(values.shape)
    out = np.zeros((4, *values.shape), dtype=np.uint8)
    for c in layer.classes:
        here = keys == c.key
        for band, at in enumerate((1, 3, 5)):
            out[band][here] = int(c.color[at : at + 2], 16)
        out[3][here] = 255
    return out


def scene_image(city: Any, scene: Mapping[str, Any], kind: str) -> bytes:
    """A scene as PNG in web mercator (`scene_bounds` says where it lies): `colour`, or `ndvi` in the colours of its legend.

    Raises:
        InputError: the scene cannot give this image, or a file is gone.
    """
    bands = dict(scene["bands"])
    if kind not in kinds_of(bands):
        raise InputError(Fault("scene.kind", f"影像没有 {kind} 图", f"the scene gives no {kind} image"))
    nodata = scene["nodata"]
    roles = INDICES["ndvi"] if kind == "ndvi" else composite(bands) or ()
    cells = {role: _warped(city, bands[role], nodata)[0] for role in dict.fromkeys(roles)}
    if kind == "ndvi":
        near, red = (cells[r] for r in INDICES["ndvi"])
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = coloured(np.where(near + red == 0, np.nan, (near - red) / (near + red)), "ndvi")
    else:
        known = ~np.logical_or.reduce([np.isnan(cells[r]) for r in roles])
        pixels = np.concatenate([stretch(np.stack([cells[r] for r in roles])), known[None].astype(np.uint8) * 255])
    return png(pixels)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Red, green, blue and opacity (4, rows, columns) as a PNG file (ISO/IEC 15948: 8 bits, truecolour with alpha, no filter)."""
    _, height, width = pixels.shape
    lines = np.zeros((height, 1 + 4 * width), dtype=np.uint8)  # each line begins with its filter type, 0
    lines[:, 1:] = np.moveaxis(pixels, 0, -1).reshape(height, 4 * width)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(lines.tobytes(), 6)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
