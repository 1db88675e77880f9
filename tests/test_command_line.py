"""The command line itself: every command teaches, and what a user mistypes is told in words, with the exit code that the help names."""

from __future__ import annotations

import socket
from contextlib import closing
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import typer
from shapely import box
from typer.testing import CliRunner

import xuncha
from dashboards.auth.accounts import Accounts, add_user
from dashboards.auth.known_scopes import checked, known_scopes
from dashboards.auth.principal import Scope
from gis.errors import SettingsError
from layers.contracts import TABLES
from layers.store import open_store
from layers.store.base import SourceRecord

COMMANDS = typer.main.get_command(xuncha.app)


def paths(group, before=()):
    for name, command in group.commands.items():
        yield from paths(command, (*before, name)) if hasattr(command, "commands") else [(*before, name)]


@pytest.mark.parametrize("path", list(paths(COMMANDS)), ids=" ".join)
def test_every_command_has_help_in_both_languages(path):
    shown = CliRunner().invoke(xuncha.app, [*path, "--help"])
    assert shown.exit_code == 0
    assert " | " in shown.output


@pytest.fixture
def city(tmp_path):
    CliRunner().invoke(xuncha.app, ["init", str(tmp_path)])
    return str(tmp_path / "city.toml")


def failed(monkeypatch, capsys, *words):
    """Exit code and what is said of a command that cannot be done."""
    monkeypatch.setattr("sys.argv", ["xuncha", *words])
    with pytest.raises(SystemExit) as caught:
        xuncha.main()
    return caught.value.code, capsys.readouterr().err


def test_what_is_mistyped_is_told(monkeypatch, capsys, city):
    assert failed(monkeypatch, capsys, "load", "nowhere.toml")[0] == 2
    code, said = failed(monkeypatch, capsys, "audit", city, "--day", "2026-13-40")
    assert (code, said) == (2, "[cli.day] 日期写法不对：2026-13-40 → 写成 2026-03-18\n")
    assert "cli.days" in failed(monkeypatch, capsys, "audit", city, "--day", "2026-03-18", "--to", "2026-03-17")[1]
    assert "'fr'" in failed(monkeypatch, capsys, "export", city, "--day", "2026-03-18", "--lang", "fr")[1]
    assert "cli.load" in failed(monkeypatch, capsys, "serve", city, "--load")[1]
    monkeypatch.setenv("XUNCHA_LANG", "en")
    assert "no such day" in failed(monkeypatch, capsys, "runs", city, "--day", "x")[1]


