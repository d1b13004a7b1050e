"""From the settings to an engine."""

from collections.abc import Iterator
from contextlib import contextmanager

from stages.engines.local import LocalEngine
from stages.engines.protocol import Engine


@contextmanager
def engine_of(
    kind: str,
    *,
    address: str | None,
    workers: int,
    cpus_per_worker: int | None,
    gpus_per_worker: float,
) -> Iterator[Engine]:
    """Give an engine for as long as the block runs; see ``stages.params.EngineParams``.

    Raises:
        PipelineError: When Ray is not installed or its cluster does not answer.
    """
    if kind == "local":
        yield LocalEngine(threads=cpus_per_worker)
        return
    from stages.engines.ray_engine import RayEngine

    with RayEngine(
        address=address, workers=workers, cpus=cpus_per_worker, gpus=gpus_per_worker
    ) as engine:
        yield engine
