"""An offline bundle: every wheel of the lock, our own wheel with the pages' assets, one script that installs them, checksums.

`python deploy/bundle.py --out dist/` (or `./run bundle --out dist/`) writes `xuncha-VERSION-TAG.tar` for machines with the same Python
minor version, system and architecture as this one. On the machine without a network: `tar xf …`, `sh xuncha-…/install.sh`
(docs/deploy.md).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("gis", "layers", "etl", "dashboards")
FILES = ("pyproject.toml", "README.md", *sorted(p.name for p in ROOT.glob("xuncha*.py")))
LEFT_OUT = ("__pycache__", "frontend", "*.nbi", "*.nbc")
CARRIED = (
    "install.sh",
    "xuncha-as-service",
    "xuncha-backup",
    "xuncha-daily",
    "xuncha.service",
    "xuncha-audit.service",
    "xuncha-audit.timer",
    "xuncha.env.example",
)


def say(text: str) -> None:
    """A line for the person at the terminal."""
    sys.stderr.write(f"{text}\n")


def pip(*arguments: str) -> None:
    """Run pip of this Python.

    Raises:
        subprocess.CalledProcessError: pip refused; its own words are on stderr.
    """
    subprocess.run([sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"], check=True)


def build_wheel(folder: Path, *, root: Path = ROOT) -> Path:
    """Build our wheel from a clean copy of the sources, so that nothing stale comes along; the assets must have been built.

    Raises:
        FileNotFoundError: the pages' assets are not built.
    """
    if not (root / "dashboards" / "static" / "manifest.json").exists():
        message = "dashboards/static: run python -m dashboards.build"
        raise FileNotFoundError(message)
    with tempfile.TemporaryDirectory(prefix="xuncha-wheel-") as place:
        copy = Path(place) / "src"
        for room in ROOMS:
            shutil.copytree(root / room, copy / room, ignore=shutil.ignore_patterns(*LEFT_OUT))
        for name in FILES:
            shutil.copy2(root / name, copy / name)
        pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(copy))
    return next(folder.glob("xuncha-*.whl"))


def sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def version() -> str:
    """Version of the project."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def tag() -> str:
    """What the wheels are for: Python, system, architecture."""
    return f"cp{sys.version_info.major}{sys.version_info.minor}-{sys.platform}_{platform.machine()}"


def fill(folder: Path, wheels: Path | None) -> None:
    """Put everything into the bundle's folder."""
    target = folder / "wheels"
    target.mkdir(parents=True)
    lock = ROOT / "requirements.lock"
    shutil.copy2(lock, folder / lock.name)
    say("下载依赖 | downloading the locked wheels")
    found = ("--no-index", "--find-links", str(wheels)) if wheels else ()
    pip("download", "--require-hashes", "--only-binary", ":all:", "-r", str(lock), "--dest", str(target), *found)
    say("构建 xuncha 自己的 wheel | building our own wheel")
    ours = build_wheel(target)
    for name in CARRIED:
        shutil.copy2(ROOT / "deploy" / name, folder / name)
    shutil.copy2(ROOT / "docs" / "deploy.md", folder / "deploy.md")
    facts = {"version": version(), "python": f"{sys.version_info.major}.{sys.version_info.minor}", "machine": platform.machine(),
             "release": f"{version()}-{sha256(ours)[:12]}", "wheel": ours.name}  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    sums = "".join(f"{sha256(folder / name)}  {name}\n" for name in names)
    (folder / "SHA256SUMS").write_text(sums, encoding="utf-8")


def bundle(out: Path, *, wheels: Path | None = None) -> Path:
    """Write the bundle.

    Args:
        out: folder to write into, made where it does not exist.
        wheels: folder of wheels downloaded before; without it they come from the package index.

    Returns:
        The archive; beside it lies its `.sha256`.
    """
    out.mkdir(parents=True, exist_ok=True)
    name = f"xuncha-{version()}-{tag()}"
    archive = out / f"{name}.tar"
    with tempfile.TemporaryDirectory(prefix="xuncha-bundle-") as place:
        folder = Path(place) / name
        fill(folder, wheels)
        with tarfile.open(archive, "w") as tar:  # wheels are compressed already
            tar.add(folder, arcname=name)
    archive.with_name(f"{archive.name}.sha256").write_text(f"{sha256(archive)}  {archive.name}\n", encoding="utf-8")
    return archive


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="离线安装包 | an offline bundle for air-gapped machines")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="输出文件夹 | folder to write into")
    parser.add_argument("--wheels", type=Path, help="已下载的 wheel 文件夹 | folder of wheels downloaded before")
    chosen = parser.parse_args()
    archive = bundle(chosen.out, wheels=chosen.wheels)
    say(f"{archive}  {archive.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
