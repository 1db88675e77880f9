"""The sample county: an invented coastal county, complete enough to run everything without any data of one's own."""

from etl.sample.write import sample_days, write_sample_county

__all__ = ["sample_days", "write_sample_county"]
