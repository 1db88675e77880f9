"""One error tree: every error that a user may meet carries its faults in Chinese and English.

A fault names where it is (file, row, column), what is wrong and what to do, so that every surface
(command line, check report, data desk) prints the same words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Lang = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, in words a user can act on."""

    code: str
    zh: str
    en: str
    fix_zh: str = ""
    fix_en: str = ""
    file: str | None = None
    row: int | None = None
    column: str | None = None

    def where(self, lang: Lang = "zh") -> str:
        """The place of the fault: file, row and column, as far as they are known."""
        words = ("第 {} 行", "列 {}") if lang == "zh" else ("row {}", "column {}")
        parts = [
            self.file or "",
            words[0].format(self.row) if self.row is not None else "",
            words[1].format(self.column) if self.column is not None else "",
        ]
        return " ".join(p for p in parts if p)

    def render(self, lang: Lang = "zh") -> str:
        """One line: place, problem, remedy."""
        problem, fix, colon = (self.zh, self.fix_zh, "：") if lang == "zh" else (self.en, self.fix_en, ": ")
        where = self.where(lang)
        mend = f" → {fix}" if fix else ""
        return f"{where}{colon if where else ''}{problem}{mend}"


class XunchaError(Exception):
    """Base of all errors of the platform; `exit_code` is what the command line returns.

    Validators gather every fault and raise once.
    """

    exit_code = 1

    def __init__(self, faults: Fault | Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__("\n".join(f.render("en") for f in self.faults))

    def render(self, lang: Lang = "zh") -> str:
        """Every fault on a line of its own."""
        return "\n".join(f"[{f.code}] {f.render(lang)}" for f in self.faults)


class SettingsError(XunchaError):
    """A city file, standard file or option is wrong."""

    exit_code = 2


class InputError(XunchaError):
    """A source cannot be read, or a table breaks its contract."""

    exit_code = 3


class StoreError(XunchaError):
    """The store cannot be reached, is of another version, or is busy."""

    exit_code = 4


class ImpossibleError(XunchaError):
    """The data at hand cannot answer what was asked (no positions of that day, no such run)."""

    exit_code = 5
