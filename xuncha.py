"""xuncha: the command line, and the only place that builds a store and wires the rooms together."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gis.errors import Fault, SettingsError, XunchaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gis.errors import Lang
    from layers.city import City
    from layers.store.base import Manifest, Run, Store

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
user_app = typer.Typer(no_args_is_help=True, help="网页帐号 | accounts of the web application")
standard_app = typer.Typer(no_args_is_help=True, help="标准 | standards")
app.add_typer(user_app, name="user")
app.add_typer(standard_app, name="standard")

CityFile = Annotated[Path, typer.Argument(help="城市文件 | the city file", metavar="CITY.TOML")]
Day = Annotated[str, typer.Option("--day", help="核查日 | local day, YYYY-MM-DD", metavar="YYYY-MM-DD")]
LastDay = Annotated[str | None, typer.Option("--to", help="至（含） | last day, inclusive", metavar="YYYY-MM-DD")]
Out = Annotated[Path, typer.Option("--out", help="输出文件夹 | folder to write into")]


def _lang() -> Lang:
    return "en" if os.environ.get("XUNCHA_LANG", "zh").lower().startswith("en") else "zh"


def _say(zh: str, en: str) -> None:
    """A line for the person at the terminal: stderr, so that stdout stays data."""
    typer.echo(zh if _lang() == "zh" else en, err=True)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            Fault("cli.day", f"日期写法不对：{text}", f"no such day: {text}", "写成 2026-03-18", "write 2026-03-18")
        ) from None


def _days(first: str, last: str | None) -> list[date]:
    start = _day(first)
    end = _day(last) if last else start
    if end < start:
        raise SettingsError(Fault("cli.days", f"{end} 早于 {start}", f"{end} is before {start}"))
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]


@contextmanager
def _store(city: City, url: str | None = None) -> Iterator[Store]:
    from layers.store import open_store

    store = open_store(url or city.store_url, timezone=city.timezone)
    try:
        store.prepare()
        yield store
    finally:
        store.close()


@contextmanager
def _progress() -> Iterator[Any]:
    """A bar a stage on stderr; quiet where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bars: dict[str, Any] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:

        def tell(stage: str, done: int, total: int | None) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total)
            progress.update(bars[stage], completed=done, total=total)

        yield tell


def _city(path: Path) -> City:
    from layers.city import load_city_file

    return load_city_file(path)


@app.command()
def init(directory: Annotated[Path, typer.Argument(help="文件夹 | folder", metavar="DIR")]) -> None:
    """写出带注释的城市文件模板 | write a commented template of a city file."""
    from etl.template import init_city

    path = init_city(directory)
    _say(f"已写出 {path}；填好后运行：xuncha check {path}", f"wrote {path}; fill it in, then: xuncha check {path}")


@app.command()
def check(city_file: CityFile) -> None:
    """逐条规则说明：这些数据够不够核查 | rule by rule: can this data decide it."""
    from etl.check import check_city

    city = _city(city_file)
    with _progress() as tell:
        report = check_city(city, progress=tell)
    typer.echo(report.render(_lang()))
    raise typer.Exit(0 if report.readable else 3)


@app.command()
def load(
    city_file: CityFile,
    only: Annotated[list[str] | None, typer.Option(help="只入这些来源 | only these sources")] = None,
) -> None:
    """把每个来源装入库；再装一次不变 | load every source; twice changes nothing."""
    city = _city(city_file)
    with _store(city) as store, _progress() as tell:
        from etl.load import load_city

        manifests = load_city(city, store, only=only, progress=tell)
    _print_manifests(manifests)


def _print_manifests(manifests: list[Manifest]) -> None:
    head = ("来源", "表", "读入", "新增", "已有", "隔离", "原因")
    rows = [
        (
            m.record.source,
            m.record.table,
            m.record.rows_in,
            m.inserted,
            m.already_present,
            m.quarantined,
            " ".join(f"{code}×{count}" for code, count in sorted(m.reasons.items())),
        )
        for m in manifests
    ]
    typer.echo("\t".join(head))
    for row in rows:
        typer.echo("\t".join(map(str, row)))
    for m in manifests:
        for note in m.record.notes:
            _say(f"  {m.record.source}：{note.zh}", f"  {m.record.source}: {note.en}")


