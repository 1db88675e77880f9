"""Exports: CSV, JSON, workbook, GeoPackage, GeoJSON, offline map and report, all from the same views."""

from dashboards.exports.run import FORMATS, export_days

__all__ = ["FORMATS", "export_days"]
