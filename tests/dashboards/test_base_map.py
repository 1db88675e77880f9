"""A base map of the county's own: a PMTiles file beside the city file, served by the application and drawn under the layers."""

from __future__ import annotations

import io
import json
import struct
from types import SimpleNamespace

import pytest
from conftest import Visitor, serving, sign_in
from PIL import Image
from town import CITY

from dashboards.app import create_app
from dashboards.server import city_settings
from dashboards.settings import BaseMap, DeskSettings

GREEN = (40, 160, 90)


def archive() -> bytes:
    """A PMTiles v3 archive of one tile: the whole world in one colour (specification: github.com/protomaps/PMTiles, spec/v3)."""
    tile = io.BytesIO()
    Image.new("RGB", (256, 256), GREEN).save(tile, "PNG")
    body, meta = tile.getvalue(), json.dumps({"name": "test"}).encode()
    length = bytes([len(body) & 127 | 128, len(body) >> 7])  # a varint of two bytes
    root = bytes([1, 0, 1]) + length + bytes([1])  # one entry: tile 0, run of one, its length, offset 0 (+ 1)
    at_meta = 127 + len(root)
    at_tiles = at_meta + len(meta)
    places = struct.pack("<11Q", 127, len(root), at_meta, len(meta), 0, 0, at_tiles, len(body), 1, 1, 1)
    kinds = bytes([1, 1, 1, 2, 0, 0])  # clustered, nothing compressed, PNG, zoom 0 to 0
    bounds = (
        struct.pack("<4i", -1_800_000_000, -850_000_000, 1_800_000_000, 850_000_000)
        + bytes([0])
        + struct.pack("<2i", 0, 0)
    )
    head = b"PMTiles" + bytes([3]) + places + kinds + bounds
    assert len(head) == 127
    return head + root + meta + body


def test_the_city_file_says_which_kind(tmp_path):
    def base(tiles):
        city = SimpleNamespace(
            language="zh",
            timezone="Asia/Shanghai",
            map=SimpleNamespace(tiles=tiles, attribution="县局"),
            resolve=tmp_path.joinpath,
        )
        return city_settings(city, DeskSettings()).base_map

    assert base("https://tiles.example/{z}/{x}/{y}.png").kind == "raster"
    assert base("https://tiles.example/county.pmtiles") == BaseMap(
        "pmtiles", "https://tiles.example/county.pmtiles", "县局"
    )
    assert base("base.pmtiles") == BaseMap("pmtiles", "/basemap.pmtiles", "县局", path=str(tmp_path / "base.pmtiles"))


@pytest.mark.browser
def test_a_file_of_the_countys_own_lies_under_the_layers(chromium, built, town_store, tmp_path):
    path = tmp_path / "base.pmtiles"
    path.write_bytes(archive())
    settings = DeskSettings(base_map=BaseMap("pmtiles", "/basemap.pmtiles", "县局", path=str(path)))
    with serving(create_app(town_store, CITY, settings)) as server:
        part = sign_in(server.url, "admin").get("/basemap.pmtiles", headers={"Range": "bytes=0-6"})
        assert (part.status_code, part.content) == (206, b"PMTiles")
        v = Visitor(chromium, server.url).sign_in("admin").open("/")
        v.map_drawn("home-map")
        v.page.wait_for_timeout(800)
        seen = max(
            v.colours("#home-map .xm-canvas"), key=lambda c: 2 * c[1] - c[0] - c[2]
        )  # laid over the ground at 85 %
        assert seen[1] > seen[0] + 60
        assert v.complaints == []
        v.context.close()