@app.command()
def grid(
    city_file: CityFile,
    out: Annotated[Path, typer.Option("--out", help="GeoPackage 或 GeoJSON | .gpkg or .geojson")],
    cell_m: Annotated[float, typer.Option(help="单元边长（米） | edge of a cell, metres")] = 500.0,
    shape: Annotated[str, typer.Option(help="square、hex 或 roads（沿道路） | along roads")] = "square",
) -> None:
    """没有工作网格时切分一套 | cut work grids where a city has none."""
    from etl.grid import cut_grids

    count = cut_grids(_city(city_file), out, cell_m=cell_m, shape=shape)
    _say(f"切分 {count} 个网格，写入 {out}", f"cut {count} grids into {out}")


@app.command()
def audit(
    city_file: CityFile,
    day: Day,
    to: LastDay = None,
    scheduler: Annotated[str | None, typer.Option(help="Dask 调度器 tcp://host:8786 | Dask scheduler")] = None,
    shards: Annotated[int | None, typer.Option(help="分片数 | shards of devices")] = None,
    positions: Annotated[
        str | None,
        typer.Option(
            help="定位改读此处的 Parquet 文件夹（路径、s3://…，凡 fsspec 能开）| positions from this folder of Parquet files instead: "
            "a path, s3://…, whatever fsspec opens",
            metavar="URL",
        ),
    ] = None,
) -> None:
    """核查一天或数天，结果入库 | audit one day or several and store the results."""
    city = _city(city_file)
    with _store(city) as store, _progress() as tell:
        from etl.pipeline import audit_days
        from layers.store import open_positions

        if positions is not None:
            store.positions = open_positions(positions, timezone=city.timezone)
        runs = audit_days(city, store, _days(day, to), scheduler=scheduler, shards=shards, progress=tell)
        for run in runs:
            _print_run(store, run)


def _print_run(store: Store, run: Run) -> None:
    typer.echo(f"{run.day} {run.run_id}")
    rollups = store.result(run.run_id, "rollups", where={"level": "rule", "charged": "entitled"})
    for r in rollups.to_dict("records"):
        typer.echo(
            f"  {r['rule_id']:<22} 应巡 {r['windows']:>6}  已巡 {r['covered']:>6}  漏巡 {r['missed']:>6}  未知 {r['unknown']:>6}  "
            f"免巡 {r['excused']:>6}  达标率 {r['rate_low']:.1%}–{r['rate_high']:.1%}"
        )
    changed = store.difference(run.run_id)
    if len(changed):
        _say(f"  与上一次相比变化 {len(changed)} 处", f"  {len(changed)} changes against the run before")


@app.command()
def export(
    city_file: CityFile,
    day: Day,
    out: Out = Path("out"),
    to: LastDay = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="csv、xlsx、gpkg、geojson、html、pdf；可重复 | may be repeated")
    ] = None,
    lang: Annotated[str, typer.Option(help="zh 或 en")] = "zh",
) -> None:
    """导出报表、工作簿、地图 | export tables, workbook, GeoPackage and map."""
    city = _city(city_file)
    with _store(city) as store, _progress() as tell:
        for path in _export(city, store, _days(day, to), out, formats=formats, lang=lang, progress=tell):
            typer.echo(str(path))


def _export(
    city: City, store: Store, days: list[date], out: Path, *, formats: list[str] | None, lang: str, progress: Any
) -> list[Path]:
    from dashboards.exports import FORMATS, export_days

    wanted = [f for text in formats or FORMATS for f in text.split(",")]
    unknown = sorted(set(wanted) - set(FORMATS))
    if unknown:
        raise SettingsError(
            Fault(
                "cli.format",
                f"没有格式 {'、'.join(unknown)}",
                f"no format {', '.join(unknown)}",
                "、".join(FORMATS),
                ", ".join(FORMATS),
            )
        )
    return export_days(city, store, days, out, formats=wanted, lang=lang, progress=progress)


