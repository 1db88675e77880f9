"""Roles and scopes: what an account is for, and which part of the county it sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from gis.errors import Fault, SettingsError, XunchaError

Role = Literal["planner", "command", "manager", "administrator"]
ROLES: tuple[Role, ...] = get_args(Role)
TRACK_ROLES: frozenset[Role] = frozenset({"command", "manager", "administrator"})
ScopeKind = Literal["county", "town", "squad"]


class ForbiddenError(XunchaError):
    """The visitor's role or scope does not allow this."""

    exit_code = 6


def forbidden(*, zh: str, en: str) -> ForbiddenError:
    """A refusal in both languages."""
    return ForbiddenError(Fault("auth.forbidden", zh, en, "需要时请联系管理员", "ask an administrator if you need it"))


@dataclass(frozen=True, slots=True)
class Scope:
    """The whole county, one town or one squad."""

    kind: ScopeKind
    key: str = ""

    @property
    def whole(self) -> bool:
        """Whether everything is in scope."""
        return self.kind == "county"

    def __str__(self) -> str:
        """As accounts are written: county, town:<id>, squad:<id>."""
        return self.kind if self.whole else f"{self.kind}:{self.key}"

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read `county`, `town:<id>` or `squad:<id>`.

        Raises:
            SettingsError: anything else.
        """
        kind, _, key = text.strip().partition(":")
        if kind == "county" and not key:
            return cls("county")
        if kind in {"town", "squad"} and key:
            return cls("town" if kind == "town" else "squad", key)
        raise SettingsError(
            Fault(
                "auth.scope",
                f"范围“{text}”写法不对",
                f"scope {text!r} is not understood",
                "写作 county、town:<镇街编号> 或 squad:<中队编号>",
                "write county, town:<id> or squad:<id>",
            )
        )


def parse_role(text: str) -> Role:
    """One of the four roles.

    Raises:
        SettingsError: anything else.
    """
    for role in ROLES:
        if text == role:
            return role
    raise SettingsError(
        Fault(
            "auth.role",
            f"没有角色“{text}”",
            f"there is no role {text!r}",
            "用 planner、command、manager 或 administrator",
            "use planner, command, manager or administrator",
        )
    )


@dataclass(frozen=True, slots=True)
class Principal:
    """Someone who has signed in."""

    name: str
    role: Role
    scope: Scope

    @property
    def sees_tracks(self) -> bool:
        """Whether the role may see individual tracks."""
        return self.role in TRACK_ROLES
