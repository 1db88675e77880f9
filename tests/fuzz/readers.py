"""The readers and the city file under mutations: every case ends as rows, as quarantine or as faults in words, and no row is lost."""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from etl.base import Context
from etl.load import chosen_sources, load_city, try_sources
from gis.errors import XunchaError
from layers.city import load_city_file
from layers.store import open_store
from tests.fuzz.corpus import CITY, Seed, make_corpus
from tests.fuzz.mutate import mutate

if TYPE_CHECKING:
    from collections.abc import Iterator

HANG_S = 60
UNFORESEEN = {"source.unforeseen"}


class HangError(BaseException):
    """A case took longer than it may; no handler of the program may take it for its own."""


@contextmanager
def bounded(seconds: int = HANG_S) -> Iterator[None]:
    """End what takes too long."""

    def over(*_: object) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Bench:
    """A folder with the corpus, and a folder in which one case after the other is laid out."""

    def __init__(self, folder: Path) -> None:
        self.valid, self.here = folder / "valid", folder / "here"
        self.valid.mkdir(parents=True)
        self.seeds = make_corpus(self.valid)

    def lay(self, seed: Seed, dice: random.Random) -> Path:
        """The files of a seed, one of them mutated, with a city file."""
        shutil.rmtree(self.here, ignore_errors=True)
        self.here.mkdir()
        struck = dice.choice(seed.files)
        for name in seed.files:
            body = (self.valid / name).read_bytes()
            (self.here / name).write_bytes(mutate(body, dice) if name == struck else body)
        (self.here / "city.toml").write_text(CITY + seed.source, encoding="utf-8")
        return self.here / "city.toml"

    def read(self, seed: Seed, dice: random.Random, *, stored: bool) -> str:
        """Read a mutated case (into a store of its own now and then); empty where all is well, else what went wrong."""
        city = load_city_file(self.lay(seed, dice))
        if stored:
            return self._stored(city)
        with tempfile.TemporaryDirectory(dir=self.here) as folder:
            reads, spools, faults = try_sources(chosen_sources(city, None), Context(city), Path(folder))
            told = [f"{f.code}: {f.en}" for f in faults if f.code in UNFORESEEN or not (f.zh and f.en)]
            told += [
                f"{r.record.rows_in} rows in, {len(r.frame)} of them kept"
                for _, r in reads
                if len(r.frame) > r.record.rows_in
            ]
            for _, spool in spools:
                sum(len(b) for b in spool.batches())
        return "; ".join(told)

    @staticmethod
    def _stored(city: object) -> str:
        store = open_store(city.store_url, timezone=city.timezone)  # type: ignore[attr-defined]
        try:
            store.prepare()
            before = len(store.manifests())
            try:
                made = load_city(city, store)  # type: ignore[arg-type]
            except XunchaError as error:
                bad = [f.code for f in error.faults if f.code in UNFORESEEN]
                return "; ".join(bad) or ("stored in part" if len(store.manifests()) != before else "")
            for m in made:
                if m.record.rows_in != m.inserted + m.already_present + m.quarantined:
                    return f"{m.record.rows_in} rows in, {m.inserted} + {m.already_present} + {m.quarantined} told"
            return ""
        finally:
            store.close()


def one(bench: Bench, seed: Seed, number: int, *, stored: bool) -> str:
    """One case by its number; what went wrong, with enough to make it again."""
    dice = random.Random(f"{seed.name} {number}")
    with warnings.catch_warnings(), bounded():
        warnings.simplefilter("ignore")
        try:
            return bench.read(seed, dice, stored=stored)
        except HangError:
            return f"hung for {HANG_S} s"
        except XunchaError as error:
            return "" if not stored else f"escaped: {error}"
        except Exception as error:  # noqa: BLE001 (what is looked for)
            return f"{type(error).__name__}: {error}"[:300]


def city_file(number: int, folder: Path) -> str:
    """A mutated city file: read, or told what is wrong."""
    dice = random.Random(f"city {number}")
    whole = CITY + "".join(s.source for s in dice.sample(make_sources(), 3))
    path = folder / "city.toml"
    path.write_bytes(mutate(whole.encode(), dice))
    with bounded():
        try:
            load_city_file(path)
        except HangError:
            return f"hung for {HANG_S} s"
        except XunchaError as error:
            return "" if all(f.zh and f.en for f in error.faults) else "a fault without words"
        except Exception as error:  # noqa: BLE001
            return f"{type(error).__name__}: {error}"[:300]
    return ""


def make_sources() -> list[Seed]:
    """Sources for city files; their files are not there, which a city file does not mind."""
    tables = ("road_edges", "work_grids", "positions", "persons", "cases", "areas", "checkins", "units")
    more = (
        'columns = { name = "名称" }\n',
        'time_zone = "Asia/Shanghai"\n',
        "crs = 4550\n",
        'datum = "gcj02"\n',
        'encoding = "GB18030"\n',
        "valid_from = 2026-01-01\n",
        "",
    )
    return [
        Seed(t, (), f'\n[[source]]\nname = "{t}{k}"\ntable = "{t}"\npath = "{t}.csv"\n{m}')
        for t in tables
        for k, m in enumerate(more)
    ]