def test_a_folder_that_cannot_be_made_is_told_without_a_traceback(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    code, said = failed(monkeypatch, capsys, "init", str(tmp_path / "file" / "city"))
    assert code == 1
    assert "[cli.file]" in said
    assert "Traceback" not in said


def test_what_nobody_foresaw_is_one_fault_with_its_trace_in_a_file(monkeypatch, capsys, city):
    def broken(_):
        message = "never thought of"
        raise ZeroDivisionError(message)

    monkeypatch.setattr("layers.city.load_city_file", broken)
    monkeypatch.delenv("XUNCHA_TRACE", raising=False)
    code, said = failed(monkeypatch, capsys, "check", city)
    assert code == 1
    assert said.count("\n") == 1
    assert "[cli.unforeseen]" in said
    assert "ZeroDivisionError: never thought of" in said
    kept = Path(said.split("请把 ")[1].split(" 交给")[0])
    assert "Traceback" in kept.read_text(encoding="utf-8")
    kept.unlink()


def test_a_taken_port_is_told_before_an_address_is(monkeypatch, capsys, city):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = failed(monkeypatch, capsys, "serve", city, "--port", str(taken.getsockname()[1]))
    assert code == SettingsError.exit_code
    assert "[cli.port]" in said
    assert "http://" not in said


def test_half_an_oidc_provider_is_told(monkeypatch, capsys, city):
    monkeypatch.setenv("XUNCHA_OIDC_ISSUER", "https://login.example")
    monkeypatch.delenv("XUNCHA_OIDC_CLIENT_ID", raising=False)
    code, said = failed(monkeypatch, capsys, "serve", city, "--port", "0")
    assert (code, "[cli.oidc]" in said) == (2, True)


def added(monkeypatch, capsys, city, *words):
    """Exit code and what is said of `xuncha user add`."""
    monkeypatch.setenv("XUNCHA_PASSWORD", "a long password")
    return failed(monkeypatch, capsys, "user", "add", city, *words)


def put(store, table, day, row):
    """Load one row of a table."""
    frame = pd.DataFrame([row]).reindex(columns=[c.name for c in TABLES[table].columns])
    frame = gpd.GeoDataFrame(frame, crs=4326) if "geometry" in row else frame
    record = SourceRecord(f"{table}-{day}", table, f"{table}.gpkg", f"{day}".ljust(64, "0"), rows_in=1)
    store.load(frame, record, pd.DataFrame(), valid_from=day)


def test_an_account_of_a_town_that_does_not_exist_is_refused_with_those_that_do(monkeypatch, capsys, city, tmp_path):
    asked = ("li", "--role", "manager", "--scope")
    code, said = added(monkeypatch, capsys, city, *asked, "town:T9")
    assert (code, "先执行 xuncha load" in said) == (2, True)
    grid = {"grid_id": "G1", "name": "一号", "geometry": box(121, 29, 121.1, 29.1)}
    with closing(open_store(f"embedded:{tmp_path / 'store'}", timezone="Asia/Shanghai")) as store:
        put(store, "work_grids", date(2026, 1, 1), grid)
        assert "--scope county" in added(monkeypatch, capsys, city, *asked, "town:T9")[1]
        put(store, "work_grids", date(2026, 1, 2), grid | {"town_id": "T1"})
        put(store, "units", date(2026, 1, 1), {"unit_id": "U1", "name": "一中队", "kind": "squad"})
        assert known_scopes(store, "town") == {"T1": ""}
        assert checked(store, Scope("squad", "U1")) == "一中队"
    code, said = added(monkeypatch, capsys, city, *asked, "town:T9")
    assert (code, said) == (2, "[auth.scope] 没有镇街“T9” → 已知的有：town:T1\n")
    monkeypatch.setenv("XUNCHA_LANG", "en")
    assert "known are: squad:U1 一中队" in added(monkeypatch, capsys, city, *asked, "squad:T1")[1]
    assert added(monkeypatch, capsys, city, *asked, "squad:U1") == (0, "li: manager, squad:U1 (一中队)\n")


def test_an_account_is_closed_opened_and_given_another_password(monkeypatch, capsys, city, tmp_path):
    assert added(monkeypatch, capsys, city, "li", "--role", "manager")[0] == 0
    code, said = failed(monkeypatch, capsys, "user", "close", city, "wang")
    assert (code, said) == (2, "[auth.unknown] 没有账号“wang” → 已有：li\n")
    assert failed(monkeypatch, capsys, "user", "close", city, "li") == (0, "li：已停用\n")
    with closing(open_store(f"embedded:{tmp_path / 'store'}", timezone="Asia/Shanghai")) as store:
        accounts = Accounts(store, remember_s=0)
        assert accounts.check("li", "a long password") is None
        assert failed(monkeypatch, capsys, "user", "open", city, "li")[0] == 0
        assert accounts.check("li", "a long password").principal.role == "manager"
        monkeypatch.setenv("XUNCHA_PASSWORD", "another password")
        assert failed(monkeypatch, capsys, "user", "password", city, "li")[0] == 0
        assert accounts.check("li", "a long password") is None
        assert accounts.check("li", "another password") is not None


def test_a_password_is_no_option(city):
    run = CliRunner().invoke(
        xuncha.app, ["user", "add", city, "li", "--role", "manager", "--password", "a long password"]
    )
    assert run.exit_code == 2


def test_the_access_log_is_shown_newest_first(city, tmp_path):
    with closing(open_store(f"embedded:{tmp_path / 'store'}", timezone="Asia/Shanghai")) as store:
        store.prepare()
        rows = [{"event": "sign_in", "name": "li", "at": datetime(2026, 3, 18, 0, 30, tzinfo=UTC)},
                {"event": "tracks", "name": "wu", "persons": ["P1", "P2"], "at": datetime(2026, 3, 18, 1, tzinfo=UTC)}]  # fmt: skip
        store.ledger_append("access_log", *rows)
    shown = CliRunner().invoke(xuncha.app, ["access-log", city]).output
    assert shown == "2026-03-18 09:00:00\twu\ttracks\tpersons=2\n2026-03-18 08:30:00\tli\tsign_in\t\n"
    only = CliRunner().invoke(xuncha.app, ["access-log", city, "--name", "li"]).output
    assert only.count("\n") == 1


def test_a_secret_that_could_be_guessed_is_refused(monkeypatch, capsys, city):
    monkeypatch.setenv("XUNCHA_SECRET", "a")
    code, said = failed(monkeypatch, capsys, "serve", city, "--port", "0")
    assert code == SettingsError.exit_code
    assert "[cli.secret]" in said


def test_accounts_are_listed_with_a_scope_that_is_gone(monkeypatch, capsys, city, tmp_path):
    with closing(open_store(f"embedded:{tmp_path / 'store'}", timezone="Asia/Shanghai")) as store:
        store.prepare()
        add_user(store, "li", "manager", "town:T9", "a long password")
        add_user(store, "wu", "planner", "county", "a long password", active=False)
    shown = CliRunner().invoke(xuncha.app, ["user", "list", city]).output
    assert shown == "li\tmanager\ttown:T9\t数据里没有这个范围\nwu\tplanner\tcounty\t停用\n"


def test_the_version_is_told():
    assert CliRunner().invoke(xuncha.app, ["--version"]).output == f"xuncha {version('xuncha')}\n"
