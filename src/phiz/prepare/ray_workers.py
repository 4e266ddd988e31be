"""Work spread over machines by Ray, with the promises of `phiz.world.data.workers.spread`.

Ray is optional. Every machine needs phiz, and the folders under the same names.
"""

from __future__ import annotations

import importlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from phiz.errors import MissingError, PhizError, UsageError

Task = TypeVar("Task")
Result = TypeVar("Result")

LOCAL = "local"
"""Instead of an address: a cluster of this machine alone, started now and stopped afterwards."""
INSTALL = "pip install ray"
AHEAD = 3
"""Jobs a processor that may wait or be done but not yet asked for."""


@contextmanager
def cluster(address: str, *, workers: int) -> Iterator[Any]:
    """Yield Ray, connected to a cluster; what was started here is stopped afterwards."""
    ray = _ray()
    if ray.is_initialized():
        yield ray
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report home
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == LOCAL:
            ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
        raise UsageError(
            f"there is no Ray cluster at {address!r} ({error}). Start one with 'ray start --head', or give "
            f"--ray {LOCAL} for one of this machine alone."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def count(ray: Any) -> int:
    """Return how many processors a cluster has."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def spread(
    work: Callable[[Task], Result], tasks: Iterable[Task], *, ray: Any
) -> Generator[Result, None, None]:
    """Yield ``work(task)`` for each task, in their order, from the processors of a cluster."""
    remote = ray.remote(num_cpus=1, max_retries=2)(work)
    most = AHEAD * count(ray)
    waiting: deque[Any] = deque()
    try:
        for task in tasks:
            waiting.append(remote.remote(task))
            if len(waiting) >= most:
                yield _taken(ray, waiting.popleft())
        while waiting:
            yield _taken(ray, waiting.popleft())
    finally:
        for left in waiting:
            ray.cancel(left)


def _taken(ray: Any, reference: Any) -> Any:
    """Return a result; our own errors arrive as they were raised, a lost machine is explained."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, PhizError):
            raise cause from error
        raise
    except ray.exceptions.RayError as error:
        raise UsageError(
            f"the cluster lost a job ({type(error).__name__}), most often because a machine went away or its "
            "memory ran out. What is finished is kept; run the same command again."
        ) from error


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingError(f"--ray needs Ray, which is not installed. Install it with: {INSTALL}") from error
