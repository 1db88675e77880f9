"""The manager's table: windows added up at any level, sorted and ranked; exactly what the page shows and its exports hold."""

# ruff: noqa: E501 (a choice, a set of columns stands on a line)

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dashboards.manager_rounds import round_columns, round_figures
from dashboards.tally import KINDS, NOWHERE, by_person, tally
from dashboards.views import FROM_GRID, View
from layers.contracts import TABLES, Column
from layers.symbology import word

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from dashboards.tally import Kind
    from gis.standard import Standard


@dataclass(frozen=True, slots=True)
class Level:
    """A level of the drill: the column that groups, the one that names, and its words."""

    key: str
    column: str
    name: str
    zh: str
    en: str


LEVELS = {
    level.key: level
    for level in (
        Level("county", "", "", "全部", "All"),
        Level("town", "town_id", "town_name", "镇街", "Town"),
        Level("squad", "unit_id", "unit_name", "中队", "Squad"),
        Level("grid", "work_grid_id", "grid_name", "工作网格", "Work grid"),
        Level("class", "policy_class", "", "道路等级", "Road class"),
        Level("road", "road_id", "road_name", "道路", "Road"),
        Level("section", "section_id", "section_name", "责任路段", "Section"),
        Level("community", "grid_id", "grid_name", "全科网格", "Community grid"),
        Level("person", "person_id", "person_name", "责任人", "Responsible person"),
        Level("window", "", "", "应巡时段", "Window"),
    )
}
LEVELS_OF: dict[Kind, tuple[str, ...]] = {
    "roads": ("county", "town", "squad", "grid", "class", "road", "section", "person", "window"),
    "rounds": ("county", "town", "squad", "grid"),
    "community": ("county", "town", "community", "window"),
}
# where a click on a row leads
NEXT: dict[Kind, dict[str, str]] = {
    "roads": {
        "county": "town", "town": "squad", "squad": "grid", "grid": "road", "class": "section", "road": "section", "section": "window",
        "person": "window",
    },
    "rounds": {"county": "town", "town": "squad", "squad": "grid"},
    "community": {"county": "town", "town": "community", "community": "window"},
}  # fmt: skip
NAMED_FILTERS = {
    "unnamed": ("from_grid", "nobody"),
    "roster": ("roster",),
    "from_grid": ("from_grid",),
    "nobody": ("nobody",),
}
OUTCOME_FILTERS = ("missed", "unknown", "excused", "covered")
DESCENDING = frozenset(
    ("missed", "unknown", "windows", "km_missed", "km_windows", "subjects", "excused", "covered", "covered_responsible")
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked: it stands in the page's address, and exports are asked with the same words."""

    kind: Kind = "roads"
    level: str = "town"
    path: Mapping[str, str] = field(default_factory=dict)
    rule: str = ""
    find: str = ""
    outcome: str = ""
    named: str = ""  # of `NAMED_FILTERS`: where the responsible persons of the sections come from
    sort: str = ""
    down: bool = False

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Choice:
        """From an address; what it does not know is left out."""
        kind: Kind = next((k for k in KINDS if k == query.get("kind")), "roads")
        levels = LEVELS_OF[kind]
        level = query.get("level", "town")
        path = {k: query[f"in_{k}"] for k in levels if query.get(f"in_{k}")}
        outcome, named = query.get("outcome", ""), query.get("named", "")
        return cls(
            kind=kind, level=level if level in levels else "town", path=path, rule=query.get("rule", ""), find=query.get("find", "").strip(),
            outcome=outcome if outcome in OUTCOME_FILTERS else "", named=named if named in NAMED_FILTERS and kind == "roads" else "", sort=query.get("sort", ""), down=query.get("down") == "1",
        )  # fmt: skip

    def query(self) -> dict[str, str]:
        """As an address writes it; only what differs from the default."""
        plain = {"kind": self.kind, "level": self.level, "rule": self.rule, "find": self.find, "outcome": self.outcome, "named": self.named,
                 "sort": self.sort, "down": "1" if self.down else ""}  # fmt: skip
        default = {"kind": "roads", "level": "town"}
        words = {k: v for k, v in plain.items() if v and v != default.get(k)}
        return words | {f"in_{k}": v for k, v in self.path.items()}

    def sort_column(self, columns: Container[str], standard: Standard) -> str:
        """The column by which rows stand: the one asked for, where the table has it, else that of the ranks or of the time."""
        default = "starts" if self.level == "window" else ranked_by(self, standard)
        return self.sort if self.sort in columns else default

    def into(self, key: str) -> Choice:
        """One step down: the rows of the next level within a row of this one."""
        level = NEXT[self.kind].get(self.level)
        if level is None:
            return self
        path = dict(self.path) if self.level == "county" else {**self.path, self.level: key}
        return replace(self, level=level, path=path, sort="", down=False, find="")

    def up_to(self, level: str) -> Choice:
        """Back to the rows among which a step of the path was taken."""
        order = LEVELS_OF[self.kind]
        kept = {k: v for k, v in self.path.items() if order.index(k) < order.index(level)}
        return replace(self, level=level, path=kept, sort="", down=False, find="")


def ranked_by(choice: Choice, standard: Standard) -> str:
    """The bound by which ranks go: of the rate of rounds where the table is of rounds, else of the rate."""
    bound = standard.measure.rank_by.value
    return bound.replace("rate_", "rate_rounds_") if choice.kind == "rounds" else bound


def chosen(base: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """The windows within the path, the rule and the outcome chosen."""
    rows = by_person(base) if "person" in choice.path or choice.level == "person" else base
    for level, key in choice.path.items():
        column = LEVELS[level].column
        if column:
            rows = rows[rows[column].replace("", NOWHERE) == key]
    if choice.rule:
        rows = rows[rows["rule_id"] == choice.rule]
    return rows


def path_names(base: pd.DataFrame, choice: Choice, lang: str) -> dict[str, str]:
    """Names of what the path leads through, by level."""
    names = {}
    for level, key in choice.path.items():
        spec = LEVELS[level]
        rows = by_person(base) if level == "person" else base
        rows = rows[rows[spec.column].replace("", NOWHERE) == key] if spec.column else rows
        found = str(rows[spec.name].iloc[0]) if len(rows) and spec.name else word(key, lang)
        nowhere = "未划分" if lang == "zh" else "Not assigned"
        names[level] = nowhere if key == NOWHERE else found or unnamed(spec, key, lang)
    return names


COUNTED = {c.name: c for c in TABLES["rollups"].columns}
RESPONSIBLE = (
    Column("covered_responsible", "int", "责任人已巡", "Covered by the responsible person"),
    Column("rate_low_responsible", "float", "责任人达标率下限", "Rate of the responsible person, lower bound"),
    Column("rate_high_responsible", "float", "责任人达标率上限", "Rate of the responsible person, upper bound"),
)
FIGURES = ("subjects", "windows", "covered", "missed", "unknown", "excused", "rate_low", "rate_high")
KILOMETRES = ("km_windows", "km_missed")
RANK = Column("rank", "int", "名次", "Rank")


def audit_table(
    base: pd.DataFrame, choice: Choice, standard: Standard, *, names: Mapping[str, str] | None = None, lang: str = "zh"
) -> View:
    """The table of a choice: what the page shows, row for row, and what its exports hold.

    Args:
        base: windows (dashboards.tally.base_of).
        choice: what is asked.
        standard: how rates are weighted, and by which bound ranks go.
        names: names of work grids by id, where the base has none.
        lang: language of names that are words (classes, "not assigned").

    Returns:
        a view whose frame has key, name and the figures, ranked by the bound that the standard names, sorted as asked (by default worst first).
    """
    rows = chosen(base, choice)
    if choice.named:
        rows = rows[rows["named_by"].isin(NAMED_FILTERS[choice.named])]
    if choice.level == "window":
        return _windows(rows, choice, standard)
    level = LEVELS[choice.level]
    table = tally(rows, level.column or None, standard)
    responsible = tally(rows, level.column or None, standard, charged="responsible").set_index("key")
    for figure in ("covered", "rate_low", "rate_high"):
        found = responsible[figure].reindex(table["key"]).to_numpy() if len(responsible) else np.nan
        table[f"{figure}_responsible"] = found
    if choice.kind == "rounds":
        rounds = round_figures(rows, level.column or None, table["key"].tolist())
        table = pd.concat([table, rounds], axis=1)
    table["name"] = _names(rows, level, table["key"], names or {}, lang)
    if choice.level in {"road", "section"}:
        table["place"] = _first(rows, level.column, "town_name", table["key"])
    if choice.level == "section":
        table["persons"] = _first(rows, level.column, "persons", table["key"])
        table["policy_class"] = _first(rows, level.column, "policy_class", table["key"])
        table["named_by"] = _first(rows, level.column, "named_by", table["key"])
        table["unit_name"] = _first(rows, level.column, "unit_name", table["key"])
        lengths = rows.drop_duplicates(level.column).set_index(level.column)["length_mm"]
        table["length_mm"] = lengths.reindex(table["key"]).to_numpy()
    if choice.level == "person":
        filled = rows[rows["named_by"] == "from_grid"].groupby(level.column).size()
        table["from_grid"] = filled.reindex(table["key"], fill_value=0).to_numpy(dtype="int64")
    rank_by = ranked_by(choice, standard)
    ranked = (table["key"] != NOWHERE) & (
        not choice.named
    )  # what belongs to nobody competes with nobody, nor does a part with the whole
    table["rank"] = (
        table[rank_by]
        .astype(float)
        .where(ranked)
        .rank(method="min", ascending=False, na_option="bottom")
        .where(ranked)
        .astype("Int64")
    )
    table = _found(table, choice.find, ("name", "key", "persons", "place"))
    if choice.outcome:
        table = table[table[choice.outcome] > 0]
    return View("audit", *_title(choice), _columns(choice, level), _sorted(table, choice, standard))


def _title(choice: Choice) -> tuple[str, str]:
    level = LEVELS[choice.level]
    kinds = {"roads": ("道路巡查覆盖", "Road patrol coverage"), "rounds": ("工作网格全覆盖轮次", "Full-coverage rounds"),
             "community": ("全科网格巡查", "Community cadence")}  # fmt: skip
    zh, en = kinds[choice.kind]
    return f"{zh} · {level.zh}", f"{en} · {level.en}"


def _columns(choice: Choice, level: Level) -> tuple[Column, ...]:
    head = [RANK, Column("name", "str", level.zh, level.en)]
    if choice.level in {"road", "section"}:
        head.append(Column("place", "str", "镇街名称", "Town name"))
    if choice.level == "section":
        head += [
            Column("unit_name", "str", "中队", "Squad"),
            TABLES["sections"].column("policy_class"),
            TABLES["sections"].column("length_mm"),
            Column("persons", "str", "责任人姓名", "Responsible persons' name"),
            TABLES["section_windows"].column("named_by"),
        ]
    if choice.level == "person":
        head.append(FROM_GRID)
    figures = [COUNTED[f] for f in FIGURES]
    if choice.kind == "rounds":
        grids = [COUNTED[f] for f in FIGURES] if choice.level != "grid" else []
        return (*head, *round_columns(choice.level), *grids, Column("key", "str", "编号", "Id"))
    responsible = list(RESPONSIBLE) if choice.kind == "roads" else []
    lengths = [COUNTED[f] for f in KILOMETRES] if choice.kind == "roads" else []
    return (*head, *figures, *responsible, *lengths, Column("key", "str", "编号", "Id"))


def _first(rows: pd.DataFrame, by: str, column: str, keys: pd.Series) -> list[str]:
    firsts = rows.drop_duplicates(by)
    known = dict(zip(firsts[by].tolist(), firsts[column].astype(str).tolist(), strict=True))
    return [known.get(k, "") for k in keys.tolist()]


def _names(rows: pd.DataFrame, level: Level, keys: pd.Series, names: Mapping[str, str], lang: str) -> list[str]:
    everything, nowhere = ("全部", "未划分") if lang == "zh" else ("All", "Not assigned")
    if not level.column:
        return [everything] * len(keys)
    if not level.name:
        return [word(k, lang) for k in keys]
    firsts = rows[rows[level.name] != ""].drop_duplicates(level.column)
    known = dict(zip(firsts[level.column].tolist(), firsts[level.name].tolist(), strict=True))
    return [
        nowhere if k == NOWHERE else str(known.get(k) or names.get(k) or unnamed(level, k, lang)) for k in keys.tolist()
    ]


def unnamed(level: Level, key: str, lang: str) -> str:
    """What stands for a name that is not known: of a road without one words, as its sections have them, else the id."""
    return key if level.key != "road" else "无名路" if lang == "zh" else "Unnamed road"


def _found(table: pd.DataFrame, text: str, columns: tuple[str, ...]) -> pd.DataFrame:
    if not text:
        return table
    hit = np.zeros(len(table), dtype=bool)
    for column in columns:
        if column in table:
            hit |= table[column].astype(str).str.contains(text, case=False, regex=False).to_numpy(dtype=bool)
    return table[hit]


def _sorted(table: pd.DataFrame, choice: Choice, standard: Standard) -> pd.DataFrame:
    column = choice.sort_column(table.columns, standard)
    ties = [c for c in ("name", "starts", "key", "section_id", "grid_id", "window_ix") if c in table and c != column]
    order = [not choice.down, *(True for _ in ties)]
    return table.sort_values([column, *ties], ascending=order, kind="stable", na_position="last", ignore_index=True)


WINDOW_COLUMNS = {
    "roads": ("section_name", "starts", "ends", "outcome", "outcome_responsible", "covered_share", "required_share", "covered_mm", "length_mm",
              "excused_mm", "silent_s", "needed_s", "probability", "cause", "attribution", "missing", "persons", "named_by", "passes", "town_name", "rule_id",
              "section_id",
              "window_ix"),
    "community": ("grid_name", "community", "starts", "ends", "outcome", "due", "done", "cause", "missing", "evidence", "rule_id", "town_name", "grid_id"),
}  # fmt: skip
_EXTRA = {
    "section_name": Column("section_name", "str", "责任路段名称", "Section name"),
    "grid_name": Column("grid_name", "str", "网格名称", "Grid name"),
    "persons": Column("persons", "str", "责任人姓名", "Responsible persons' name"),
    "town_name": Column("town_name", "str", "镇街名称", "Town name"),
    "community": TABLES["community_grids"].column("community"),
}


def _windows(rows: pd.DataFrame, choice: Choice, standard: Standard) -> View:
    table = TABLES["section_windows" if choice.kind == "roads" else "community_windows"]
    names = WINDOW_COLUMNS[choice.kind]
    if "provisional" in rows and rows["provisional"].eq(True).any():
        names = (*names, "provisional")
    columns = tuple(_EXTRA.get(n) or table.column(n) for n in names)
    rows = _found(rows, choice.find, ("section_name", "grid_name", "persons", "missing"))
    if choice.outcome:
        rows = rows[rows["outcome"] == choice.outcome]
    return View("audit", *_title(choice), columns, _sorted(rows, choice, standard))


def totals(base: pd.DataFrame, choice: Choice, standard: Standard) -> dict[str, Any]:
    """The figures over all windows of a choice's path and rule, by anyone entitled and by the responsible person."""
    rows = chosen(base, choice)
    rows = rows.drop_duplicates(["subject", "rule_id", *(c for c in ("window_ix", "starts") if c in rows)])
    out: dict[str, Any] = {}
    for charged in ("entitled", "responsible"):
        table = tally(rows, None, standard, charged=charged)
        out[charged] = table.iloc[0].to_dict() if len(table) else None
    return out


def trend(figures_of_days: Mapping[Any, dict[str, Any]]) -> pd.DataFrame:
    """One row a day: day, counts and rate bounds, from the totals of each day (`totals`)."""
    rows = []
    for day, figures in figures_of_days.items():
        if figures["entitled"]:
            responsible = figures["responsible"] or {}
            rows.append({"day": day, **figures["entitled"], "rate_low_responsible": responsible.get("rate_low")})
    return pd.DataFrame(rows)
