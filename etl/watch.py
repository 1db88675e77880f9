"""New files of a city's sources: what has changed since it was loaded is loaded, and nothing else is read."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from etl.base import matches, silent
from etl.load import load_city
from gis.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from etl.base import Progress
    from gis.errors import Fault
    from layers.city import City, Source
    from layers.store.base import Store

SETTLED_S = 2.0  # a file changed a moment ago may still be being written
_KEY = "watched files"

Stamp = tuple[int, int]


class Watch:
    """The files of a city's sources, by size and time of change.

    What was looked at is kept in the store, so that a new start goes on where the last one ended, also with files that arrive with an old
    time of change (`rsync -t`, `cp -p`). Where the store knows of none, what is older than the newest load of its source counts as loaded.
    Sources that are queries are asked each time: such a query should name a span of time. Of positions only the files that changed are
    read; any other source is read whole.

    Args:
        city: the city file.
        store: where to load to.
        clock: seconds since 1970.
    """

    def __init__(self, city: City, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._city, self._store, self._clock = city, store, clock
        self._seen: dict[Path, tuple[Stamp, float]] = {}
        kept = json.loads(store.recall(_KEY) or "{}")
        newest: dict[str, float] = {}
        for m in store.manifests():
            newest.setdefault(m.record.source, m.loaded_at.timestamp())
        self._loaded = {
            s.name: self._kept(s, kept[s.name]) if s.name in kept else self._older(s, newest.get(s.name, 0.0))
            for s in city.sources
        }

    def _kept(self, source: Source, stamps: dict[str, list[int]]) -> dict[Path, Stamp]:
        """Files as they were when they were looked at last."""
        return {f: (k[0], k[1]) for f in self._files(source) if (k := stamps.get(self._written(f))) is not None}

    def _older(self, source: Source, than_s: float) -> dict[Path, Stamp]:
        return {f: k for f, k in self._files(source).items() if k[0] / 1e9 < than_s}

    def _files(self, source: Source) -> dict[Path, Stamp]:
        out: dict[Path, Stamp] = {}
        for text in source.paths:
            for file in matches(self._city.resolve(text)):
                if file.is_file():
                    stat = file.stat()
                    out[file] = (stat.st_mtime_ns, stat.st_size)
        return out

    def load_new(self, *, progress: Progress = silent) -> int:
        """Load what has changed.

        Returns:
            Rows inserted.

        Raises:
            InputError: files cannot be read; all others were loaded, and these are tried again once they change.
        """
        rows, looked = 0, False
        faults: list[Fault] = []
        for source in self._city.sources:
            known = self._loaded[source.name]
            fresh = {f: k for f, k in self._files(source).items() if known.get(f) != k and self._settled(f, k)}
            if not fresh and source.query is None:
                continue
            inserted, wrong = self._try(source, list(fresh), progress)
            rows, faults, looked = rows + inserted, [*faults, *wrong], looked or bool(fresh)
            known |= fresh
        if looked:
            self._store.remember(_KEY, json.dumps(self._stamps(), ensure_ascii=False))
        if faults:
            raise InputError(faults)
        return rows

    def _settled(self, file: Path, stamp: Stamp) -> bool:
        """Whether a file has not changed for a while, by its own time of change or by ours (its clock may run ahead)."""
        now = self._clock()
        before, since = self._seen.get(file, (None, now))
        self._seen[file] = (stamp, since if before == stamp else now)
        return stamp[0] / 1e9 <= now - SETTLED_S or now - self._seen[file][1] >= SETTLED_S

    def _stamps(self) -> dict[str, dict[str, Stamp]]:
        return {s: {self._written(f): k for f, k in files.items()} for s, files in self._loaded.items()}

    def _try(self, source: Source, fresh: list[Path], progress: Progress) -> tuple[int, list[Fault]]:
        """Load the fresh files of a source together; where that fails, each by itself, so that only the broken ones are left out."""
        try:
            return self._load(source, fresh, progress), []
        except InputError as error:
            if source.table != "positions" or source.query is not None or len(fresh) <= 1:
                return 0, list(error.faults)
        return self._one_by_one(source, fresh, progress)

    def _one_by_one(self, source: Source, fresh: Iterable[Path], progress: Progress) -> tuple[int, list[Fault]]:
        rows = 0
        faults: list[Fault] = []
        for file in fresh:
            try:
                rows += self._load(source, [file], progress)
            except InputError as error:
                faults += error.faults
        return rows, faults

    def _load(self, source: Source, fresh: list[Path], progress: Progress) -> int:
        narrow = source
        if source.table == "positions" and source.query is None:
            narrow = source.model_copy(update={"path": tuple(self._written(f) for f in fresh)})
        only = self._city.model_copy(update={"sources": (narrow,)})
        return sum(m.inserted for m in load_city(only, self._store, progress=progress))

    def _written(self, file: Path) -> str:
        """The file as the city file would write it."""
        root = self._city.root
        return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
