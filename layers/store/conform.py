"""Frames against their contract: every fault gathered and raised once."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gis.errors import Fault, InputError
from layers.contracts import TABLES, Column, Table
from layers.models import SRID

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

GEOMETRY = {"point", "line", "polygon", "geometry"}
_SHAPES = {
    "point": {"Point", "MultiPoint"},
    "line": {"LineString", "MultiLineString"},
    "polygon": {"Polygon", "MultiPolygon"},
}
_KINDS_ZH = {
    "str": "文本", "int": "整数", "float": "数值", "bool": "是/否", "time": "带时区的时间", "date": "日期",
    "point": "点", "line": "线", "polygon": "面",
}  # fmt: skip
_LON, _LAT = 180.0, 90.0


def contract(name: str, kinds: Iterable[str], *, file: str | None = None) -> Table:
    """The contract of that name and of one of these kinds.

    Raises:
        InputError: no such table.
    """
    table = TABLES.get(name)
    allowed = set(kinds)
    if table is None or table.kind not in allowed:
        names = ", ".join(t.name for t in TABLES.values() if t.kind in allowed)
        raise InputError(
            Fault(
                "table.unknown",
                f"没有名为“{name}”的数据表",
                f"no table named {name!r} here",
                f"可用：{names}",
                f"use one of: {names}",
                file,
            )
        )
    return table


class _Checker:
    """Gathers the faults of one frame."""

    def __init__(self, frame: pd.DataFrame, table: Table, file: str | None) -> None:
        self.frame, self.table, self.file = frame, table, file
        self.faults: list[Fault] = []

    def fault(
        self,
        code: str,
        column: str | None,
        zh: str,
        en: str,
        *,
        fix: tuple[str, str] = ("", ""),
        row: int | None = None,
    ) -> None:
        name = f"{self.table.zh} ({self.table.name})"
        self.faults.append(
            Fault(code, f"{name}: {zh}", f"{self.table.name}: {en}", fix[0], fix[1], self.file, row, column)
        )

    def bad_rows(
        self,
        code: str,
        column: Column,
        bad: npt.NDArray[np.bool_],
        zh: str,
        en: str,
        *,
        fix: tuple[str, str] = ("", ""),
    ) -> bool:
        """One fault for all bad rows of a column (the first is named); True where there were any."""
        count = int(bad.sum())
        if count:
            first = int(np.flatnonzero(bad)[0]) + 1
            self.fault(code, column.name, f"{zh}（{count} 行）", f"{en} ({count} rows)", fix=fix, row=first)
        return bool(count)

    def names(self) -> None:
        known = {c.name for c in self.table.columns}
        for c in self.table.columns:
            if c.name not in self.frame.columns and not c.null:
                self.fault(
                    "column.missing",
                    c.name,
                    f"缺少列“{c.zh}”",
                    "required column is missing",
                    fix=("补上此列", "add the column"),
                )
        for extra in [str(n) for n in self.frame.columns if n not in known]:
            self.fault(
                "column.unknown",
                extra,
                "多出的列",
                "column is not in the contract",
                fix=("删除或改名", "drop or rename it"),
            )
        for name in self.frame.columns[self.frame.columns.duplicated()]:
            self.fault("column.twice", str(name), "列名重复", "column appears twice")

    def column(self, c: Column) -> Any:
        """The column in its contract's dtype; faults are noted and the column left out of further checks (None)."""
        if c.name not in self.frame.columns:
            return _nulls(c, len(self.frame)) if c.null else None
        raw = self.frame[c.name]
        if not isinstance(raw, pd.Series):
            return None
        missing = raw.isna().to_numpy(bool)
        if not c.null and self.bad_rows(
            "value.null", c, missing, f"“{c.zh}”不能为空", "must not be empty", fix=("补全", "fill it in")
        ):
            return None
        return self._geometry(c, raw, missing) if c.dtype in GEOMETRY else self._values(c, raw, missing)

    def _wrong(self, c: Column, bad: npt.NDArray[np.bool_]) -> bool:
        want = _KINDS_ZH.get(c.dtype, c.dtype)
        return self.bad_rows("value.dtype", c, bad, f"“{c.zh}”应为{want}", f"must be of type {c.dtype}")

    def _values(self, c: Column, raw: pd.Series[Any], missing: npt.NDArray[np.bool_]) -> Any:
        convert = {
            "str": self._text, "int": self._integer, "float": self._number, "bool": self._truth, "time": self._moment,
            "date": self._day, "json": self._json,
        }[c.dtype]  # fmt: skip
        return convert(c, raw, missing)

    def _text(self, c: Column, raw: pd.Series[Any], missing: npt.NDArray[np.bool_]) -> Any:
        if pd.api.types.infer_dtype(raw, skipna=True) not in {"string", "empty"}:
            bad = np.fromiter((not isinstance(v, str) for v in raw), bool, len(raw)) & ~missing
            if self._wrong(c, bad):
                return None
        return raw.astype("str")

    def _integer(self, c: Column, raw: pd.Series[Any], missing: npt.NDArray[np.bool_]) -> Any:
        if pd.api.types.is_bool_dtype(raw.dtype):
            return None if self._wrong(c, np.ones(len(raw), bool)) else raw.astype("int64")
        number = pd.to_numeric(raw.where(~missing, 0), errors="coerce")
        with np.errstate(invalid="ignore"):
            bad = number.isna().to_numpy(bool) | (np.mod(number.to_numpy("float64", na_value=np.nan), 1) != 0)
        bad |= (
            np.fromiter((isinstance(v, str) for v in raw), bool, len(raw))
            if raw.dtype == object or isinstance(raw.dtype, pd.StringDtype)
            else False
        )
        if self._wrong(c, bad & ~missing):
            return None
        whole = number.astype("int64")
        return whole.astype("Int64").mask(missing) if c.null else whole

    def _number(self, c: Column, raw: pd.Series[Any], missing: npt.NDArray[np.bool_]) -> Any:
        if isinstance(raw.dtype, pd.StringDtype) or pd.api.types.is_datetime64_any_dtype(raw.dtype):
            return None if self._wrong(c, ~missing) else pd.Series(np.full(len(raw), np.nan))
        number = pd.to_numeric(raw, errors="coerce").astype("float64")
        bad = (number.isna().to_numpy(bool) & ~missing) | np.isinf(number.to_numpy())
        return None if self._wrong(c, bad) else number

    def _truth(self, c: Column, raw: pd.Series[Any], missing: npt.NDArray[np.bool_]) -> Any:
        if not pd.api.types.is_bool_dtype(raw.dtype):
            bad = np.fromiter((not isinstance(v, (bool, np.bool_)) for v in raw), bool, len(raw)) & ~missing
            if self._wrong(c, bad):
                return None
        return raw.astype("boolean") if c.null else raw.astype(bool)

    def _moment(self, c: Column, raw: pd.Series[Any], missing: npt.NDArray[np.bool_]) -> Any:
        if missing.all():
            return pd.Series(pd.array([pd.NaT] * len(raw), dtype="datetime64[ms, UTC]"))
        if isinstance(raw.dtype, pd.DatetimeTZDtype):
            return raw.dt.tz_convert("UTC").dt.as_unit("ms")
        naive = pd.api.types.is_datetime64_any_dtype(raw.dtype)
        if raw.dtype == object:
            times = [v for v, gone in zip(raw, missing, strict=True) if not gone]
            if all(isinstance(v, datetime) and v.tzinfo is not None for v in times):
                return pd.to_datetime(raw, utc=True).dt.as_unit("ms")
            naive = all(isinstance(v, datetime) for v in times)
        if naive:
            fix = ("在城市文件中声明时区", "declare the time zone in the city file")
            self.bad_rows("time.naive", c, ~missing, f"“{c.zh}”没有时区", "time has no time zone", fix=fix)
        else:
            self._wrong(c, ~missing)
        return None

    def _day(self, c: Column, raw: pd.Series[Any], missing: npt.NDArray[np.bool_]) -> Any:
        if pd.api.types.is_datetime64_any_dtype(raw.dtype):
            raw = raw.dt.date
        bad = np.fromiter((not isinstance(v, date) for v in raw), bool, len(raw)) & ~missing
        if self._wrong(c, bad):
            return None
        days = [
            None if gone else v.date() if isinstance(v, datetime) else v for v, gone in zip(raw, missing, strict=True)
        ]
        return pd.Series(days, dtype=object)

    def _json(self, c: Column, raw: pd.Series[Any], missing: npt.NDArray[np.bool_]) -> Any:
        bad = np.zeros(len(raw), bool)
        for i, (value, gone) in enumerate(zip(raw, missing, strict=True)):
            try:
                json.dumps(None if gone else value)
            except (TypeError, ValueError):
                bad[i] = True
        return None if self._wrong(c, bad) else raw.astype(object).where(~missing, None)

    def _geometry(self, c: Column, raw: pd.Series[Any], missing: npt.NDArray[np.bool_]) -> Any:
        if not isinstance(raw.dtype, gpd.array.GeometryDtype):
            self._wrong(c, ~missing if len(raw) else np.zeros(0, bool))
            return _nulls(c, len(raw)) if missing.all() else None
        crs = gpd.GeoSeries(raw).crs
        if crs is None or not crs.equals(f"EPSG:{SRID}", ignore_axis_order=True):
            name = "无" if crs is None else crs.to_string()
            fix = ("先转换到 EPSG:4326", "convert to EPSG:4326 first")
            self.fault(
                "geometry.crs",
                c.name,
                f"坐标系应为 EPSG:4326，现为{name}",
                f"CRS must be EPSG:4326, is {crs and crs.to_string()}",
                fix=fix,
            )
            return None
        shapes = shapely.force_2d(np.asarray(raw.array, object))
        box = shapely.bounds(shapes)
        with np.errstate(invalid="ignore"):
            off = np.asarray((np.abs(box) > np.array([_LON, _LAT, _LON, _LAT])).any(axis=1), bool)
        fix = ("检查坐标系", "check the CRS")
        wrong = self.bad_rows("geometry.range", c, off, "坐标不是经纬度", "coordinates are not degrees", fix=fix)
        if c.dtype in _SHAPES:
            kinds = gpd.GeoSeries(shapes).geom_type
            wrong = self._wrong(c, np.asarray(~kinds.isin(_SHAPES[c.dtype]), bool) & ~missing) or wrong
        return None if wrong else gpd.GeoSeries(shapes, crs=f"EPSG:{SRID}")

    def keys(self, columns: dict[str, Any]) -> None:
        if any(columns.get(k) is None for k in self.table.key):
            return
        keys = pd.DataFrame({k: pd.Series(columns[k]).reset_index(drop=True) for k in self.table.key})
        twice = keys.duplicated().to_numpy(bool)
        if twice.any():
            first = int(np.flatnonzero(twice)[0])
            value = " | ".join(str(v) for v in keys.iloc[first])
            key = ", ".join(self.table.key)
            self.fault(
                "key.duplicate", key, f"主键重复：{value} 等 {int(twice.sum())} 行",
                f"duplicate key: {value} and others, {int(twice.sum())} rows",
                fix=("每个主键只留一行", "keep one row a key"), row=first + 1,
            )  # fmt: skip


