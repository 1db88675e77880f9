"""Exports by a process of their own: the same bytes, a clear word when that process dies, and nothing left behind."""

import os
import signal
import time

import pytest
from conftest import awaited
from town import CITY, DAY

from dashboards.app import create_desk
from dashboards.auth.principal import Principal, Scope
from dashboards.desk_manager import Choice
from dashboards.exports.apart import Apart
from dashboards.exports.files import run_file
from dashboards.exports.routes import table_file, table_order
from dashboards.scoped_source import export_city
from dashboards.settings import DeskSettings
from gis.errors import ImpossibleError


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_same_bytes_as_in_this_process_and_a_dead_one_is_told_and_replaced(built, town_store):
    desk = create_desk(town_store, CITY, DeskSettings())
    view = desk.view_of(Principal("m", "manager", Scope.parse("town:A")), "zh")
    city = export_city(view)
    apart = Apart(town_store.url)
    try:
        made = awaited(apart.run_file(view, city, DAY, "csv"))
        assert made == run_file(view.data, city, view.standard, DAY, "csv", "zh")
        assert made[0] == f"xuncha-{DAY}-town-A-csv.zip"
        with pytest.raises(ImpossibleError):
            awaited(apart.run_file(view, city, DAY.replace(year=2030), "csv"))
        order = table_order(view, DAY, Choice.of({"level": "window"}), "pdf")
        made_apart = awaited(apart.table_file(order.shown, order.choice, order.name, "pdf"))
        assert made_apart == table_file(view, DAY, order.choice, "pdf")
        (child,) = apart.processes()
        os.kill(child, signal.SIGKILL)
        while alive(child):  # until the pool has noticed
            time.sleep(0.05)
        with pytest.raises(ImpossibleError, match="has died"):
            awaited(apart.run_file(view, city, DAY, "csv"))
        assert awaited(apart.run_file(view, city, DAY, "csv")) == made
        (child,) = apart.processes()
    finally:
        apart.close()
    assert not alive(child)
