"""Commands of accounts: add or change one, close it, open it again, change its password, list them; and the access log."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gis.errors import Fault, SettingsError
from xuncha_terminal import CityFile, city_of, language, opened, say

if TYPE_CHECKING:
    from layers.store.base import Store

Name = Annotated[str, typer.Argument(help="账号 | account")]


def user_add(
    city_file: CityFile,
    name: Name,
    role: Annotated[str, typer.Option(help="planner、command、manager、administrator")],
    scope: Annotated[str, typer.Option(help="county、town:ID 或 squad:ID")] = "county",
) -> None:
    """添加或修改账号；密码取自 XUNCHA_PASSWORD，否则询问 | add an account, or change it; password from XUNCHA_PASSWORD or asked for."""
    from dashboards.auth.accounts import add_user
    from dashboards.auth.known_scopes import checked
    from dashboards.auth.principal import Scope, parse_role

    parse_role(role)
    with opened(city_of(city_file)) as store:
        about = checked(store, Scope.parse(scope))  # before anybody types a password
        added = add_user(store, name, role, scope, _password())
    of = about and (f"（{about}）" if language() == "zh" else f" ({about})")
    say(f"{added.name}：{added.role}，{added.scope}{of}", f"{added.name}: {added.role}, {added.scope}{of}")


def user_password(city_file: CityFile, name: Name) -> None:
    """修改密码，该账号的会话随即结束 | change a password; sessions of the account end at once."""
    from dashboards.auth.accounts import set_password

    with opened(city_of(city_file)) as store:
        _row(store, name)  # before anybody types a password
        set_password(store, name, _password())
    say(f"{name}：密码已修改", f"{name}: the password was changed")


def user_close(city_file: CityFile, name: Name) -> None:
    """停用账号，其会话随即结束 | close an account; its sessions end at once."""
    from dashboards.auth.accounts import set_active

    with opened(city_of(city_file)) as store:
        _row(store, name)
        set_active(store, name, active=False)
    say(f"{name}：已停用", f"{name}: closed")


def user_open(city_file: CityFile, name: Name) -> None:
    """重新启用停用的账号 | open a closed account again."""
    from dashboards.auth.accounts import set_active

    with opened(city_of(city_file)) as store:
        _row(store, name)
        set_active(store, name, active=True)
    say(f"{name}：已启用", f"{name}: open again")


def user_list(city_file: CityFile) -> None:
    """列出账号：账号、角色、范围、状态 | list the accounts: name, role, scope, state."""
    from dashboards.auth.known_scopes import known_scopes

    with opened(city_of(city_file)) as store:
        rows = store.ledger("users", limit=100_000)
        known = {f"{kind}:{key}" for kind in ("town", "squad") for key in known_scopes(store, kind)} | {"county"}
    if len(rows):
        for r in rows.drop_duplicates("name").sort_values("name").to_dict("records"):
            state = [] if r.get("active", True) else [_word("停用", "closed")]
            state += [] if r["scope"] in known else [_word("数据里没有这个范围", "no such scope in the data")]
            typer.echo(f"{r['name']}\t{r['role']}\t{r['scope']}\t{_word('；', '; ').join(state)}")


def access_log(
    city_file: CityFile,
    name: Annotated[str | None, typer.Option(help="只看此账号 | of this account")] = None,
    event: Annotated[str | None, typer.Option(help="只看此类事件 | of this kind")] = None,
    limit: Annotated[int, typer.Option(help="最多几行 | most rows", min=1)] = 100,
) -> None:
    """访问记录：谁在何时看了什么，新的在前 | the access log: who saw what and when, newest first."""
    wanted = {k: v for k, v in (("name", name), ("event", event)) if v is not None}
    city = city_of(city_file)
    with opened(city) as store:
        rows = store.ledger("access_log", where=wanted, limit=limit)
    for found in rows.to_dict("records"):
        row = {str(k): v for k, v in found.items()}
        at = row.pop("at").tz_convert(city.zone)
        head = [str(row.pop(k, "")) for k in ("name", "event")]
        typer.echo("\t".join([f"{at:%Y-%m-%d %H:%M:%S}", *head, _rest(row)]))


def _rest(row: dict[str, Any]) -> str:
    """What else a row says; lists by their length, names of people stay in the store."""
    said = []
    for key, value in row.items():
        text = str(len(value)) if isinstance(value, list) else "" if value is None or value != value else str(value)  # noqa: PLR0124 (NaN)
        if text:
            said.append(f"{key}={text}")
    return " ".join(said)


def _password() -> str:
    """The password: XUNCHA_PASSWORD, or asked for twice. It is no option: options are in the list of processes."""
    given = os.environ.get("XUNCHA_PASSWORD")
    if given is not None:
        return given
    asked: str = typer.prompt("密码 | password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def _row(store: Store, name: str) -> None:
    """Refuse a name that no account has.

    Raises:
        SettingsError: there is no such account; the message lists those that there are.
    """
    rows = store.ledger("users", where={"name": name}, limit=1)
    if len(rows):
        return
    names = []
    with suppress(KeyError):
        names = sorted(store.ledger("users", limit=100_000)["name"].unique())
    raise SettingsError(
        Fault("auth.unknown", f"没有账号“{name}”", f"there is no account {name!r}",
              f"已有：{'、'.join(names) or '无'}", f"there are: {', '.join(names) or 'none'}")
    )  # fmt: skip


def _word(zh: str, en: str) -> str:
    """A word in the language of the terminal."""
    return zh if language() == "zh" else en
