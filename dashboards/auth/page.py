"""The sign-in page: plain HTML, no script, so that it works before anything else does."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dashboards.i18n import Translate
    from dashboards.settings import DeskSettings

STREETS = """<svg class="streets" viewBox="0 0 600 900" preserveAspectRatio="xMidYMid slice" aria-hidden="true"
fill="none" stroke-linecap="round">
<g stroke="#1d4362" stroke-width="2"><path d="M-20 120H620M-20 260H620M-20 410H620M-20 585H620M-20 720H620"/>
<path d="M70-20V920M205-20V920M330-20V920M470-20V920M560-20V920"/><path d="M-20 840C140 760 260 690 340 560S520 330 640 300"/></g>
<g stroke-width="5"><path d="M-20 260H205V120H470V-20" stroke="#56b4e9"/><path d="M330 720H470V585H620" stroke="#2f8fc4"/>
<path d="M140 920V840H560V920" stroke="#e69f00"/></g>
<g fill="#e8f0f7"><circle cx="205" cy="260" r="8"/><circle cx="470" cy="120" r="8"/><circle cx="330" cy="720" r="8"/></g></svg>"""
MARK = """<svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true" fill="none"><rect width="32" height="32" rx="7" fill="#17496f"/>
<path d="M6 21.5h8.5V11H26" stroke="#56b4e9" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/>
<circle cx="14.5" cy="21.5" r="3.2" fill="#fff"/><circle cx="25" cy="11" r="2.4" fill="#e69f00"/></svg>"""


def document(*, lang: str, theme: str, title: str, css: str, body: str) -> str:
    """A whole HTML document without scripts."""
    tongue = "zh-CN" if lang == "zh" else "en"
    return (
        f'<!DOCTYPE html><html lang="{tongue}" data-theme="{escape(theme)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f'<link rel="icon" href="data:,"><link rel="stylesheet" href="{css}"></head><body>{body}</body></html>'
    )


def _demo(t: Translate, settings: DeskSettings) -> str:
    if not settings.demo_accounts:
        return ""
    head = "".join(
        f'<th scope="col">{t(k)}</th>' for k in ("login.name", "login.password", "login.demo_role", "login.demo_scope")
    )
    rows = "".join(
        f"<tr><td>{escape(a.name)}</td><td><code>{escape(a.password)}</code></td><td>{t(f'shell.role_{a.role}')}</td>"
        f"<td>{t('shell.scope_county') if a.scope == 'county' else escape(a.scope)}</td></tr>"
        for a in settings.demo_accounts
    )
    return (
        f'<section class="demo-note alert"><strong>{t("login.demo")}</strong>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def login_page(
    t: Translate,
    settings: DeskSettings,
    *,
    css: str,
    theme: str,
    token: str,
    target: str,
    place: str,
    error: str = "",
    name: str = "",
) -> str:
    """The page; `token` guards the post, `target` is where to go afterwards, `error` what went wrong."""
    alert = f'<p class="alert bad" role="alert">{escape(error)}</p>' if error else ""
    oidc = ""
    if settings.oidc:
        label = t.pick(settings.oidc.label_zh, settings.oidc.label_en)
        oidc = f'<a class="button" href="/login/oidc">{escape(label)}</a>'
    other = "en" if t.lang == "zh" else "zh"
    body = f"""<div class="login"><div class="login-side">{STREETS}<div>{MARK}</div>
<div><h1>{t("shell.product")}</h1><p class="motto">{t("shell.motto")}</p></div><footer><span>{escape(place)}</span></footer></div>
<main class="login-main"><nav class="login-tools"><a href="/lang/{other}?next=/login">{t("shell.language")}</a></nav>
<form method="post" action="/login"><h2>{t("login.title")}</h2>{alert}
<input type="hidden" name="csrf_token" value="{token}"><input type="hidden" name="next" value="{escape(target)}">
<div class="field"><label for="name">{t("login.name")}</label>
<input class="input" type="text" id="name" name="name" value="{escape(name)}" autocomplete="username" required autofocus></div>
<div class="field"><label for="password">{t("login.password")}</label>
<input class="input" type="password" id="password" name="password" autocomplete="current-password" required></div>
<button class="button primary" type="submit">{t("login.submit")}</button>{oidc}<p class="note">{t("login.audit_note")}</p></form>
{_demo(t, settings)}</main></div>"""
    return document(lang=t.lang, theme=theme, title=f"{t('login.title')} · {t('shell.product')}", css=css, body=body)
