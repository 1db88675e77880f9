"""One tokenizer for CSV: quotes open and close where they should, nothing is swallowed, torn or lost, every line is accounted for."""

import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.base import Context
from etl.readers import position_reader, reader_of, tabular
from etl.readers.csv_records import read_heading, read_records
from gis.errors import InputError
from layers.city import City, Source

HEAD = "device_id,time,lon,lat,note\n"


def row(minute, note="x", device="d1"):
    return f"{device},2026-03-18 08:{minute:02d}:00,121.87,29.47,{note}\n"


def context(folder):
    return Context(City(path=folder / "city.toml", id="x", name="x"))


def positions(folder, text, name="p.csv", **more):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(data)
    source = Source(name="p", table="positions", path=name, time_zone="Asia/Shanghai", **more)
    found = position_reader()(source, context(folder))
    stored = sum(len(t) for t in found.batches)
    aside, record = found.quarantine(), found.record()
    assert record.rows_in == stored + len(aside)
    return stored, [(r, c) for r, c in zip(aside["row"], aside["code"], strict=True)]


ROWS = [row(i) for i in range(9)]


@pytest.mark.parametrize(
    ("lines", "stored", "aside"),
    [
        ([row(0), row(1, '"巡'), *ROWS[2:]], 8, [(3, "quote_open")]),  # swallowed all that followed
        (
            [row(0), row(1, '"巡'), *ROWS[2:5], row(5, 'x"'), *ROWS[6:]],
            8,
            [(3, "quote_open")],
        ),  # two of them: all between
        ([row(0), row(1, '"巡'), row(2, 'x"'), *ROWS[3:]], 8, [(3, "quote_open")]),
        ([row(i, '"5 寸') for i in range(3)], 0, [(2, "quote_open"), (3, "quote_open"), (4, "quote_open")]),
        ([row(0, '5" 屏'), row(1, "a"), row(2, '"b" 号')], 3, []),  # marks that open nothing
        ([row(0, '"a\nb"'), row(1)], 2, []),
        ([row(0, '"a\r\n\r\nb, c"'), row(1, '"巡')], 1, [(5, "quote_open")]),
        ([row(0, '"说""好""的"'), row(1)], 2, []),
        ([row(0), "d1,2026-03-18 08:2"], 1, [(3, "row_broken")]),  # the logger is still writing
        ([row(0), "共1条\n"], 1, [(3, "row_broken")]),
        ([row(0), "\x1a"], 1, [(3, "row_broken")]),
        ([row(0), row(1, "a\0b"), row(2)], 2, [(3, "text_nul")]),
        ([row(0), row(1).strip() + ",z\n", "\n", row(2)], 2, [(3, "row_broken")]),
        ([row(0, '"a\nb"').rstrip("\n")], 1, []),  # no line end behind it
        ([row(0), row(1, '"' + "0" * 140_000 + '"'), row(2, '"a\nb"')], 2, [(3, "row_broken")]),
    ],
)
def test_every_line_is_accounted_for(tmp_path, monkeypatch, lines, stored, aside):
    assert positions(tmp_path, HEAD + "".join(lines)) == (stored, aside)
    monkeypatch.setattr(tabular, "BLOCK_BYTES", 64)
    assert positions(tmp_path, HEAD + "".join(lines)) == (stored, aside)


def test_small_tables_use_the_same_tokenizer(tmp_path):
    (tmp_path / "d.csv").write_bytes(
        b'device_id,kind,mode\nD1,phone,foot\nD2,"phone,foot\nD3,phone,foot\nD4,phone,"foot\nD5,phone,foot\nD\x006,phone,foot\n'
        b'D7,"' + b"0" * 140_000 + b'",foot\n"D\n8",phone,foot\n'
    )
    found = reader_of("devices")(Source(name="d", table="devices", path="d.csv"), context(tmp_path))
    assert found.frame["device_id"].tolist() == ["D1", "D3", "D5", "D\n8"]
    aside = list(zip(found.quarantine["row"], found.quarantine["code"], strict=True))
    assert aside == [(3, "quote_open"), (5, "quote_open"), (7, "text_nul"), (8, "row_broken")]
    assert found.record.rows_in == 8


def test_headings_with_line_breaks_and_separator_lines(tmp_path):
    text = 'sep=;\n"设备\n编号";kind;mode\nD1;phone;foot\n;phone;foot\n'
    (tmp_path / "d.csv").write_text(text)
    source = Source(name="d", table="devices", path="d.csv", columns={"device_id": "设备 编号"})
    found = reader_of("devices")(source, context(tmp_path))
    assert found.frame["device_id"].tolist() == ["D1"]
    assert found.quarantine["row"].tolist() == [5]
    stored, aside = positions(tmp_path, '"device_id","time","lon","lat","no\nte"\n' + row(0) + row(1, '"'))
    assert (stored, aside) == (1, [(4, "quote_open")])


def test_a_line_without_end_is_no_table(tmp_path, monkeypatch):
    monkeypatch.setattr(tabular, "BLOCK_BYTES", 1 << 16)
    endless = b"0" * (6 << 20)
    for data in (endless, HEAD.encode() + endless):
        with pytest.raises(InputError, match="longer than 4 MiB"):
            positions(tmp_path, gzip.compress(data), "p.csv.gz")


CELL = st.text(st.sampled_from('ab",\n\r巡 '), max_size=6)


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=12), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_what_a_writer_wrote_is_read_back(rows, size):
    """Files as `csv` writes them: records are whole whatever the blocks; what looks like rows inside quotes is told, never stored otherwise."""
    rows = [[c.replace("\r", "") for c in r] for r in rows]
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(rows)
    lines = out.getvalue().split("\n")[:-1]
    whole, used = read_records(lines, ",", 3)
    assert used == len(lines)
    if not any("," in "".join(r) and "\n" in "".join(r) for r in rows):
        assert [[c.replace("\r", "") for c in r.cells] for r in whole] == rows
    got, rest, at = [], [], 0
    while at < len(lines) or rest:
        block = rest + lines[at : at + size]
        at += size
        records, taken = read_records(block, ",", 3, final=at >= len(lines))
        got += [r.cells for r in records]
        rest = block[taken:]
    assert got == [r.cells for r in whole]


def test_an_open_heading_is_its_line():
    assert read_heading(iter(['"a,b\n', "c\n"]), 1, None).lines >= 1
    assert read_heading(iter([]), 1, None) is None
    assert read_heading(iter(["\n"]), 1, None) is None
