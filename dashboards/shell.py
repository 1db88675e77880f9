"""The frame around every page: top bar with the desks, language, theme, who is here; and the router."""

from __future__ import annotations

import urllib.parse
from html import escape
from typing import TYPE_CHECKING, Any

import structlog
from dash import Input, Output, State, dcc, html

from dashboards.auth.page import MARK
from dashboards.auth.principal import ForbiddenError
from dashboards.i18n import place_name
from gis.errors import XunchaError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import dash
    from dash.development.base_component import Component

    from dashboards.api import Assets
    from dashboards.context import Desk, View, Visit
    from dashboards.pages import Page

INDEX = """<!DOCTYPE html>
<html lang="__LANG__" data-theme="__THEME__">
<head>{%metas%}<title>__TITLE__</title><link rel="icon" href="data:,">__ASSETS__{%css%}</head>
<body><a class="skip" href="#page">__SKIP__</a>__BAR__{%app_entry%}
<footer class="visually-hidden">{%config%}{%scripts%}{%renderer%}</footer></body></html>"""


def scope_name(view: View) -> str:
    """The visitor's scope in words."""
    scope, day = view.principal.scope, view.latest_day()
    if scope.whole:
        return view.t("shell.scope_county")
    if day is not None:
        units = view.data.read("units", day, where={"unit_id": scope.key})
        if len(units):
            return str(units["name"].iloc[0])
    return view.t(f"shell.scope_{scope.kind}", name=scope.key)


def nothing_owned(view: View, day: date) -> str:
    """That the visitor's squad or town owns no section under a rule, in words; empty where it owns any, and for the county."""
    if view.principal.scope.whole or view.data.read("sections", day)["rule_id"].notna().any():
        return ""
    return view.t("shell.owns_nothing", name=scope_name(view))


def top_bar(view: View, visit: Visit, pages: Sequence[Page], url: str, csrf: str) -> str:
    """The bar as plain HTML: there before any script runs, and links that work without."""
    t, path = view.t, url.partition("?")[0]
    desks = sorted(
        (p for p in pages if p.order is not None and view.principal.role in p.roles), key=lambda p: p.order or 0
    )
    items = "".join(
        f'<li><a href="{p.path.removesuffix("/*")}"{" aria-current=page" if p.takes(path) else ""}>{escape(t(p.title))}</a></li>'
        for p in desks
    )
    other = "en" if view.lang == "zh" else "zh"
    back = urllib.parse.quote(url, safe="/")
    city = escape(place_name(view.city, view.lang))
    return f"""<header class="bar"><a class="brand" href="/">{MARK}<span class="brand-name">{t("shell.product")}</span>
<span class="brand-place">{city}</span></a><nav aria-label="{t("shell.desks")}" class="desks-nav"><ul class="desks">{items}</ul></nav>
<div class="bar-right">
<button id="theme-button" class="bar-button" type="button" title="{t("shell.theme_title")}">{t("shell.theme")}</button>
<a class="bar-button" id="language-link" href="/lang/{other}?next={back}" title="{t("shell.language_title")}" lang="{other}">
{t("shell.language")}</a>
<span class="who"><span>{escape(visit.principal.name if visit.principal else "")}</span>
<small>{t(f"shell.role_{view.principal.role}")} · {escape(scope_name(view))}</small></span>
<form class="inline-form" method="post" action="/logout"><input type="hidden" name="csrf_token" value="{csrf}">
<button class="bar-button" type="submit">{t("shell.sign_out")}</button></form></div></header>"""


def index_html(desk: Desk, pages: Sequence[Page], html_text: str, url: str, assets: Assets) -> str:
    """The index with the visitor's language, theme and bar filled in."""
    visit = desk.visit()
    view = desk.view()
    session = visit.session
    csrf = desk.sessions.csrf(session.sid) if session else ""
    page = next((p for p in pages if p.takes(url.partition("?")[0])), None)
    links = f'<link rel="stylesheet" href="{assets.url("app.css")}"><link rel="modulepreload" href="{assets.url("map.js")}">'
    title = f"{view.t(page.title)} · {view.t('shell.product')}" if page else view.t("shell.product_long")
    return (
        html_text.replace("__LANG__", "zh-CN" if view.lang == "zh" else "en")
        .replace("__THEME__", visit.theme)
        .replace("__ASSETS__", links)
        .replace("__SKIP__", view.t("shell.skip"))
        .replace("__TITLE__", escape(title))
        .replace("__BAR__", top_bar(view, visit, pages, url, csrf))
    )


def notice(title: str, text: str, *, tone: str = "") -> Component:
    """A page that only says something."""
    return html.Div([html.H1(title), html.P(text)], className=f"empty {tone}", role="alert")


def page_head(title: str, lead: str = "", tools: Sequence[Component] = ()) -> Component:
    """Heading of a page with what belongs beside it."""
    parts: list[Component] = [html.H1(title)]
    if lead:
        parts.append(html.Span(lead, className="lead"))
    if tools:
        parts.append(html.Div(list(tools), className="tools"))
    return html.Div(parts, className="page-head")


def card(title: str | None, *children: Any, note: str = "", class_name: str = "", **props: Any) -> Component:
    """A card with a heading and, at its right, a note."""
    head: list[Component] = []
    if title is not None:
        parts: list[Component] = [html.H2(title)]
        if note:
            parts.append(html.Span(note, className="note"))
        head = [html.Div(parts, className="card-head")]
    return html.Section([*head, *children], className=f"card {class_name}".strip(), **props)


def kpi(label: str, value: str, *, unit: str = "", rest: str = "", note: str = "", tone: str = "") -> Component:
    """One figure with its label; tone good, bad or warn; `rest` stands beside it as large, without the tone."""
    figure: list[Any] = [value, html.Small(unit)] if unit else [value]
    if rest:
        figure.append(html.Span(rest, style={"color": "var(--text)"}))
    parts: list[Component] = [html.Span(label, className="kpi-label"), html.Span(figure, className="kpi-value")]
    if note:
        parts.append(html.Span(note, className="kpi-note"))
    return html.Div(parts, className=f"card kpi {tone}".strip())


def show_page(view: View, pages: Sequence[Page], path: str) -> Component:
    """The page of a path, or why it cannot be shown."""
    t = view.t
    page = next((p for p in pages if p.takes(path)), None)
    if page is None:
        return notice(t("shell.not_found"), t("shell.not_found_hint"))
    if view.principal.role not in page.roles:
        return notice(t("shell.forbidden"), t("shell.forbidden_hint"))
    try:
        return page.layout(view)
    except XunchaError as error:
        return notice(t("shell.error"), error.render(view.lang), tone="bad")


def frame() -> Component:
    """What Dash itself draws: the address, and the page."""
    return html.Div(
        [dcc.Location(id="address", refresh="callback-nav"), html.Main(id="page", className="page", tabIndex=-1)]
    )


def register_shell(app: dash.Dash, desk: Desk, pages: Sequence[Page]) -> None:
    """The router."""
    log = structlog.get_logger("xuncha.page")

    @app.callback(Output("page", "children"), Input("address", "pathname"), State("address", "search"))  # type: ignore[untyped-decorator]
    def route(path: str | None, search: str | None) -> Component:
        query = dict(urllib.parse.parse_qsl((search or "").removeprefix("?")))
        try:
            view = desk.view(query)
        except ForbiddenError:
            return notice("登录已失效 · Session ended", "请刷新页面重新登录 · reload the page to sign in again")
        log.info("page", path=path, user=view.principal.name)
        return show_page(view, pages, path or "/")
