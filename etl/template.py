"""`xuncha init`: a commented city file to fill in."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from gis.errors import Fault, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "city.toml"


def init_city(directory: Path) -> Path:
    """Write the template of a city file into a folder (made where it is missing) and return its path; it is valid as it stands.

    Raises:
        SettingsError: there is a city file already; it is left as it is.
    """
    path = directory / FILE_NAME
    text = files("etl").joinpath("templates", FILE_NAME).read_text("utf-8")
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        problem = "已有城市文件，未作改动", "there is a city file already; it was left as it is"
        fix = "换一个文件夹，或先移走它", "choose another folder, or move it away"
        fault = Fault("city.exists", *problem, *fix, file=str(path))
        raise SettingsError(fault) from None
    return path
