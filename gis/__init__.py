"""Pure analytics: arrays and GeoDataFrames in, tables out; no files, no database, no network, no clock."""
