"""The city file: everything that xuncha must be told of a city, typed, with every fault found at once.

`city.toml` names the sources, maps source classes to policy classes, and names the standard and the store. Paths are relative to the file;
`${NAME}` stands for an environment variable and is filled in only where it is used, so that no secret is kept, logged or hashed.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import fields
from datetime import date  # noqa: TC003 (pydantic reads it)
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gis.errors import Fault, SettingsError
from gis.model import MODES, Mode
from layers.city_faults import Faults, check_options, check_source, near
from layers.contracts import TABLES
from layers.toml_lines import Path as KeyPath
from layers.toml_lines import key_lines

Scalar = str | int | float | bool
Option = Scalar | tuple[Scalar, ...]
PolicyClass = Literal["main", "secondary", "branch", "none"]
ModeName = Literal["foot", "ebike", "vehicle"]
Datum = Literal["wgs84", "cgcs2000", "gcj02", "bd09"]
AreaKind = Literal[
    "boundary", "scope", "central", "fringe", "town", "street_important", "street_general", "urban_village", "fringe_road",
    "key_point", "back_street", "hot_area", "frontage",
]  # fmt: skip
TableName = Literal[
    "road_edges", "work_grids", "community_grids", "unit_grids", "areas", "units", "persons", "devices", "assignments",
    "responsibilities", "exceptions", "cases", "checkins", "scenes", "positions",
]  # fmt: skip

POSITION_COLUMNS = ("device_id", "time", "arrived", "lon", "lat")
PLACE_COLUMNS = ("lon", "lat", "x", "y", "wkt")  # how tables without a geometry column say where
EXTRA_COLUMNS: dict[str, tuple[str, ...]] = {
    "positions": (*POSITION_COLUMNS, *PLACE_COLUMNS, "date", "mode", "speed", "accuracy"),
    "checkins": (*PLACE_COLUMNS, "date", "person_name", "place_name"),
    "cases": (*PLACE_COLUMNS, "on_time"),
    "areas": PLACE_COLUMNS,
    "road_edges": ("wkt",),
    "work_grids": ("wkt",),
    "community_grids": ("wkt",),
    "unit_grids": ("wkt",),
    "assignments": ("person_name",),
    "responsibilities": ("person_name", "persons", "text", "unit_id"),
    "exceptions": ("person_name",),
    "persons": ("unit_name",),
}

OF_THE_STANDARD = frozenset({"each_side"})  # of the network step, but the standard says it
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def allowed_columns(table: str) -> tuple[str, ...]:
    """Contract columns that `columns` and `constants` of a source of this table may name."""
    contract = tuple(c.name for c in TABLES[table].columns) if table in TABLES else ()
    return (*contract, *(c for c in EXTRA_COLUMNS.get(table, ()) if c not in contract))


def variables_in(text: str) -> list[str]:
    """Environment variables that a text asks for."""
    return _VARIABLE.findall(text)


def expand(text: str) -> str:
    """The text with its environment variables filled in.

    Raises:
        KeyError: a variable is not set (`load_city_file` has checked them all).
    """
    return _VARIABLE.sub(lambda m: os.environ[m.group(1)], text)


class _Part(BaseModel):
    """Frozen; an unknown key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")


P = TypeVar("P", bound=_Part)


