"""The one table from an error to the status of its answer, and the answer itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse

from dashboards.auth.principal import ForbiddenError
from gis.errors import StoreError, XunchaError

if TYPE_CHECKING:
    from fastapi import Response

BAD_REQUEST, FORBIDDEN, NOT_POSSIBLE, TOO_MANY, AWAY = 400, 403, 422, 429, 503
_STATUS: tuple[tuple[type[XunchaError], int], ...] = (
    (ForbiddenError, FORBIDDEN),
    (StoreError, AWAY),
    (XunchaError, NOT_POSSIBLE),
)


def status_of(error: XunchaError) -> int:
    """403 for who may not, 503 for a store that is away or busy, 422 for what cannot be done."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def refusal(error: XunchaError) -> Response:
    """The error in words, as JSON."""
    return JSONResponse({"error": str(error)}, status_code=status_of(error))


def later(seconds: int, **what: Any) -> Response:
    """Too many at once: come again in so many seconds."""
    return JSONResponse({"error": "busy", **what}, status_code=TOO_MANY, headers={"Retry-After": str(seconds)})
