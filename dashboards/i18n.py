"""Words in Chinese and English: one TOML file a page in `i18n/`, each entry `key = { zh = "…", en = "…" }`."""

from __future__ import annotations

import tomllib
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from gis.errors import Fault, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

Lang = Literal["zh", "en"]
LANGS: tuple[Lang, ...] = ("zh", "en")


class Words:
    """All phrases of the application.

    A key is `<file>.<entry>`; `{name}` in a phrase is filled from keyword arguments.
    """

    def __init__(self, phrases: Mapping[str, Mapping[str, str]]) -> None:
        faults = [
            Fault("i18n.missing", f"短语 {key} 缺少 {lang}", f"phrase {key} lacks {lang}")
            for key, phrase in phrases.items()
            for lang in LANGS
            if not phrase.get(lang)
        ]
        if faults:
            raise SettingsError(faults)
        self.phrases = {key: dict(phrase) for key, phrase in phrases.items()}

    def get(self, lang: Lang, key: str, **fill: object) -> str:
        """The phrase of a key.

        Raises:
            KeyError: no such key (a defect of a page, found by its tests).
        """
        text = self.phrases[key][lang]
        return text.format(**fill) if fill else text

    def translator(self, lang: Lang) -> Translate:
        """A function from key to phrase for one language."""
        return Translate(self, lang)


class Translate:
    """`t("planner.title")` gives the phrase in the visitor's language."""

    def __init__(self, words: Words, lang: Lang) -> None:
        self.lang: Lang = lang
        self._get = partial(words.get, lang)

    def __call__(self, key: str, **fill: object) -> str:
        """The phrase of a key."""
        return self._get(key, **fill)

    def pick(self, zh: str, en: str) -> str:
        """One of two given texts, as contracts, faults and standards carry them."""
        return zh if self.lang == "zh" else en


def place_name(city: Any, lang: Lang) -> str:
    """A city's name in a language, the Chinese one where it has no other."""
    return str((getattr(city, "name_en", "") if lang == "en" else "") or getattr(city, "name", ""))


def load_words(folder: Traversable) -> Words:
    """Read every TOML file of a folder.

    Raises:
        SettingsError: a phrase lacks a language.
    """
    phrases: dict[str, Mapping[str, str]] = {}
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            page = file.name.removesuffix(".toml")
            for key, phrase in tomllib.loads(file.read_text("utf-8")).items():
                phrases[f"{page}.{key}"] = phrase
    return Words(phrases)
