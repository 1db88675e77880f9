"""Settings of the web application: typed, documented in docs/dashboards.md (a test fails where one is missing there)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class BaseMap:
    """What lies under the layers. Nothing is requested from anywhere unless a county configures it.

    Attributes:
        kind: none (a plain ground), raster (XYZ tiles), pmtiles (one raster PMTiles file), style (a MapLibre style document).
        url: template or address; its origin is added to the content security policy.
        attribution: shown on the map.
        tile_size: pixels.
        path: a PMTiles file on this machine, which the application itself serves (`url` is then /basemap.pmtiles).
    """

    kind: Literal["none", "raster", "pmtiles", "style"] = "none"
    url: str = ""
    attribution: str = ""
    tile_size: int = 256
    path: str = ""


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """One OpenID Connect provider; accounts are matched by `claim` against the names of the store's users.

    Attributes:
        issuer: address whose `/.well-known/openid-configuration` describes the provider.
        client_id: our name at the provider.
        client_secret: our secret at the provider.
        claim: claim of the ID token that holds the account name.
        label_zh: words of the sign-in button.
        label_en: the same in English.
    """

    issuer: str
    client_id: str
    client_secret: str
    claim: str = "preferred_username"
    label_zh: str = "统一身份认证登录"
    label_en: str = "Sign in with the county's identity service"


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account that the demo made, shown with its password on the sign-in page."""

    name: str
    password: str
    role: str
    scope: str


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """Settings of the web application.

    Attributes:
        secret: key that signs session cookies; the same in every worker. Random by default, so that a restart signs everybody out.
        secure_cookies: mark cookies Secure; set where people arrive by HTTPS.
        session_hours: a session ends after so many hours.
        sign_in_tries: failed attempts of a name or an address before it must wait.
        sign_in_window_s: time over which failed attempts are counted.
        language: zh or en where a visitor has not chosen.
        demo_accounts: shown on the sign-in page; empty in earnest use.
        oidc: a provider, or None.
        base_map: what lies under the layers.
        time_zone: IANA zone in which times are shown and days are counted.
        cache_mb: memory for tables read from the store, per worker.
        static_dir: built assets; the package's own folder by default.
        trusted_proxies: addresses whose X-Forwarded-* headers are believed.
        metrics_token: bearer token that /metrics asks for; empty: only loopback may read it.
        stream_interval_s: how often a live stream is computed.
        options: settings of single pages, by page.
    """

    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    secure_cookies: bool = False
    session_hours: float = 12.0
    sign_in_tries: int = 5
    sign_in_window_s: float = 300.0
    language: Literal["zh", "en"] = "zh"
    demo_accounts: tuple[DemoAccount, ...] = ()
    oidc: OidcSettings | None = None
    base_map: BaseMap = BaseMap()
    time_zone: str = "Asia/Shanghai"
    cache_mb: int = 512
    static_dir: Path | None = None
    trusted_proxies: str = "127.0.0.1"
    metrics_token: str = field(default="", repr=False)
    stream_interval_s: float = 1.0
    options: dict[str, dict[str, object]] = field(default_factory=dict)

    @property
    def assets(self) -> Path:
        """Folder of the built assets."""
        return self.static_dir or Path(__file__).parent / "static"