@app.command()
def match(
    city_file: CityFile,
    positions: Annotated[
        Path, typer.Option(help="轨迹文件 | positions: CSV, Parquet, XLSX, GPX or points of a GIS file")
    ],
    out: Annotated[Path, typer.Option("--out", help="输出 GeoPackage | routes to write")],
    columns: Annotated[str | None, typer.Option(help="device=track,time=t,lon=lon,lat=lat")] = None,
    mode: Annotated[str, typer.Option(help="foot、ebike 或 vehicle")] = "vehicle",
    profile: Annotated[
        str, typer.Option(help="sparse：相邻点相隔一公里以上 | patrol, or sparse: fixes a kilometre apart")
    ] = "patrol",
) -> None:
    """只做地图匹配：轨迹变成路线 | map matching only: positions to routes."""
    from etl.city_network import match_city

    with _progress() as tell:
        tracks = match_city(
            _city(city_file), positions, out, columns=columns, mode=mode, profile=profile, progress=tell
        )
    _say(f"{tracks} 条轨迹，写入 {out}", f"{tracks} tracks into {out}")


@app.command()
def evaluate(
    city_file: Annotated[
        Path | None, typer.Argument(help="城市文件，默认示例县 | default: the sample county", metavar="[CITY.TOML]")
    ] = None,
    day: Annotated[str, typer.Option(help="工作日 | a working day", metavar="YYYY-MM-DD")] = "2026-03-18",
    write: Annotated[Path | None, typer.Option(help="写入 Markdown 文件 | write the page")] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(help="另加一节的路网 | a further network, for a short section of its own", metavar="CITY.TOML"),
    ] = None,
    km: Annotated[
        float, typer.Option(help="每个路网至多巡查多少公里 | how much of a network is patrolled", min=1.0)
    ] = 60.0,
    quick: Annotated[bool, typer.Option(help="只算两个条件 | two conditions only")] = False,
) -> None:
    """在已知真相的模拟日上：核查错多少 | how often the audit is wrong, on simulated days with known truth.

    不写城市文件：示例县，全部条件。写明城市文件：该路网最靠中心的一部分，几个条件，数分钟内完成。
    Without a city file: the sample county under every condition. With one: the part of its network next to the middle, a few conditions.
    """
    from etl.evaluate_networks import evaluate_county, evaluate_network

    with _progress() as tell:
        sections = [
            evaluate_network(_city(path), _day(day), name=str(path), budget_km=km, quick=quick, progress=tell)
            for path in (*([city_file] if city_file else ()), *(also or ()))
        ]
        page = (
            "\n\n".join(sections)
            if city_file
            else evaluate_county(_day(day), quick=quick, networks=sections, progress=tell)
        )
    typer.echo(page)
    if write is not None:
        write.write_text(page if page.endswith("\n") else f"{page}\n", encoding="utf-8")


@app.command()
def follow(
    city_file: CityFile,
    every: Annotated[float, typer.Option(help="每隔几秒 | seconds between two steps", min=1.0)] = 30.0,
    load: Annotated[
        bool, typer.Option("--load", help="同时装入来源的新文件 | load new files of the sources too")
    ] = False,
    store: Annotated[str | None, typer.Option(help="另用此库 | another store")] = None,
) -> None:
    """持续跟踪当天：指挥台的路况与轮次随定位更新 | keep the command desk's roads and rounds as fresh as the positions."""
    import signal
    import threading

    from etl.beside import parent_gone
    from etl.follow import follow as run_follow

    city = _city(city_file)
    url, stop = store or city.store_url, threading.Event()
    with _store(city, url):
        pass  # prepared, or refused
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def tell(step: Any) -> None:
        if parent_gone():
            stop.set()
        if step.error is not None:
            typer.echo(step.error.render(_lang()), err=True)
        elif step.live is not None:
            until = datetime.fromtimestamp(step.live.until_ms / 1000, city.zone)
            _say(f"{step.day} 截至 {until:%H:%M:%S}，{step.live.positions} 条定位，用时 {step.seconds:.1f} 秒",
                 f"{step.day} up to {until:%H:%M:%S}, {step.live.positions} positions, took {step.seconds:.1f} s")  # fmt: skip

    run_follow(city, url, stop=stop, every_s=every, load=load, tell=tell)


def _follower(city_file: Path, url: str, *, load: bool) -> list[str]:
    """The command that follows a store."""
    words = [sys.executable, str(Path(__file__).resolve()), "follow", str(city_file), "--store", url]
    return [*words, "--load"] if load else words


