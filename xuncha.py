"""xuncha: the command line, and the only place that builds a store and wires the rooms together.

Commands live beside this file by concern: `xuncha_data`, `xuncha_results`, `xuncha_desks`; what they share, in `xuncha_terminal`.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import xuncha_accounts
import xuncha_data
import xuncha_desks
import xuncha_results
from gis.errors import Fault, XunchaError
from xuncha_terminal import Out, city_of, language, opened, print_manifests, print_run, progress, say

if TYPE_CHECKING:
    from layers.store.base import Store

app = typer.Typer(
    name="xuncha",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
    help="""**巡查 xuncha**：街道是否真的巡到、问题在哪里堆积、是否按时办结。

Is every street really patrolled, where do problems pile up, are they settled in time.

常用步骤 | the usual way:

1. `xuncha init 目录` — 写出带注释的 city.toml | write a commented template
2. `xuncha check city.toml` — 数据够不够核查每条规则 | can this data decide each rule
3. `xuncha load city.toml` — 入库 | load every source
4. `xuncha audit city.toml --day 2026-03-18` — 核查一天 | audit a day
5. `xuncha export city.toml --day 2026-03-18 --format xlsx --out out` — 导出 | export
6. `xuncha serve city.toml` — 打开四个工作台 | open the four desks

