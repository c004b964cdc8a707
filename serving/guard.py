"""What stands before the application: who may ask, how much may be sent, and how many wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import HTTPException
from fastapi.responses import JSONResponse

from .problems import problem

__all__ = ["LOOPBACK", "Guard", "Limits"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# What a browser on this machine calls it. A page of another site that has its own name point here
# (DNS rebinding) sends that name.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_HEADERS = {
    # The page shows what it made itself: blob.
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes.

    Attributes:
        upload: Bytes of a request.
        pixels: Of a photo.
        waiting: Requests at once, those being worked on included; more are refused.
        upload_seconds: How long sending one may take.
    """

    upload: int
    pixels: int
    waiting: int
    upload_seconds: float = 60.0


class Guard:
    """ASGI middleware.

    Args:
        app: What is guarded.
        limits: What it takes.
        hosts: What it may be called by; anything where None.
    """

    def __init__(self, app: App, limits: Limits, hosts: frozenset[str] | None) -> None:
        self._app = app
        self._limits = limits
        self._hosts = hosts
        self.inside = 0  # requests with photos that were let in and are not answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                had = {name.lower() for name, _ in message.setdefault("headers", [])}
                more = ((k.encode(), v.encode()) for k, v in _HEADERS.items())
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in more if pair[0] not in had),
                ]
            await send(message)

        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        if (refused := self._refusal(scope["method"], headers)) is not None:
            await refused(scope, receive, headed)
        elif scope["method"] == "POST":
            self.inside += 1
            try:
                await self._app(scope, self._limited(receive), headed)
            finally:
                self.inside -= 1
        else:
            await self._app(scope, receive, headed)

    def _refusal(self, method: str, headers: dict[str, str]) -> JSONResponse | None:
        host = headers.get("host", "")
        if self._hosts is not None and _name_of(host) not in self._hosts:
            return problem(
                421, "This server is not called so.", "Use http://127.0.0.1 or localhost."
            )
        if method in {"GET", "HEAD"}:
            return None
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return problem(
                403, "Pages of other sites may not ask this server.", "Use its own page."
            )
        if method != "POST":
            return None
        size = headers.get("content-length", "0")
        if not size.isdecimal() or int(size) > self._limits.upload:
            return _too_large(self._limits)
        if self.inside >= self._limits.waiting:
            return problem(
                429, "Too many photos wait already.", "Send it again later.", {"Retry-After": "1"}
            )
        return None

    def _limited(self, receive: Receive) -> Receive:
        """Gives a request's body as it comes, for as long and as much as it may."""
        left, ended = self._limits.upload, False
        until = asyncio.get_running_loop().time() + self._limits.upload_seconds

        async def limited() -> Message:
            nonlocal left, ended
            if ended:  # what is left to come is the client's going away
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The upload took too long.") from None
            left -= len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if left < 0:
                raise HTTPException(413, _too_large_text(self._limits))
            return message

        return limited


def _name_of(host: str) -> str | None:
    """Of a Host header, without the port; None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _too_large_text(limits: Limits) -> str:
    return f"The upload is larger than {limits.upload / 1e6:g} MB."


def _too_large(limits: Limits) -> JSONResponse:
    return problem(413, _too_large_text(limits), "Send a smaller photo.")
