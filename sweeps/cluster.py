"""Ray, as far as a sweep needs it: a cluster, tasks on it, and what became of them.

Nothing else knows Ray. Its servers listen on every interface of a machine; from 2.60 on they do
what they are told with the user's token only, unless RAY_AUTH_MODE says otherwise. Its reports on
its use are switched off, unless RAY_USAGE_STATS_ENABLED says otherwise.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cores import usable_cores
from ..errors import MissingToolError, ToolError
from ..texts import first_line

__all__ = ["Cluster", "Lost", "Node", "connected"]

# Ray starts a task again so many times when its worker or its node is lost.
RETRIES = 3
# What tasks hand to one another is small: everything large is in the sweep's place.
OBJECT_STORE = 128 << 20
# From so many tasks on, those that end within so many seconds are looked at together.
MANY, GATHER = 100, 0.05


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster.

    Attributes:
        id: Ray's.
        address: Where it is.
        cpus: Those that Ray gives to tasks there.
        memory: Bytes, likewise.
    """

    id: str
    address: str
    cpus: int
    memory: int


class Lost(Exception):
    """A task did not end, however often it was tried; the text says why."""


class Cluster:
    """A cluster that this process is connected to.

    Attributes:
        dashboard: Where it can be looked at; empty where it has none.
        own: It was started for this sweep.
    """

    def __init__(self, ray: Any, dashboard: str, *, own: bool) -> None:
        self._ray = ray
        self.dashboard, self.own = dashboard, own
        self._functions: dict[Callable[..., Any], Any] = {}

    def nodes(self) -> list[Node]:
        """Those that are alive and run tasks."""
        found = []
        with _there():
            nodes = self._ray.nodes()
        for node in nodes:
            cpus = int(node["Resources"].get("CPU", 0))
            if node["Alive"] and cpus:
                memory = int(node["Resources"].get("memory", 0))
                found.append(Node(node["NodeID"], node["NodeManagerAddress"], cpus, memory))
        return found

    def submit(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        name: str,
        cpus: float,
        memory: int = 0,
        node: Node | None = None,
    ) -> Any:
        """Have a function called on some node.

        Args:
            function: A function of a module.
            arguments: Its own.
            name: On Ray's dashboard.
            cpus: That it takes.
            memory: Bytes that it takes.
            node: On that one and no other.

        Returns:
            What `ended` and `result` know it by.
        """
        options: dict[str, Any] = {"name": name, "num_cpus": cpus, "max_retries": RETRIES}
        if memory:
            options["memory"] = memory
        if node is not None:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(node.id, soft=False)
        if function not in self._functions:  # each is sent to the cluster
            self._functions[function] = self._ray.remote(function)
        with _there():
            return self._functions[function].options(**options).remote(*arguments)

    def ended(self, waiting: Sequence[Any], seconds: float) -> list[Any]:
        """Those that have ended, of some that were submitted; waits so long for one."""
        with _there():
            found, _ = self._ray.wait(list(waiting), num_returns=1, timeout=seconds)
            if not found:
                return []
            # Looking through thousands takes as long as a small task, so more are waited for.
            more = GATHER if len(waiting) > MANY else 0
            ready, _ = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=more)
        return list(ready)

    def result(self, submitted: Any) -> Any:
        """What the function gave.

        Raises:
            Lost: It gave nothing.
        """
        from ray.exceptions import RayError, RayTaskError

        try:
            return self._ray.get(submitted)
        except RayTaskError as exc:
            cause = exc.cause if isinstance(exc.cause, Exception) else exc
            raise Lost(f"maskport broke: {type(cause).__name__}: {first_line(cause)}") from exc
        except RayError as exc:
            raise Lost(f"{type(exc).__name__}: {first_line(exc)}") from exc


@contextlib.contextmanager
def _there() -> Iterator[None]:
    """
    Raises:
        ToolError: The cluster went away.
    """
    from ray.exceptions import RayError

    try:
        yield
    except (RayError, ConnectionError) as exc:
        raise ToolError(
            f"The Ray cluster can't be reached any more: {first_line(exc)}.",
            "What has finished is kept. Start the cluster, and run the sweep again.",
        ) from exc


@contextlib.contextmanager
def connected(
    address: str | None = None, workers: int | None = None, threads: int = 1
) -> Iterator[Cluster]:
    """A cluster of this machine's, or the one at an address, as long as the block lasts.

    Args:
        address: ``HOST:PORT``, ``auto`` or ``ray://…``; None for one of our own.
        workers: Tasks at once on our own; as many as there are CPUs for where None.
        threads: CPUs that each takes.

    Raises:
        MissingToolError: Ray is not installed.
        ToolError: There is no cluster at the address, or none can be started.
    """
    cpus = workers * threads if workers else max(threads, usable_cores())
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Else what takes too much memory is started again and again.
    os.environ.setdefault("RAY_task_oom_retries", str(RETRIES))
    try:
        import ray
    except ImportError:
        raise MissingToolError("ray", "sweep", "maskport sweep") from None
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if address is None:
                context: Any = ray.init(
                    "local",  # also where another one runs here
                    num_cpus=cpus,
                    object_store_memory=OBJECT_STORE,
                    include_dashboard=True,
                    dashboard_host="127.0.0.1",
                    **quiet,
                )
            else:
                context = ray.init(address, **quiet)
    except Exception as exc:  # Ray raises what its parts do
        where = "here" if address is None else f"at {address}"
        remedy = (
            "Ray's own logs are in /tmp/ray/session_latest/logs."
            if address is None
            else "Check --address, and that the cluster runs this version of Ray."
        )
        raise ToolError(f"There is no Ray cluster {where}: {first_line(exc)}.", remedy) from exc
    url = str(getattr(context, "dashboard_url", "") or "")
    session = (getattr(context, "address_info", None) or {}).get("session_dir")
    try:
        yield Cluster(ray, f"http://{url}" if url else "", own=address is None)
    finally:
        ray.shutdown()
        if address is None and session:
            shutil.rmtree(Path(session), ignore_errors=True)