def _nulls(c: Column, rows: int) -> Any:
    if c.dtype in GEOMETRY:
        return gpd.GeoSeries(np.full(rows, None, object), crs=f"EPSG:{SRID}")
    kinds: dict[str, Any] = {
        "str": "str",
        "int": "Int64",
        "float": "float64",
        "bool": "boolean",
        "time": "datetime64[ms, UTC]",
    }
    kind = kinds.get(c.dtype)
    return pd.Series([None] * rows, dtype=object) if kind is None else pd.Series(pd.array([None] * rows, dtype=kind))


def conform(frame: pd.DataFrame, table: Table, *, file: str | None = None) -> pd.DataFrame:
    """The frame in its contract's columns and dtypes, rows numbered from 0. Heights are cut; columns that may be null may be left out.

    Raises:
        InputError: every fault: missing, unknown or repeated column, dtype, null, naive time, CRS, geometry type, duplicate key.
    """
    checker = _Checker(frame.reset_index(drop=True), table, file)
    checker.names()
    columns = {c.name: checker.column(c) for c in table.columns}
    checker.keys(columns)
    if checker.faults:
        raise InputError(checker.faults)
    made = pd.DataFrame(columns)
    return made if table.geometry is None else gpd.GeoDataFrame(made, geometry=table.geometry, crs=f"EPSG:{SRID}")
