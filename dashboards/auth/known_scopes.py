"""Which towns and squads an account may be given: those of the county that is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gis.errors import Fault, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from dashboards.auth.principal import Scope, ScopeKind
    from layers.store.base import Store

MOST_LISTED = 40
PLACED = {"town": ("work_grids", "community_grids", "sections"), "squad": ("work_grids", "sections")}
COLUMN = {"town": "town_id", "squad": "unit_id"}


def _newest(store: Store, table: str) -> pd.DataFrame | None:
    editions = store.editions(table)
    if not editions:
        return None
    return store.read(table, max(editions, key=lambda e: (e.valid_from, e.loaded_at)).edition_id)


def _named(frame: pd.DataFrame | None, kind: str, key: str) -> dict[str, str]:
    if frame is None:
        return {}
    own = frame[(frame["kind"] == kind) & frame[key].notna()]
    return dict(zip(own[key].astype(str), own["name"].fillna("").astype(str), strict=True))


def known_scopes(store: Store, kind: ScopeKind) -> dict[str, str]:
    """Id to name (empty where it has none) of every town or squad of the newest tables, in the order of ids."""
    column, units = COLUMN[kind], _newest(store, "units")
    named = _named(units, kind, column)
    if kind == "town":
        named |= _named(_newest(store, "areas"), kind, "area_id")
    placed = {
        str(key) for table in PLACED[kind] if (frame := _newest(store, table)) is not None for key in frame[column].dropna()
    }  # fmt: skip
    if kind == "squad" and units is not None and len(units):
        placed &= set(units["unit_id"].astype(str))  # a grid may name a unit that there is not: it owns nothing
    return {key: named.get(key, "") for key in sorted(placed | set(named)) if key}


def checked(store: Store, scope: Scope) -> str:
    """The name of what a scope is about, empty where it has none.

    Raises:
        SettingsError: the county that is loaded has no such town or squad; the message lists those that it has.
    """
    if scope.whole:
        return ""
    known = known_scopes(store, scope.kind)
    if scope.key in known:
        return known[scope.key]
    raise SettingsError(_none(scope, loaded=bool(store.editions())) if not known else _unknown(scope, known))


def _none(scope: Scope, *, loaded: bool) -> Fault:
    zh, en = ("镇街", "town") if scope.kind == "town" else ("中队", "squad")
    if not loaded:
        return Fault(
            "auth.scope", f"还没有装入数据，不知道有没有“{scope}”", f"nothing is loaded yet, so nobody can tell whether there is {scope}",
            "先执行 xuncha load，再添加这个账号；全县账号（--scope county）现在就可以添加",
            "run xuncha load, then add this account; one of the whole county (--scope county) can be added now",
        )  # fmt: skip
    return Fault(
        "auth.scope", f"装入的数据里没有{zh}，不能用“{scope}”", f"the loaded data has no {en}, so {scope} will not do",
        f"用 --scope county；或在 city.toml 中给出网格的 {COLUMN[scope.kind]} 列后重新装入",
        f"use --scope county, or give the grids their {COLUMN[scope.kind]} in city.toml and load them again",
    )  # fmt: skip


def _unknown(scope: Scope, known: Mapping[str, str]) -> Fault:
    zh, en = ("镇街", "town") if scope.kind == "town" else ("中队", "squad")
    listed = [f"{scope.kind}:{key} {name}".strip() for key, name in known.items()][:MOST_LISTED]
    more = len(known) - len(listed)
    rest_zh, rest_en = (f"……共 {len(known)} 个", f" … {len(known)} in all") if more else ("", "")
    return Fault(
        "auth.scope", f"没有{zh}“{scope.key}”", f"there is no {en} {scope.key!r}",
        f"已知的有：{'、'.join(listed)}{rest_zh}", f"known are: {', '.join(listed)}{rest_en}",
    )  # fmt: skip