class Source(_Part):
    """One source of one table: a file, a glob of files, or a read-only query."""

    name: str = Field(
        description="来源名称，清单与隔离表中使用 | name of the source, used in the manifest", min_length=1
    )
    table: TableName = Field(description="装入哪张表 | the table that it fills")
    path: str | tuple[str, ...] | None = Field(
        default=None,
        description="文件路径，可用 *、? 与 ${变量}；多个文件写成列表 | path, relative to this file; wildcards allowed",
    )
    query: str | None = Field(default=None, description="只读 SQL 查询（与 database 同用） | read-only SQL query")
    database: str | None = Field(
        default=None, description="数据库地址，口令放环境变量 | database URL, the password in a variable"
    )
    format: Literal[
        "auto", "shp", "gpkg", "geojson", "geoparquet", "osm", "graphml", "csv", "parquet", "xlsx", "gpx", "sql", "raster"
    ] = Field(default="auto", description="格式，默认按扩展名 | format, by the file's ending")  # fmt: skip
    encoding: str | None = Field(
        default=None, description="属性编码，如 GB18030；默认自动识别 | encoding, detected by default"
    )
    crs: str | int | None = Field(
        default=None, description="坐标系：EPSG 代号、WKT 或 local（见 control_points） | EPSG code, WKT or `local`"
    )
    control_points: tuple[tuple[float, float, float, float], ...] = Field(
        default=(), description="地方坐标系控制点 [x, y, lon, lat] | control points [x, y, lon, lat] of a local grid"
    )
    control_fit: Literal["helmert", "affine"] = Field(
        default="helmert", description="控制点拟合：四参数或仿射 | how control points are fitted"
    )
    datum: Datum = Field(
        default="wgs84", description="基准：wgs84、cgcs2000、gcj02、bd09 | datum or map offset of the source"
    )
    layer: str | None = Field(default=None, description="图层名（GeoPackage） | layer name")
    sheet: str | int | None = Field(default=None, description="工作表名或序号（XLSX） | worksheet")
    header_row: int = Field(default=1, ge=1, description="表头所在行（CSV、XLSX） | row of the headings")
    delimiter: str | None = Field(default=None, description="CSV 分隔符，默认自动识别 | delimiter, detected by default")
    columns: dict[str, str] = Field(
        default_factory=dict, description="合同列 = 来源列 | contract column = source column"
    )
    constants: dict[str, Scalar] = Field(
        default_factory=dict, description="合同列 = 固定值 | contract column = one value for all rows"
    )
    translate: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="合同列 = {来源值 = 合同值} | contract column = {source value = our value}"
    )
    time_zone: str | None = Field(default=None, description="无时区时间的时区 | zone of times that name none")
    time_format: str | None = Field(default=None, description="时间格式（strptime） | format of times")
    valid_from: date | None = Field(default=None, description="自何日起有效 | in force from this local day on")
    kind: AreaKind | None = Field(default=None, description="区域类型（仅 areas） | kind of area (only areas)")
    mode: ModeName | None = Field(
        default=None, description="默认出行方式（devices、assignments） | mode of rows that name none"
    )
    default_place: tuple[tuple[float, float], ...] = Field(
        default=(), description="系统默认坐标 [lon, lat]，不可信 | default points of the source system, not trusted"
    )
    acquired: date | None = Field(default=None, description="影像日期 | date of the scene")
    sensor: str | None = Field(default=None, description="传感器 | sensor")
    bands: dict[str, str | int] = Field(
        default_factory=dict, description="波段角色 = 序号、文件或 文件#序号 | role = index, file or file#index"
    )
    nodata: float | None = Field(default=None, description="无数据值 | no-data value")
    cloud_mask: str | None = Field(default=None, description="云掩膜文件 | cloud mask file")
    cloud_values: tuple[int, ...] = Field(
        default=(), description="掩膜中表示云的值 | values of the mask that mean cloud"
    )

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths as written."""
        return () if self.path is None else (self.path,) if isinstance(self.path, str) else self.path

    @property
    def where(self) -> str:
        """What messages call this source: its path as written, or its name."""
        return ", ".join(self.paths) or self.name

    def source_column(self, column: str) -> str:
        """Name of a contract column in the source: as mapped, else its own name."""
        return self.columns.get(column, column)


class Store(_Part):
    """Where the platform keeps its tables."""

    url: str = Field(
        default="embedded:./store",
        description="embedded:./store 或 postgresql://… | a folder, or a PostgreSQL database",
    )


class Standard(_Part):
    """Which standard judges this city."""

    name: str | None = Field(
        default=None, description="内置标准名，如 xiangshan-2019 | name of a standard that comes with xuncha"
    )
    path: str | None = Field(default=None, description="自有标准文件 | a standard file of one's own")


class Roads(_Part):
    """From source classes to policy classes."""

    classes: dict[str, PolicyClass] = Field(
        default_factory=dict,
        description="来源等级 = main、secondary、branch、none;* 为其余 | source class = policy class; `*` for the rest",
    )


class Counting(_Part):
    """What counts as patrol."""

    unassigned: bool = Field(
        default=False, description="未登记设备是否计入 | whether devices that no roster knows count as patrol"
    )
    unassigned_mode: ModeName = Field(
        default="vehicle", description="未登记设备按何种方式判定车速 | mode by which their speed is judged"
    )
    unassigned_modes: tuple[ModeName, ...] = Field(
        default=("foot", "ebike", "vehicle"), description="哪些方式的未登记设备计入 | which modes of them count"
    )

    @property
    def counted_modes(self) -> tuple[Mode, ...]:
        """Modes whose devices count although no roster knows them; empty: none."""
        return tuple(MODES[m] for m in self.unassigned_modes) if self.unassigned else ()


class Map(_Part):
    """An optional base map; without one everything is drawn offline from the city's own layers."""

    tiles: str | None = Field(default=None, description="底图瓦片地址模板 | tile URL template")
    attribution: str | None = Field(default=None, description="底图署名 | attribution")


