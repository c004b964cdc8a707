"""What a client is told where something went wrong, and what only the server's own log says."""

from __future__ import annotations

import logging
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.responses import JSONResponse

from ..errors import InputError, LostError, MaskportError, MissingToolError
from .offers import UnknownOffer

__all__ = ["RESPONSES", "Problem", "log", "problem", "problem_of", "said_of"]

log = logging.getLogger("maskport.serve")


class Problem(BaseModel):
    """Why there is no result."""

    error: str
    remedy: str = ""


# For OpenAPI.
RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "No artifact is called so."},
    408: {"model": Problem, "description": "The upload took too long."},
    413: {"model": Problem, "description": "The upload is too large."},
    422: {"model": Problem, "description": "The photo or a parameter can't be used."},
    429: {"model": Problem, "description": "Too many photos wait; `Retry-After` says how long."},
    501: {"model": Problem, "description": "Something that this needs is not installed."},
    503: {"model": Problem, "description": "The artifact can't be run."},
    504: {"model": Problem, "description": "The artifact took too long."},
}


def problem(
    status: int, error: str, remedy: str = "", headers: dict[str, str] | None = None
) -> JSONResponse:
    """A response for people and programs."""
    return JSONResponse(Problem(error=error, remedy=remedy).model_dump(), status, headers)


def problem_of(exc: MaskportError, name: str = "") -> JSONResponse:
    """What an error of ours is to a client. What is not its own doing may name files of this
    machine: that goes to the log alone.

    Args:
        exc: What was raised.
        name: Of what should have drawn.
    """
    if isinstance(exc, UnknownOffer):
        return problem(404, exc.what, exc.remedy)
    if isinstance(exc, InputError):
        return problem(422, exc.what, exc.remedy)
    if isinstance(exc, MissingToolError):
        return problem(501, exc.what, f"Where maskport serve runs: {exc.remedy}")
    cause = exc.__cause__ if isinstance(exc.__cause__, MaskportError) else exc
    log.warning("%s: %s", name, " ".join(str(cause).split()))
    if isinstance(exc, LostError) and exc.kind == "timed-out":
        return problem(504, f"{name} took too long for this photo.", "Send a smaller one.")
    return problem(503, f"{name} can't be run.", "The log of maskport serve says why.")


def said_of(exc: ValidationError | Any) -> str:
    """What a validation found, in a line for each parameter; nothing of what was sent."""
    lines = []
    for found in exc.errors():
        place = [str(part) for part in found["loc"] if part not in {"query", "body", "path"}]
        lines.append(
            f"{'.'.join(place) or 'the request'}: {found['msg'].removeprefix('Value error, ')}"
        )
    return "; ".join(lines)
