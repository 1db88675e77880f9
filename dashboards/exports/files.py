"""A day's run as one file to download: one format, of what a visitor may see."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from dashboards.exports.run import export_days
from dashboards.scoped_source import ScopedSource

if TYPE_CHECKING:
    from datetime import date

    from dashboards.scope import ScopedStore
    from dashboards.scoped_source import ExportCity
    from gis.standard import Standard

EPOCH = (1980, 1, 1, 0, 0, 0)


def run_file(
    data: ScopedStore, city: ExportCity, standard: Standard, day: date, kind: str, lang: str
) -> tuple[str, bytes]:
    """Name and bytes of a day's run in one format; several files come as one ZIP.

    Raises:
        ImpossibleError: the day has not been audited.
    """
    scope = "" if data.principal.scope.whole else f"-{data.principal.scope.kind}-{data.principal.scope.key}"
    with tempfile.TemporaryDirectory(prefix="xuncha-") as folder:
        out = Path(folder)
        written = export_days(city, ScopedSource(data, [day], standard), [day], out, formats=[kind], lang=lang)
        files = [p for p in written if p.name != "summary.json"]
        if len(files) == 1:
            return f"xuncha-{day}{scope}{files[0].suffix}", files[0].read_bytes()
        return f"xuncha-{day}{scope}-{kind}.zip", zipped(written, out)


def zipped(files: list[Path], root: Path) -> bytes:
    """A ZIP with the same bytes for the same files."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            info = zipfile.ZipInfo(str(path.relative_to(root)), EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())
    return body.getvalue()
