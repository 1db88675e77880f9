"""The settings of a city file as documentation: one table made from the typed settings themselves, so that none can be forgotten."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticUndefined

from gis.matching import MatchSettings
from gis.network import NetworkSettings
from layers.city import OF_THE_STANDARD, City, Counting, Map, Roads, Source, Standard, Store

if TYPE_CHECKING:
    from pydantic import BaseModel

_HEAD = ("id", "name", "name_en", "timezone", "metric_crs", "language")
_PARTS: tuple[tuple[str, str, type[BaseModel], tuple[str, ...] | None], ...] = (
    ("[city]", "城市 | the city", City, _HEAD),
    ("[store]", "存储 | the store", Store, None),
    ("[standard]", "标准 | the standard", Standard, None),
    ("[[source]], [[overlay]]", "来源；[[overlay]] 是表为 areas 的来源 | sources; an [[overlay]] is a source of table areas", Source, None),
    ("[roads]", "道路等级 | classes of roads", Roads, None),
    ("[counting]", "什么算巡查 | what counts as patrol", Counting, None),
    ("[map]", "底图（可选） | base map (optional)", Map, None),
)  # fmt: skip


def settings_markdown() -> str:
    """Tables of every setting: key, default, what it is (Chinese, then English)."""
    out: list[str] = []
    for header, title, model, names in _PARTS:
        out += [f"### `{header}` {title}", "", "| 设置 key | 默认 default | 说明 | what it is |", "|---|---|---|---|"]
        for name in names or tuple(model.model_fields):
            info = model.model_fields[name]
            zh, _, en = (info.description or "").partition(" | ")
            default = info.get_default(call_default_factory=True) if not info.is_required() else PydanticUndefined
            out.append(f"| `{name}` | {_shown(default)} | {_cell(zh)} | {_cell(en)} |")
        out.append("")
    for header, title, kind in (
        ("[matching]", "地图匹配 | map matching", MatchSettings),
        ("[network]", "路网 | the network step", NetworkSettings),
    ):
        out += [f"### `{header}` {title}", "", "| 设置 key | 默认 default |", "|---|---|"]
        out += [
            f"| `{f.name}` | {_shown(PydanticUndefined if f.default is MISSING else f.default)} |"
            for f in fields(kind)
            if f.name not in OF_THE_STANDARD
        ]
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _shown(default: Any) -> str:
    """A default as TOML would write it."""
    if default is PydanticUndefined:
        return "必填 required"
    if default is None or (default in ({}, ()) and default is not False and default != 0):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return "`[" + ", ".join(f'"{v}"' if isinstance(v, str) else str(v).lower() for v in default) + "]`"
    return f'`"{default}"`' if isinstance(default, str) else f"`{default}`"
