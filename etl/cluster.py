"""Pieces of work on the workers of a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")
RETRIES = 3
_LARGE = "distributed.admin.large-graph-warning-threshold"


def on_cluster(
    scheduler: str, work: Callable[..., T], items: Sequence[Any], *, shared: Mapping[str, Any] | None = None
) -> Iterator[T]:
    """`work(item, **shared)` of every item, in order.

    Work is a pure function of what it is sent, and items travel with it, so that a lost worker costs only time. What is shared is sent
    once, to every worker.

    Args:
        scheduler: address of a Dask scheduler.
        work: a function of a module, or a partial of one.
        items: sent each to one worker.
        shared: further arguments.
    """
    import dask  # noqa: PLC0415 (slow to import, and seldom wanted)
    from distributed import Client  # noqa: PLC0415

    with dask.config.set({_LARGE: "1 TiB"}), Client(scheduler) as client:
        held = {name: client.scatter([value], broadcast=True)[0] for name, value in (shared or {}).items()}
        futures = client.map(work, list(items), **held, retries=RETRIES, pure=False)
        for future in futures:
            yield future.result()
            future.release()
