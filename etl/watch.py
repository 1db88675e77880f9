"""New files of a city's sources: what has changed since it was loaded is loaded, and nothing else is read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etl.base import matches, silent
from etl.load import load_city
from gis.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from etl.base import Progress
    from layers.city import City, Source
    from layers.store.base import Store

SETTLED_S = 2.0  # a file changed a moment ago may still be being written

Stamp = tuple[int, int]


class Watch:
    """The files of a city's sources, by size and time of change.

    What is older than the newest load of its source counts as loaded. Sources that are queries are asked each time: such a query should
    name a span of time. Of positions only the files that changed are read; any other source is read whole.

    Args:
        city: the city file.
        store: where to load to.
        clock: seconds since 1970.
    """

    def __init__(self, city: City, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._city, self._store, self._clock = city, store, clock
        newest: dict[str, float] = {}
        for m in store.manifests():
            newest.setdefault(m.record.source, m.loaded_at.timestamp())
        self._loaded = {
            s.name: {f: k for f, k in self._files(s).items() if k[0] / 1e9 < newest.get(s.name, 0.0)}
            for s in city.sources
        }

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
            InputError: sources cannot be read; the others were loaded, and these are tried again once they change.
        """
        rows, faults = 0, []
        for source in self._city.sources:
            found = self._files(source)
            settled = self._clock() - SETTLED_S
            known = self._loaded[source.name]
            fresh = {f: k for f, k in found.items() if known.get(f) != k and k[0] / 1e9 <= settled}
            if not fresh and source.query is None:
                continue
            try:
                rows += self._load(source, list(fresh), progress)
            except InputError as error:
                faults += list(error.faults)
            known |= fresh
        if faults:
            raise InputError(faults)
        return rows

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
