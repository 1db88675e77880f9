"""Compiled kernels that no longer fit their sources are thrown away before they are used.

numba notices a change in the file of a function that it has kept, not in those of the functions which that one calls.
"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from etl.code_version import code_sha256

STAMP = "xuncha-kernels.sha256"


def drop_stale_kernels(*folders: Path) -> int:
    """Delete kept kernels where the sources of `gis` have changed since they were compiled.

    Args:
        folders: where kernels are kept; by default beside the sources and in NUMBA_CACHE_DIR.

    Returns:
        Files deleted; 0 where all fit, or where the place cannot be written.
    """
    named = os.environ.get("NUMBA_CACHE_DIR")
    places = folders or (Path(str(files("gis"))), *([Path(named)] if named else []))
    digest, gone = code_sha256("gis"), 0
    for place in places:
        stamp = place / "__pycache__" / STAMP
        with suppress(OSError):
            if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
                continue
            for kept in (*place.rglob("*.nbi"), *place.rglob("*.nbc")):
                kept.unlink(missing_ok=True)
                gone += 1
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.write_text(digest, encoding="ascii")
    return gone
