"""What one wrong cell or vertex could fill the memory with is set aside or refused when it is read."""

import geopandas as gpd
import openpyxl
import pytest
import shapely

from etl.base import Context
from etl.readers import content, reader_of
from gis.errors import InputError
from layers.city import City, Source


def read(folder, table, path):
    found = reader_of(table)(
        Source(name="s", table=table, path=path), Context(City(path=folder / "city.toml", id="x", name="x"))
    )
    assert found.record.rows_in == len(found.frame) + len(found.quarantine)
    return found


@pytest.mark.parametrize("cell", ["XFD1048576", "A1048576", "XFD2"])
def test_a_stray_cell_is_no_part_of_the_table(tmp_path, cell):
    book = openpyxl.Workbook()
    for row in (["device_id", "kind", "mode"], ["D1", "phone", "foot"], ["D2", "phone", "foot"]):
        book.active.append(row)
    book.active[cell] = "x"
    book.save(tmp_path / "d.xlsx")
    found = read(tmp_path, "devices", "d.xlsx")
    assert found.frame["device_id"].tolist() == ["D1", "D2"]
    assert found.quarantine["code"].tolist() == ["cell_stray"]


def test_giant_merges_and_bombs_are_refused(tmp_path, monkeypatch):
    book = openpyxl.Workbook()
    book.active.append(["device_id", "kind", "mode"])
    book.active.append(["D1", "phone", "foot"])
    book.active.merge_cells("A3:C3")
    book.save(tmp_path / "d.xlsx")
    assert len(read(tmp_path, "devices", "d.xlsx").frame) == 1
    monkeypatch.setattr(content, "MOST_MERGED", 2)
    with pytest.raises(InputError, match="merged range A3:C3"):
        read(tmp_path, "devices", "d.xlsx")
    monkeypatch.setattr(content, "MOST_BYTES", 100)
    with pytest.raises(InputError, match="unpacks to more"):
        read(tmp_path, "devices", "d.xlsx")


@pytest.mark.parametrize(
    ("vertex", "code"),
    [((0, 0), "vertex_zero"), ((110, 29.47), "geometry_far"), ((121.88, 80), "geometry_far"), (None, None)],
)
def test_a_grid_with_a_wrong_vertex_is_set_aside(tmp_path, vertex, code):
    boxes = [shapely.box(121.87 + i / 100, 29.47, 121.88 + i / 100, 29.48) for i in range(4)]
    if vertex is not None:
        boxes[1] = shapely.Polygon([*shapely.get_coordinates(boxes[1])[:-1], vertex])
    gpd.GeoDataFrame({"grid_id": list("ABCD")}, geometry=boxes, crs=4326).to_file(tmp_path / "g.gpkg")
    found = read(tmp_path, "work_grids", "g.gpkg")
    assert found.quarantine["code"].tolist() == ([] if code is None else [code])
    assert found.frame["grid_id"].tolist() == (list("ABCD") if code is None else list("ACD"))


def test_a_road_with_a_wrong_vertex_is_set_aside(tmp_path):
    lines = [shapely.LineString([(121.87 + i / 100, 29.47), (121.88 + i / 100, 29.47)]) for i in range(4)]
    lines[1] = shapely.LineString([(121.88, 29.47), (0, 0), (121.89, 29.47)])
    lines[2] = shapely.LineString([(121.88, 29.47), (12.89, 29.47)])
    frame = gpd.GeoDataFrame({"edge_id": list("ABCD"), "policy_class": "main"}, geometry=lines, crs=4326)
    frame.to_file(tmp_path / "r.gpkg")
    source = Source(name="s", table="road_edges", path="r.gpkg", columns={"policy_class": "policy_class"})
    found = reader_of("road_edges")(source, Context(City(path=tmp_path / "city.toml", id="x", name="x")))
    assert found.frame["edge_id"].tolist() == ["A", "D"]
    assert sorted(found.quarantine["code"]) == ["geometry_far", "vertex_zero"]


def test_the_layer_that_is_read_is_told(tmp_path):
    boxes = gpd.GeoDataFrame({"grid_id": ["A"]}, geometry=[shapely.box(121.87, 29.47, 121.88, 29.48)], crs=4326)
    boxes.to_file(tmp_path / "g.gpkg", layer="甲")
    boxes.assign(grid_id="B").to_file(tmp_path / "g.gpkg", layer="乙")
    found = read(tmp_path, "work_grids", "g.gpkg")
    assert found.frame["grid_id"].tolist() == ["A"]
    assert "读取 甲（另有 乙）" in found.record.notes[0].zh
