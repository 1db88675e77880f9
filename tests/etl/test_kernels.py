"""Kernels compiled from other sources are not used."""

from etl.kernels import STAMP, drop_stale_kernels


def test_kernels_of_other_sources_are_deleted_and_those_of_these_kept(tmp_path):
    cache = tmp_path / "sub" / "__pycache__"
    cache.mkdir(parents=True)
    kept = [cache / "kernel.f-1.py311.nbi", cache / "kernel.f-1.py311.1.nbc"]
    for path in kept:
        path.write_bytes(b"x")
    assert drop_stale_kernels(tmp_path) == 2  # nobody knows what they were compiled from
    assert not any(path.exists() for path in kept)
    for path in kept:
        path.write_bytes(b"x")
    assert drop_stale_kernels(tmp_path) == 0
    assert all(path.exists() for path in kept)
    (tmp_path / "__pycache__" / STAMP).write_text("0" * 64, encoding="ascii")
    assert drop_stale_kernels(tmp_path) == 2