@app.command()
def serve(
    city_file: CityFile,
    host: Annotated[str, typer.Option(help="监听地址 | address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="端口 | port")] = 8050,
    workers: Annotated[int, typer.Option(help="进程数 | processes")] = 1,
    store: Annotated[str | None, typer.Option(help="另用此库（如 replay 的）| another store, such as replay's")] = None,
    https: Annotated[bool, typer.Option(help="前面有 HTTPS:Cookie 标 Secure | behind HTTPS")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="同时持续跟踪当天 | follow the day beside it")] = False,
    load: Annotated[bool, typer.Option("--load", help="跟踪时装入新文件 | with --follow: load new files")] = False,
) -> None:
    """打开四个工作台 | open the four desks."""
    import secrets
    from contextlib import nullcontext

    from dashboards.server import serve as run_server
    from dashboards.settings import DeskSettings
    from etl.beside import kept_beside

    if load and not follow:
        raise SettingsError(
            Fault("cli.load", "--load 须与 --follow 同用", "--load goes with --follow", "加上 --follow", "add --follow")
        )
    city = _city(city_file)
    url = store or city.store_url
    with _store(city, url):
        pass  # prepared, or refused, before anybody is told an address
    secret = os.environ.get("XUNCHA_SECRET") or secrets.token_urlsafe(32)
    settings = DeskSettings(
        secret=secret, secure_cookies=https, oidc=_oidc(), metrics_token=os.environ.get("XUNCHA_METRICS_TOKEN", "")
    )
    _say(f"http://{host}:{port}", f"http://{host}:{port}")
    beside = (
        kept_beside(
            _follower(city_file, url, load=load),
            died=lambda code: _say(
                f"跟踪进程退出（{code}），重新启动", f"the follower ended ({code}), starting it again"
            ),
        )
        if follow
        else nullcontext()
    )
    with beside:
        run_server(city, url, host, port, workers, settings=settings)


def _oidc() -> Any:
    """An OpenID Connect provider from the environment (XUNCHA_OIDC_ISSUER, _CLIENT_ID, _CLIENT_SECRET), None without."""
    from dashboards.settings import OidcSettings

    issuer = os.environ.get("XUNCHA_OIDC_ISSUER")
    if not issuer:
        return None
    return OidcSettings(
        issuer=issuer,
        client_id=os.environ["XUNCHA_OIDC_CLIENT_ID"],
        client_secret=os.environ.get("XUNCHA_OIDC_CLIENT_SECRET", ""),
    )


@user_app.command("add")
def user_add(
    city_file: CityFile,
    name: Annotated[str, typer.Argument(help="账号 | account")],
    role: Annotated[str, typer.Option(help="planner、command、manager、administrator")],
    scope: Annotated[str, typer.Option(help="county、town:ID 或 squad:ID")] = "county",
    password: Annotated[
        str | None, typer.Option(envvar="XUNCHA_PASSWORD", help="不给则询问 | asked for if not given")
    ] = None,
) -> None:
    """添加或修改账号 | add an account, or change it."""
    from dashboards.auth.accounts import add_user

    secret = (
        password
        if password is not None
        else typer.prompt("密码 | password", hide_input=True, confirmation_prompt=True, err=True)
    )
    with _store(_city(city_file)) as store:
        added = add_user(store, name, role, scope, secret)
    _say(f"{added.name}：{added.role}，{added.scope}", f"{added.name}: {added.role}, {added.scope}")


@user_app.command("list")
def user_list(city_file: CityFile) -> None:
    """列出账号 | list the accounts."""
    with _store(_city(city_file)) as store:
        rows = store.ledger("users", limit=100_000)
    if len(rows):
        for r in rows.drop_duplicates("name").sort_values("name").to_dict("records"):
            typer.echo(f"{r['name']}\t{r['role']}\t{r['scope']}\t{'' if r.get('active', True) else '停用'}")


@standard_app.command("list")
def standard_list() -> None:
    """列出内置标准 | standards that come with xuncha."""
    from layers.standard_files import list_standards

    for name in list_standards():
        typer.echo(name)


@standard_app.command("show")
def standard_show(name: Annotated[str, typer.Argument(help="名称或文件 | name or file")] = "xuncha") -> None:
    """列出条款、原文与数字 | the clauses, their sentences and figures."""
    from layers.standard_files import list_standards, load_standard

    standard = load_standard(list_standards()[0] if name == "xuncha" else name)
    typer.echo(f"{standard.id} {standard.version}")
    for rule_id, rule in sorted(standard.rules.items()):
        typer.echo(f"{rule_id:<24} {rule.clause}  {rule.quote}")
    assumed = standard.assumptions()
    _say(f"另有 {len(assumed)} 项设置是假定", f"{len(assumed)} settings are assumptions")
    for key, _ in assumed:
        typer.echo(f"  {key}")


@app.command()
def runs(city_file: CityFile, day: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD")] = None) -> None:
    """列出核查记录 | the audits kept."""
    with _store(_city(city_file)) as store:
        for r in store.runs(_day(day) if day else None):
            current = store.current_run(r.day)
            mark = "*" if current is not None and current.run_id == r.run_id else " "
            typer.echo(
                f"{mark} {r.day} {r.run_id[:16]} {r.standard_id} {r.standard_version} {r.code_version} {r.created_at:%Y-%m-%d %H:%M}Z"
            )


@app.command()
def diff(city_file: CityFile, day: Day) -> None:
    """与上一次核查相比变了什么 | what changed against the audit before."""
    from dashboards.views import open_run

    with _store(_city(city_file)) as store:
        changed = store.difference(open_run(store, _day(day)).run.run_id)
    typer.echo(changed.to_csv(index=False).rstrip() if len(changed) else "")


@app.command()
def quarantine(city_file: CityFile, limit: Annotated[int, typer.Option(help="最多几行 | most rows")] = 200) -> None:
    """列出被隔离的行及原因 | rows set aside, with their reasons."""
    with _store(_city(city_file)) as store:
        typer.echo(store.quarantine(limit=limit).to_csv(index=False).rstrip())


@app.command()
def replay(
    city_file: CityFile,
    day: Day,
    into: Annotated[str, typer.Option(help="演练库，如 embedded:./replay | scratch store")],
    speed: Annotated[float, typer.Option(help="倍速 | virtual seconds a second")] = 60.0,
) -> None:
    """把一天当作正在发生，放进演练库 | play a stored day into a scratch store as if it were happening."""
    from etl.replay import replay_day

    city = _city(city_file)
    watch = f"xuncha serve {city_file} --store {into} --port 8051"
    _say(f"另开窗口看指挥台：{watch}；中断后再执行同一命令即接着放",
         f"see it in another window: {watch}; interrupted, the same command goes on")  # fmt: skip
    with _store(city) as source, _progress() as tell:
        replay_day(city, source, _day(day), speed=speed, into=into, progress=tell)


@app.command()
def demo(
    out: Out = Path("out"),
    no_serve: Annotated[bool, typer.Option("--no-serve", help="只导出 | stop after the export")] = False,
    days: Annotated[int, typer.Option(help="几天 | days")] = 1,
    seed: Annotated[int, typer.Option(help="随机种子 | seed")] = 2019,
    port: Annotated[int, typer.Option(help="端口 | port")] = 8050,
) -> None:
    """示例县：生成、入库、核查、导出，打开网页 | the sample county from generation to pages."""
    from etl.load import load_city
    from etl.pipeline import audit_days
    from etl.sample.write import DEFAULT_DAY, write_sample_county

    _say("生成示例县 …", "making the sample county …")
    path = write_sample_county(out / "county", seed=seed, days=days)
    city = _city(path)
    wanted = [DEFAULT_DAY + timedelta(days=n) for n in range(days)]
    with _store(city) as store, _progress() as tell:
        _say("入库 …", "loading …")
        _print_manifests(load_city(city, store, progress=tell))
        _say("核查 …", "auditing …")
        for run in audit_days(city, store, wanted, progress=tell):
            _print_run(store, run)
        _say("导出 …", "exporting …")
        _export(city, store, wanted, out, formats=None, lang="zh", progress=tell)
        accounts = _demo_accounts(store)
    day = wanted[0]
    _say(f"请看 {out}/：map.html（地图）、xuncha-{day}.xlsx（工作簿）、xuncha-{day}.gpkg（QGIS）、summary.json、csv/、geojson/",
         f"see {out}/: map.html, xuncha-{day}.xlsx, xuncha-{day}.gpkg (QGIS), summary.json, csv/, geojson/")  # fmt: skip
    if no_serve:
        return
    from dashboards.server import serve as run_server
    from dashboards.settings import DemoAccount, DeskSettings

    _say(f"打开 http://127.0.0.1:{port}（Ctrl-C 结束）", f"open http://127.0.0.1:{port} (Ctrl-C to stop)")
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
        typer.echo(error.render(_lang()), err=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
