"""environment.yml (conda-forge) and pyproject.toml ask for the same things."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent

# PyPI name -> conda-forge name, where they differ.
CONDA_NAMES = {
    "osmium": "pyosmium",
    "prometheus-client": "prometheus_client",
    "psycopg[binary]": "psycopg",
    "tzdata": "python-tzdata",
    "uvicorn[standard]": "uvicorn-standard",
}
# Not Python packages from PyPI: the interpreter, the database server and the JavaScript builder.
CONDA_ONLY = {"python", "postgis", "nodejs", "pip"}


def split(requirement: str) -> tuple[str, str]:
    name, bound = re.fullmatch(r"([^<>=~!]+)(.*)", requirement).groups()
    return name, bound


def test_environment_yml_equals_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {
        CONDA_NAMES.get(name, name): bound
        for name, bound in map(split, project["dependencies"] + project["optional-dependencies"]["dev"])
    }
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"][0] == "conda-forge"
    conda = dict(split(d) for d in environment["dependencies"] if isinstance(d, str))
    assert conda["python"] == project["requires-python"]
    assert {k: v for k, v in conda.items() if k not in CONDA_ONLY} == wanted


def test_locks_hold_every_direct_requirement_and_no_address() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for lock, requirements in {
        "requirements.lock": project["dependencies"],
        "requirements-dev.lock": project["dependencies"] + extras["dev"],
        "requirements-bench.lock": project["dependencies"] + extras["dev"] + extras["bench"],
    }.items():
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert "://" not in text
        locked = set(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==", text, flags=re.MULTILINE))
        missing = {re.split(r"[\[>=<]", r)[0] for r in requirements} - locked
        assert not missing, f"{lock} lacks {missing}: ./run lock"
