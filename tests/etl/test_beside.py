"""A process kept beside: started again when it dies, ended with the block, and by itself when its parent is gone."""

import os
import sys
import time

from etl.beside import PARENT, kept_beside, parent_gone

CHILD = """
import os, signal, sys, time
with open(sys.argv[1], "a") as f:
    f.write(f"{os.getpid()}\\n")
signal.signal(signal.SIGTERM, lambda *_: (open(sys.argv[1], "a").write("ended\\n"), sys.exit(0)))
if len(open(sys.argv[1]).read().split()) < 2:
    sys.exit(3)
time.sleep(60)
"""


def waited(test):
    for _ in range(600):
        if test():
            return True
        time.sleep(0.05)
    return False


def test_a_child_that_dies_is_started_again_and_ended_gracefully(tmp_path):
    told, codes = tmp_path / "told", []
    with kept_beside([sys.executable, "-c", CHILD, str(told)], died=codes.append, first_s=0.01):
        assert waited(lambda: told.exists() and len(told.read_text().split()) == 2)
        time.sleep(0.2)  # it has set its handler
    lines = told.read_text().split()
    assert codes == [3]
    assert lines[2:] == ["ended"]
    assert lines[0] != lines[1]


def test_a_child_knows_whether_its_parent_is_there(monkeypatch):
    monkeypatch.delenv(PARENT, raising=False)
    assert not parent_gone()
    monkeypatch.setenv(PARENT, str(os.getppid()))
    assert not parent_gone()
    monkeypatch.setenv(PARENT, "1000000000")
    assert parent_gone()
