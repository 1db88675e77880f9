"""The command line itself: every command teaches, and what a user mistypes is told in words, with the exit code that the help names."""

from __future__ import annotations

import socket

import pytest
import typer
from typer.testing import CliRunner

import xuncha
from gis.errors import SettingsError

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
