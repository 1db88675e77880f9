"""Commands of the desks: serve them, follow the day, replay one, accounts."""

from __future__ import annotations

import os
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gis.errors import Fault, SettingsError
from xuncha_terminal import CityFile, Day, city_of, day_of, language, opened, progress, say

SECRET_LENGTH = 32


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

    city = city_of(city_file)
    url, stop = store or city.store_url, threading.Event()
    with opened(city, url):
        pass  # prepared, or refused
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def tell(step: Any) -> None:
        if parent_gone():
            stop.set()
        if step.error is not None:
            typer.echo(step.error.render(language()), err=True)
        elif step.live is not None:
            until = datetime.fromtimestamp(step.live.until_ms / 1000, city.zone)
            say(f"{step.day} 截至 {until:%H:%M:%S}，{step.live.positions} 条定位，用时 {step.seconds:.1f} 秒",
                 f"{step.day} up to {until:%H:%M:%S}, {step.live.positions} positions, took {step.seconds:.1f} s")  # fmt: skip

    run_follow(city, url, stop=stop, every_s=every, load=load, tell=tell)


def _follower(city_file: Path, url: str, *, load: bool) -> list[str]:
    """The command that follows a store."""
    words = [
        sys.executable,
        str(Path(__file__).with_name("xuncha.py").resolve()),
        "follow",
        str(city_file),
        "--store",
        url,
    ]
    return [*words, "--load"] if load else words


def serve(
    city_file: CityFile,
    *,
    host: Annotated[str, typer.Option(help="监听地址 | address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="端口 | port")] = 8050,
    workers: Annotated[int, typer.Option(help="进程数 | processes")] = 1,
    store: Annotated[str | None, typer.Option(help="另用此库（如 replay 的）| another store, such as replay's")] = None,
    https: Annotated[bool, typer.Option(help="前面有 HTTPS，Cookie 标 Secure | behind HTTPS")] = False,
    trusted_proxies: Annotated[
        str,
        typer.Option(
            envvar="XUNCHA_TRUSTED_PROXIES", help="哪些反向代理的 X-Forwarded-* 可信 | whose X-Forwarded-* is believed"
        ),
    ] = "127.0.0.1",
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
    city = city_of(city_file)
    url = store or city.store_url
    with opened(city, url):
        pass  # prepared, or refused, before anybody is told an address
    settings = DeskSettings(
        secret=_secret() or secrets.token_urlsafe(32), secure_cookies=https, oidc=_oidc(),
        metrics_token=os.environ.get("XUNCHA_METRICS_TOKEN", ""), trusted_proxies=trusted_proxies,
    )  # fmt: skip
    _free(host, port)
    say(f"http://{host}:{port}", f"http://{host}:{port}")
    beside = (
        kept_beside(
            _follower(city_file, url, load=load),
            died=lambda code: say(
                f"跟踪进程退出（{code}），重新启动", f"the follower ended ({code}), starting it again"
            ),
        )
        if follow
        else nullcontext()
    )
    with beside:
        run_server(city, url, host, port, workers, settings=settings)


def _secret() -> str:
    """The key of the sessions from the environment, empty where there is none.

    Raises:
        SettingsError: it is so short that it could be guessed.
    """
    secret = os.environ.get("XUNCHA_SECRET", "")
    if secret and len(secret) < SECRET_LENGTH:
        zh, en = (
            f"XUNCHA_SECRET 只有 {len(secret)} 个字符，太短",
            f"XUNCHA_SECRET has {len(secret)} characters, too few",
        )
        how = f"{SECRET_LENGTH}；openssl rand -base64 32"
        raise SettingsError(Fault("cli.secret", zh, en, f"至少 {how}", f"at least {how.replace('；', '; ')}"))
    return secret


def _free(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, before anybody is told of it.

    Raises:
        SettingsError: it is taken, not this machine's, or not allowed.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise SettingsError(
            Fault("cli.port", f"不能监听 {host}:{port}（{why}）", f"cannot listen on {host}:{port} ({why})",
                  "换一个 --port，或停掉占用它的程序", "choose another --port, or stop the program that holds it")
        ) from None  # fmt: skip


def _oidc() -> Any:
    """An OpenID Connect provider from the environment (XUNCHA_OIDC_ISSUER, _CLIENT_ID, _CLIENT_SECRET), None without."""
    from dashboards.settings import OidcSettings

    issuer = os.environ.get("XUNCHA_OIDC_ISSUER")
    if not issuer:
        return None
    if "XUNCHA_OIDC_CLIENT_ID" not in os.environ:
        zh, en = (
            "有 XUNCHA_OIDC_ISSUER，缺 XUNCHA_OIDC_CLIENT_ID",
            "XUNCHA_OIDC_ISSUER is set, XUNCHA_OIDC_CLIENT_ID is not",
        )
        raise SettingsError(Fault("cli.oidc", zh, en, "两者都写，或都不写", "set both or neither"))
    return OidcSettings(
        issuer=issuer,
        client_id=os.environ["XUNCHA_OIDC_CLIENT_ID"],
        client_secret=os.environ.get("XUNCHA_OIDC_CLIENT_SECRET", ""),
    )


def replay(
    city_file: CityFile,
    day: Day,
    into: Annotated[str, typer.Option(help="演练库，如 embedded:./replay | scratch store")],
    speed: Annotated[float, typer.Option(help="倍速 | virtual seconds a second")] = 60.0,
) -> None:
    """把一天当作正在发生，放进演练库 | play a stored day into a scratch store as if it were happening."""
    from etl.replay import replay_day

    city = city_of(city_file)
    watch = f"xuncha serve {city_file} --store {into} --port 8051"
    say(f"另开窗口看指挥台：{watch}；中断后再执行同一命令即接着放",
         f"see it in another window: {watch}; interrupted, the same command goes on")  # fmt: skip
    with opened(city) as source, progress() as tell:
        replay_day(city, source, day_of(day), speed=speed, into=into, progress=tell)
