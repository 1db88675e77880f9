"""Pages: one file each, found by their `PAGE`. A page has a path, roles, words, a layout over a `View` and its callbacks."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards.auth.principal import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable

    import dash
    from dash.development.base_component import Component

    from dashboards.auth.principal import Role
    from dashboards.context import Desk, View


def no_callbacks(_app: dash.Dash, _desk: Desk) -> None:
    """For pages without callbacks."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        path: where it is; a trailing `/*` takes everything below too.
        title: key of its title in i18n.
        layout: what it shows, computed for each visit.
        register: adds its callbacks and streams, once, when the application is put together.
        roles: who may open it.
        order: place among the desks in the top bar, None where it is not listed there.
    """

    path: str
    title: str
    layout: Callable[[View], Component]
    register: Callable[[dash.Dash, Desk], None] = no_callbacks
    roles: tuple[Role, ...] = ROLES
    order: int | None = None

    def takes(self, path: str) -> bool:
        """Whether a path is this page's."""
        if self.path.endswith("/*"):
            root = self.path.removesuffix("/*")
            return path == root or path.startswith(root + "/")
        return (path.rstrip("/") or "/") == self.path


def all_pages() -> tuple[Page, ...]:
    """The `PAGE` of every module here, by module name."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names if not name.startswith("_")]
    return tuple(m.PAGE for m in modules if hasattr(m, "PAGE"))
