"""What a page gets: the visitor's `View` of the data, words and settings; and the `Desk` that hands it out."""

from __future__ import annotations

import urllib.parse
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from dashboards.auth.principal import Principal, Role, forbidden
from dashboards.scope import ScopedStore, scoped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from dashboards.auth.accounts import Accounts
    from dashboards.auth.sessions import Session, Sessions
    from dashboards.cache import Cache
    from dashboards.i18n import Lang, Translate, Words
    from dashboards.journal import Journal
    from dashboards.scope import Duty
    from dashboards.settings import DeskSettings
    from dashboards.streams import Streams
    from gis.standard import Standard
    from layers.standard_editions import Applied
    from layers.store.base import Store


@dataclass(frozen=True, slots=True)
class Visit:
    """One request's visitor, set by the gate (dashboards.auth.gate)."""

    session: Session | None
    principal: Principal | None
    lang: Lang
    theme: str
    address: str


VISIT: ContextVar[Visit | None] = ContextVar("xuncha_visit", default=None)


@dataclass(frozen=True, slots=True)
class View:
    """All that a page, callback or export may use, for one visitor in one language.

    Attributes:
        principal: who looks, with role and scope.
        data: the store as the visitor may see it; there is no other way to it.
        t: words in the visitor's language, `t("planner.title")`.
        city: the city file.
        standard: the standard that the city file names now: for the live view and where nothing was audited; what a run says is read by
            `standard_on`.
        settings: of the application.
        zone: local time zone.
        query: the page's URL query.
    """

    principal: Principal
    data: ScopedStore
    t: Translate
    city: Any
    standard: Standard
    settings: DeskSettings
    zone: ZoneInfo
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def lang(self) -> Lang:
        """Zh or en."""
        return self.t.lang

    def local(self, moment: datetime | Any) -> datetime:
        """A UTC time in the local zone."""
        stamp = moment if isinstance(moment, datetime) else datetime.fromtimestamp(float(moment) / 1000, UTC)
        return stamp.replace(tzinfo=stamp.tzinfo or UTC).astimezone(self.zone)

    def latest_day(self) -> date | None:
        """The latest audited day."""
        days = self.data.days()
        return days[-1] if days else None

    def day(self) -> date | None:
        """The day that the URL names (`?day=2026-03-18`), else the latest audited one."""
        days = self.data.days()
        named = self.query.get("day", "")
        return next((d for d in days if str(d) == named), days[-1] if days else None)

    def applied(self, day: date) -> Applied:
        """The standard that the current run of a day applied, as it was then; the present one where none is stored."""
        return self.data.applied(day, self.standard)

    def standard_on(self, day: date) -> Standard:
        """The standard by which the figures of a day are told; of a period, that of its last day."""
        return self.applied(day).standard

    def geometry_url(self, table: str, day: date) -> str:
        """Where the map fetches a table's geometry: ids and their order are those of `data.read` or `data.result`."""
        run = self.data.run(day)
        edition = self.data.edition_id(table, day) or (run.run_id if run else "none")
        query = urllib.parse.urlencode({"day": str(day), "scope": str(self.principal.scope)})
        return f"/api/geometry/{table}/{edition}?{query}"

    def stream_url(self, name: str, **params: object) -> str:
        """Where a `Live` component listens to a stream (dashboards.streams)."""
        return f"/api/stream/{name}?{urllib.parse.urlencode({k: str(v) for k, v in sorted(params.items())})}"


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that the application is made of, put together once in dashboards.app."""

    store: Store
    city: Any
    standard: Standard
    settings: DeskSettings
    words: Words
    accounts: Accounts
    sessions: Sessions
    cache: Cache
    duty: Duty
    streams: Streams
    journal: Journal

    @property
    def zone(self) -> ZoneInfo:
        """Local time zone."""
        return ZoneInfo(self.settings.time_zone)

    def visit(self) -> Visit:
        """The visitor of the request that is being answered."""
        visit = VISIT.get()
        if visit is None:
            raise forbidden(zh="没有来访者", en="no visitor")
        return visit

    def view(self, query: Mapping[str, str] | None = None, *, roles: Sequence[Role] | None = None) -> View:
        """The view of whoever is asking, for callbacks: `view = desk.view()`; `roles` refuses all others.

        The session is looked at again each time, since a WebSocket or a stream may outlive it.

        Raises:
            ForbiddenError: nobody is signed in, or no longer, or with another role.
        """
        visit = self.visit()
        principal = self.sessions.alive(visit.session, self.accounts) if visit.session else None
        if principal is None:
            raise forbidden(zh="登录已失效，请重新登录", en="your session has ended, sign in again")
        if roles is not None and principal.role not in roles:
            raise forbidden(zh="您的角色不能查看", en="your role may not see this")
        return self.view_of(principal, visit.lang, query)

    def view_of(self, principal: Principal, lang: Lang, query: Mapping[str, str] | None = None) -> View:
        """The view of a principal (streams, exports, tests)."""
        return View(
            principal=principal,
            data=scoped(self.store, principal, cache=self.cache, duty=self.duty, journal=self.journal),
            t=self.words.translator(lang),
            city=self.city,
            standard=self.standard,
            settings=self.settings,
            zone=self.zone,
            query=dict(query or {}),
        )