退出码 | exit codes: 0 成功 done · 1 其他 other · 2 设置有误 settings · 3 数据有误 input · 4 库有误 store · 5 无法回答 no answer
""",
)
user_app = typer.Typer(no_args_is_help=True, help="网页账号 | accounts of the web application")
standard_app = typer.Typer(no_args_is_help=True, help="标准 | standards")
app.add_typer(user_app, name="user")
app.add_typer(standard_app, name="standard")
for command in (
    xuncha_data.init,
    xuncha_data.check,
    xuncha_data.load,
    xuncha_data.grid,
    xuncha_results.audit,
    xuncha_results.export,
    xuncha_data.match,
    xuncha_results.evaluate,
    xuncha_desks.follow,
    xuncha_desks.serve,
    xuncha_results.runs,
    xuncha_results.diff,
    xuncha_data.quarantine,
    xuncha_desks.replay,
):
    app.command()(command)
for verb, made in (
    ("add", xuncha_accounts.user_add),
    ("password", xuncha_accounts.user_password),
    ("close", xuncha_accounts.user_close),
    ("open", xuncha_accounts.user_open),
    ("list", xuncha_accounts.user_list),
):
    user_app.command(verb)(made)
app.command("access-log")(xuncha_accounts.access_log)
standard_app.command("list")(xuncha_results.standard_list)
standard_app.command("show")(xuncha_results.standard_show)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"xuncha {version('xuncha')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    _shown: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="显示版本 | show the version")
    ] = False,
) -> None:
    """Options that stand before any command."""


@app.command()
def demo(
    out: Out = Path("out"),
    no_serve: Annotated[bool, typer.Option("--no-serve", help="只导出 | stop after the export")] = False,
    days: Annotated[int, typer.Option(min=1, help="几天 | days")] = 1,
    seed: Annotated[int, typer.Option(help="随机种子 | seed")] = 2019,
    port: Annotated[int, typer.Option(help="端口 | port")] = 8050,
) -> None:
    """示例县：生成、入库、核查、导出，打开网页 | the sample county from generation to pages."""
    from etl.load import load_city
    from etl.pipeline import audit_days
    from etl.sample.write import sample_days, write_sample_county

    say("生成示例县 …", "making the sample county …")
    path = write_sample_county(out / "county", seed=seed, days=days)
    city = city_of(path)
    wanted = sample_days(days)
    with opened(city) as store, progress() as tell:
        say("入库 …", "loading …")
        print_manifests(load_city(city, store, progress=tell))
        say("核查 …", "auditing …")
        for run in audit_days(city, store, wanted, progress=tell):
            print_run(city, store, run)
        say("导出 …", "exporting …")
        xuncha_results.write_export(city, store, wanted, out, formats=None, lang="zh", progress=tell)
        accounts = _demo_accounts(store)
    day = f"{wanted[0]}-{wanted[-1]}" if days > 1 else f"{wanted[0]}"
    say(f"请看 {out}/：map.html（地图）、xuncha-{day}.xlsx（工作簿）、xuncha-{day}.gpkg（QGIS）、summary.json、csv/、geojson/",
         f"see {out}/: map.html, xuncha-{day}.xlsx, xuncha-{day}.gpkg (QGIS), summary.json, csv/, geojson/")  # fmt: skip
    if no_serve:
        return
    from dashboards.server import serve as run_server
    from dashboards.settings import DemoAccount, DeskSettings

    say(f"打开 http://127.0.0.1:{port}（Ctrl-C 结束）", f"open http://127.0.0.1:{port} (Ctrl-C to stop)")
    shown = tuple(DemoAccount(*a) for a in accounts)
    run_server(city, city.store_url, "127.0.0.1", port, 1, settings=DeskSettings(demo_accounts=shown))


def _demo_accounts(store: Store) -> list[tuple[str, str, str, str]]:
    """Accounts of the demo, told on the sign-in page: (name, password, role, scope)."""
    import secrets

    from dashboards.auth.accounts import add_user

    units = store.read("units", max(store.editions("units"), key=lambda e: e.loaded_at).edition_id)
    town = units.loc[units["kind"] == "town", "town_id"].dropna()
    accounts = []
    for name, role in (("guihua", "planner"), ("zhihui", "command"), ("shenji", "manager"), ("admin", "administrator")):
        accounts.append((name, secrets.token_urlsafe(9), role, "county"))
    if len(town):
        accounts.append(("zhenjie", secrets.token_urlsafe(9), "manager", f"town:{town.iloc[0]}"))
    for name, password, role, scope in accounts:
        add_user(store, name, role, scope, password)
    return accounts


def main() -> None:
    """Run the command line; every fault that a user can mend is printed without a traceback."""
    from etl.kernels import drop_stale_kernels

    drop_stale_kernels()
    try:
        app(standalone_mode=True)
    except XunchaError as error:
        typer.echo(error.render(language()), err=True)
        raise SystemExit(error.exit_code) from None
    except OSError as error:  # a folder that cannot be written, a full disk
        where, why = error.filename or "", error.strerror or str(error)
        fault = Fault("cli.file", f"文件操作失败（{why}）", f"a file operation failed ({why})",
                      "检查路径、权限与磁盘", "check the path, its permissions and the disk", file=str(where) or None)  # fmt: skip
        typer.echo(XunchaError(fault).render(language()), err=True)
        raise SystemExit(XunchaError.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:  # noqa: BLE001 (a fault of ours is told in words too, its trace kept for whoever mends it)
        typer.echo(XunchaError(_unforeseen(error)).render(language()), err=True)
        raise SystemExit(XunchaError.exit_code) from None


def _unforeseen(error: Exception) -> Fault:
    """What nobody foresaw, as one fault; the trace goes to a file, or to the terminal where XUNCHA_TRACE is set."""
    import os
    import tempfile
    import traceback

    trace = "".join(traceback.format_exception(error))
    what = f"{type(error).__name__}: {error}"[:300]
    if os.environ.get("XUNCHA_TRACE"):
        typer.echo(trace, err=True)
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix="xuncha-trace-", suffix=".txt", delete=False
        ) as file:
            file.write(trace)
        kept = file.name
    except OSError:  # a full disk
        kept = "XUNCHA_TRACE=1"
    return Fault("cli.unforeseen", f"程序没有预料到的错误（{what}）", f"an error that the program did not foresee ({what})",
                 f"请把 {kept} 交给维护者", f"give {kept} to those who maintain it")  # fmt: skip


if __name__ == "__main__":
    main()
