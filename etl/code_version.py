"""Which code computed a result: a hash of the sources that figures follow from, part of every run id."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING

from gis.public_days import CHINA, NONE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

# What computes figures; exports and pages only show them.
COMPUTES = (
    "gis",
    "etl.inputs",
    "etl.alignment",
    "etl.detect",
    "etl.layers_told",
    "etl.offset_findings",
    "etl.network_stage",
    "etl.network_cache",
    "etl.match_stage",
    "etl.pipeline",
    "etl.remote_sensing",
)


def _sources(item: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    if item.is_dir():
        for child in sorted(item.iterdir(), key=lambda c: c.name):
            if child.is_dir() or child.name.endswith(".py"):
                yield from _sources(child, f"{name}/{child.name}")
    else:
        yield name, item.read_bytes()


@cache
def code_sha256(*modules: str) -> str:
    """SHA-256 over the sources of packages or modules, by name and content.

    Raises:
        FileNotFoundError: no such module.
    """
    digest = hashlib.sha256()
    for module in modules or COMPUTES:
        root, *rest = module.split(".")
        item: Traversable = files(root)
        for part in rest:
            child = item / part
            item = child if child.is_dir() else item / f"{part}.py"
        for name, content in _sources(item, module):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def code_version() -> str:
    """Version of the package and the beginning of the hash of what computes."""
    return f"{version('xuncha')}+{code_sha256()[:12]}"


def calendar_version(source: str) -> str:
    """Package and version that a calendar of the standard is read from: with another one the same day may be judged otherwise."""
    package = {CHINA: "chinesecalendar", NONE: ""}.get(source, "holidays")
    return f"{package} {version(package)}" if package else ""