class City(_Part):
    """A city as its file describes it. `root` is the folder of the file."""

    path: Annotated[Path, Field(exclude=True)]
    id: str = Field(description="城市代号（字母、数字、-） | id", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    name: str = Field(description="名称 | name in Chinese", min_length=1)
    name_en: str = Field(default="", description="英文名 | name in English")
    timezone: str = Field(default="Asia/Shanghai", description="当地时区 | local time zone")
    metric_crs: str | int | None = Field(
        default=None,
        description="计算用投影，默认按数据选 CGCS2000 三度带 | metric CRS, chosen from the data by default",
    )
    language: Literal["zh", "en"] = Field(default="zh", description="首选语言 | first language")
    store: Store = Field(default_factory=Store)
    standard: Standard = Field(default_factory=Standard)
    sources: tuple[Source, ...] = ()
    roads: Roads = Field(default_factory=Roads)
    counting: Counting = Field(default_factory=Counting)
    matching: dict[str, Option] = Field(default_factory=dict)
    network: dict[str, Option] = Field(default_factory=dict)
    map: Map = Field(default_factory=Map)

    @property
    def root(self) -> Path:
        """Folder of the city file: what its paths are relative to."""
        return self.path.parent

    @property
    def zone(self) -> ZoneInfo:
        """Local time zone."""
        return ZoneInfo(self.timezone)

    @property
    def store_url(self) -> str:
        """The store's URL with variables filled in; an embedded folder is made absolute."""
        url = expand(self.store.url)
        scheme, _, rest = url.partition(":")
        return f"embedded:{(self.root / rest).resolve()}" if scheme == "embedded" else url

    def resolve(self, written: str) -> Path:
        """The path that a text of the city file means."""
        return self.root / Path(expand(written)).expanduser()

    def of_table(self, table: str) -> tuple[Source, ...]:
        """Sources of one table, in the order of the file."""
        return tuple(s for s in self.sources if s.table == table)


_TABLES_OF_FILE = ("city", "store", "standard", "roads", "counting", "matching", "network", "map", "source", "overlay")


def load_city_file(path: Path | str) -> City:
    """Read and validate a city file.

    Raises:
        SettingsError: the file is missing, is no TOML, or breaks a rule; every fault carries its line and key.
    """
    path = Path(path)
    raw, lines = _parse(path)
    faults = Faults(path.name, lines)
    for key in raw:
        if key not in _TABLES_OF_FILE:
            similar = near(key, _TABLES_OF_FILE) or list(_TABLES_OF_FILE)
            faults.add((key,), "city.unknown_key", f"没有名为 {key} 的表", f"there is no table {key}",
                       fix=(f"可用：{'、'.join(similar)}", f"known: {', '.join(similar)}"))  # fmt: skip
    parts = {
        "store": _part(faults, raw, "store", Store),
        "standard": _part(faults, raw, "standard", Standard),
        "roads": _part(faults, raw, "roads", Roads),
        "counting": _part(faults, raw, "counting", Counting),
        "map": _part(faults, raw, "map", Map),
        "matching": raw.get("matching", {}),
        "network": raw.get("network", {}),
        "sources": _sources(faults, raw),
    }
    _check_steps(faults, raw)
    city = _city(faults, raw, path, parts)
    if faults.found or city is None:
        raise SettingsError(sorted(faults.found, key=lambda f: f.row or 0))
    return city


def _parse(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The tables of the file and the line of each key."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text), key_lines(text)
    except FileNotFoundError:
        fault = Fault("city.file", "找不到城市文件", "there is no such city file", "先运行 xuncha init 目录",
                      "run xuncha init DIR first", file=str(path))  # fmt: skip
    except UnicodeDecodeError as error:
        fault = Fault("city.encoding", "城市文件不是 UTF-8", "the city file is not UTF-8", "另存为 UTF-8",
                      "save it as UTF-8", file=path.name, row=path.read_bytes()[: error.start].count(b"\n") + 1)  # fmt: skip
    except tomllib.TOMLDecodeError as error:
        row = re.search(r"line (\d+)", str(error))
        fault = Fault("city.syntax", f"不是合法的 TOML：{error}", f"no valid TOML: {error}", "检查引号、括号与重复的键",
                      "check quotes, brackets and repeated keys", file=path.name, row=int(row.group(1)) if row else None)  # fmt: skip
    raise SettingsError(fault)


def option_names(table: Literal["matching", "network"]) -> list[str]:
    """Options that [matching] or [network] may hold: those of the step that reads them (imported only when asked for)."""
    if table == "matching":
        from gis.matching import MatchSettings  # noqa: PLC0415 (it compiles kernels)

        return [f.name for f in fields(MatchSettings)]
    from gis.network import NetworkSettings  # noqa: PLC0415

    return [f.name for f in fields(NetworkSettings) if f.name not in OF_THE_STANDARD]


def _check_steps(faults: Faults, raw: dict[str, Any]) -> None:
    if "matching" in raw:
        check_options(faults, "matching", raw["matching"], option_names("matching"))
    if "network" in raw:
        check_options(faults, "network", raw["network"], option_names("network"))


def _part(faults: Faults, raw: dict[str, Any], key: str, model: type[P]) -> P | None:
    try:
        return model.model_validate(raw.get(key, {}))
    except ValidationError as error:
        faults.add_pydantic((key,), error.errors(), model.model_fields)
        return None


def _sources(faults: Faults, raw: dict[str, Any]) -> tuple[Source, ...]:
    """Sources and overlays (sources of areas), each checked by itself, names unique."""
    out: list[Source] = []
    for key in ("source", "overlay"):
        entries = raw.get(key, [])
        if not isinstance(entries, list):
            faults.add((key,), "city.value", f"应写成 [[{key}]]", f"must be written [[{key}]]")
            continue
        for place, entry in enumerate(entries):
            at: KeyPath = (key, place)
            fixed = {"table": "areas"} if key == "overlay" else {}
            try:
                source = Source.model_validate({**fixed, **entry})
            except ValidationError as error:
                faults.add_pydantic(at, error.errors(), Source.model_fields)
                continue
            check_source(faults, at, source, allowed_columns(source.table))
            if source.name in {s.name for s in out}:
                faults.add(
                    (*at, "name"),
                    "city.twice",
                    f"来源名 {source.name} 重复",
                    f"source name {source.name} is used twice",
                )
            out.append(source)
    return tuple(out)


def _city(faults: Faults, raw: dict[str, Any], path: Path, parts: dict[str, Any]) -> City | None:
    head = raw.get("city", {})
    own = {"id", "name", "name_en", "timezone", "metric_crs", "language"}
    if not isinstance(head, dict):
        head = {}
    for key in head:
        if key not in own:
            similar = near(key, own) or sorted(own)
            faults.add(("city", key), "city.unknown_key", f"没有名为 {key} 的设置", f"there is no setting {key}",
                       fix=(f"可用：{'、'.join(similar)}", f"known: {', '.join(similar)}"))  # fmt: skip
    known = {k: v for k, v in head.items() if k in own}
    _check_head(faults, known)
    _check_store(faults, parts["store"])
    standard = parts["standard"]
    if standard and (standard.name is None) == (standard.path is None):
        faults.add(("standard",), "city.standard", "须写明标准 name 或 path 之一", "name one standard: name or path",
                   fix=('如 name = "xiangshan-2019"', 'such as name = "xiangshan-2019"'))  # fmt: skip
    try:
        return City.model_validate({"path": path, **known, **{k: v for k, v in parts.items() if v is not None}})
    except ValidationError as error:
        inner = [e for e in error.errors() if e["loc"][0] in own]
        faults.add_pydantic(("city",), inner, own)
        faults.add_pydantic((), [e for e in error.errors() if e["loc"][0] not in own], ())
        return None


def _check_head(faults: Faults, head: dict[str, Any]) -> None:
    """Time zone and metric CRS must be known."""
    if isinstance(head.get("timezone", ""), str):
        faults.check_zone(("city", "timezone"), head.get("timezone", "Asia/Shanghai"))
    if isinstance(head.get("metric_crs"), str | int):
        faults.check_crs(("city", "metric_crs"), head["metric_crs"], projected=True)


def _check_store(faults: Faults, store: Store | None) -> None:
    """A store is a folder or a PostgreSQL database."""
    if store is None:
        return
    faults.check_variables(("store", "url"), variables_in(store.url))
    if not store.url.startswith(("embedded:", "postgresql://", "postgresql+psycopg://", "${")):
        scheme = store.url.partition(":")[0]  # never the whole: it may hold a password
        faults.add(("store", "url"), "city.store", f"无法识别存储地址 {scheme}:…", f"unknown store {scheme}:…",
                   fix=("embedded:./store 或 postgresql://…", "embedded:./store or postgresql://…"))  # fmt: skip
