"""Running the application in earnest: uvicorn with workers, JSON logs, proxy headers, graceful stop."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn

from dashboards.api import BASE_MAP_URL
from dashboards.app import create_app
from dashboards.protocol import BoundedProtocol
from dashboards.settings import BaseMap, DemoAccount, DeskSettings, OidcSettings
from layers.city import load_city_file
from layers.store import open_store

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from layers.city import City

PLAN = "XUNCHA_SERVE_PLAN"
GRACE_S = 10
LIVE_S = 30


def log_json(level: int = logging.INFO) -> None:
    """Structured logs, one JSON line each, to standard error; uvicorn's own among them."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _plain,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[*processors[:2], *processors[4:], render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=processors, processors=[drop, render]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _plain(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event.pop("color_message", None)  # uvicorn's own words once more, for terminals
    return event


def settings_to_json(settings: DeskSettings) -> dict[str, Any]:
    """Settings as JSON values, for the workers."""
    body = asdict(settings)
    return body | {"static_dir": str(settings.static_dir) if settings.static_dir else None}


def settings_from_json(body: dict[str, Any]) -> DeskSettings:
    """Settings from `settings_to_json`."""
    oidc, static = body["oidc"], body["static_dir"]
    return DeskSettings(
        **{
            **body,
            "demo_accounts": tuple(DemoAccount(**a) for a in body["demo_accounts"]),
            "oidc": OidcSettings(**oidc) if oidc else None,
            "base_map": BaseMap(**body["base_map"]),
            "static_dir": Path(static) if static else None,
        }
    )


def worker_app() -> ASGIApp:
    """The application of one worker, from the plan that `serve` left in its environment."""
    plan = json.loads(os.environ[PLAN])
    log_json()
    city = load_city_file(plan["city"])
    store = open_store(plan["store"], timezone=city.timezone)
    return create_app(store, city, settings_from_json(plan["settings"]), store_url=plan["store"])


def city_settings(city: City, settings: DeskSettings | None = None) -> DeskSettings:
    """Settings with what the city file says about language, time zone and base map."""
    settings = replace(settings or DeskSettings(), language=city.language, time_zone=city.timezone)
    if city.map.tiles and settings.base_map.kind == "none":
        return replace(settings, base_map=_base_map(city, city.map.tiles))
    return settings


def _base_map(city: City, tiles: str) -> BaseMap:
    """XYZ tiles by their template, or a PMTiles archive: at an address, or a file beside the city file."""
    said = city.map.attribution or ""
    if not tiles.endswith(".pmtiles"):
        return BaseMap("raster", tiles, said)
    if "://" in tiles:
        return BaseMap("pmtiles", tiles, said)
    return BaseMap("pmtiles", BASE_MAP_URL, said, path=str(city.resolve(tiles)))


def serve(
    city: City,
    store_url: str,
    host: str = "127.0.0.1",
    port: int = 8050,
    workers: int = 1,
    *,
    settings: DeskSettings | None = None,
) -> None:
    """Serve until stopped (SIGTERM or Ctrl-C: no new requests, those under way are answered within 10 s).

    The store must be prepared. `settings` are completed with the city file's language, time zone and base map; workers share one key.
    """
    settings = city_settings(city, settings)
    plan = {"city": str(city.path.resolve()), "store": store_url, "settings": settings_to_json(settings)}
    os.environ[PLAN] = json.dumps(plan)
    log_json()
    uvicorn.run(
        "dashboards.server:worker_app",
        factory=True,
        http=BoundedProtocol,
        host=host,
        port=port,
        workers=workers if workers > 1 else None,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=LIVE_S,
    )
