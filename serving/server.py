"""Runs the application: an address of this machine, requests in order, and an orderly end."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable

import uvicorn

from ..errors import UsageError
from .app import make_app
from .guard import LOOPBACK, Limits
from .offers import Offers
from .pool import Pool

__all__ = ["bound", "is_loopback", "serve"]

# Requests that are being answered when the server is told to end have so many seconds.
_LAST_SECONDS = 5


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free.

    Raises:
        UsageError: There is no such address here, or the port is taken.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, *_, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=512)
    except (OSError, OverflowError) as exc:
        said = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise UsageError(
            f"{host}, port {port}, can't be listened at: {said or exc}.",
            "Give another --port (0 is any that is free), or another --host.",
        ) from exc


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def serve(
    listening: socket.socket,
    offers: Offers,
    pool: Pool,
    limits: Limits,
    ready: Callable[[], object] = lambda: None,
) -> None:
    """Answer requests until Ctrl-C or SIGTERM. Where only this machine can reach it, the names of
    this machine are all that it may be called by.

    Args:
        listening: See `bound`.
        offers: What is served.
        pool: What runs it; closed at the end.
        limits: What is taken.
        ready: Called once it answers.
    """
    hosts = LOOPBACK if is_loopback(listening) else None
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    app = make_app(offers, pool, limits, hosts)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=_LAST_SECONDS,
        ws="none",
    )

    class Server(uvicorn.Server):  # type: ignore[misc]  # Any, as all SDKs are
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    try:
        Server(config).run(sockets=[listening])
    except KeyboardInterrupt:  # uvicorn raises the signal again once it has ended
        pass
    finally:
        pool.close()
        listening.close()
