"""What runs on a cluster: a worker that makes shards, once it has found what it needs.

A worker returns a shard's bytes; who asked seals and writes them. So it needs the code and the
models, but no work folder and nothing of the tables.
"""

import io
import os
import platform
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

import polars as pl
import pyarrow as pa
import torch

from stages.engines.digests import NOT_THE_MODEL, package_digest, path_digest
from stages.engines.hardware import Hardware, hardware_here
from stages.engines.protocol import Maker, Order, Terms
from stages.errors import PipelineError

MOST_ATTEMPTS = 10
"""Workers of a node that a shard may end before it is given up."""
SHOWN = 12
"""Digits of a digest in an error."""


class Reply(NamedTuple):
    """What comes back of an order; where something went wrong there is no data."""

    number: int
    data: bytes
    worker: str
    seconds: float
    cause: str = ""
    """What a user can mend; empty where all is well, or something else is wrong."""
    remedy: str = ""
    fault: str = ""
    """Traceback of what a user cannot mend."""


@dataclass(frozen=True)
class Place:
    """Where and how the process that gives the orders works."""

    root: str
    """Folder that relative paths start from."""
    code: str
    """Digest of its code."""
    threads: int
    run: str
    """Tells one run from all others."""


def look_around(place: Place) -> tuple[str, Hardware]:
    """Return what a worker has: the digest of its code, and what it computes on."""
    return package_digest(), hardware_here(threads=place.threads)


class RayWorker:
    """Makes shards, one at a time. Ray calls it with a table of one order, see :func:`packed`.

    Args:
        maker: Makes them; loads the model at the first.
        terms: What must be here.
        place: Where the orders come from.
    """

    def __init__(self, maker: Maker, terms: Terms, place: Place) -> None:
        self._maker = maker
        self._terms = terms
        self._place = place
        self._is_ready = False

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return the reply to an order. What goes wrong is told in it: Ray would only repeat it."""
        order = unpacked(batch)
        start = time.monotonic()
        data, cause, remedy, fault = b"", "", "", ""
        try:
            self._get_ready()
            with _attempt(self._place.run, order.number):
                data = self._maker(order, lambda _rows: None)
        except PipelineError as error:
            cause, remedy = f"on {platform.node()}: {error.cause}", error.remedy
        except Exception as error:
            if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
                cause = f"the memory of {platform.node()} is full: {error}"
                remedy = "lower the batch size of this stage in params.yaml, or engine.workers."
            else:
                fault = f"on {platform.node()}: {traceback.format_exc()}"
        seconds = time.monotonic() - start
        reply = Reply(order.number, data, worker_name(), seconds, cause, remedy, fault)
        return pa.table({name: [value] for name, value in reply._asdict().items()})

    def _get_ready(self) -> None:
        if not self._is_ready:
            torch.set_num_threads(self._place.threads)
            check(self._terms, self._place)
            self._is_ready = True


@contextmanager
def _attempt(run: str, number: int) -> Iterator[None]:
    """Count, on this node, the workers that began a shard and never ended it.

    Ray hands the shard of a lost worker to another one, again and again; one that ends every
    worker, for want of memory say, would go round for ever.
    """
    # No folder of the run's own: one worker would remove it while another opens its file.
    file = Path(tempfile.gettempdir()) / f"multicsr-{run}-{number}"
    with file.open("ab") as attempts:
        attempts.write(b".")
        count = attempts.tell()
    try:
        if count > MOST_ATTEMPTS:
            raise PipelineError(
                f"shard {number} has ended {MOST_ATTEMPTS} workers there.",
                remedy="see the node's memory and Ray's logs; a smaller batch in params.yaml or "
                "fewer workers a node need less.",
            )
        yield
    finally:
        file.unlink(missing_ok=True)


def check(terms: Terms, place: Place) -> None:
    """Make this process one that works as the process at ``place`` would; it changes its folder.

    Raises:
        PipelineError: When code, models, libraries or hardware are not what they are there.
    """
    check_code(package_digest(), place)
    try:
        os.chdir(place.root)
    except OSError as error:
        wanted = "; ".join(str(Path(place.root) / folder) for folder in terms.models)
        raise PipelineError(
            f"the project's folder {place.root} is not there: {error.strerror}"
            + (f"; wanted are the models in {wanted}." if wanted else "."),
            remedy=MODELS_EVERYWHERE,
        ) from error
    for folder, digest in terms.models.items():
        _check_model(Path(folder), digest)
    if terms.surroundings:
        here = hardware_here().surroundings()
        _check_surroundings(here, terms)


MODELS_EVERYWHERE = (
    "let every node see the models under the same path (a shared file system, or a copy in its "
    "image), then run again; finished shards are kept."
)


def check_code(there: str, place: Place) -> None:
    """Check the digest of a worker's code.

    Raises:
        PipelineError: When it is not that of the process at ``place``.
    """
    if there != place.code:
        raise PipelineError(
            f"the code of multicsr there is another ({there[:SHOWN]}) than where the command runs "
            f"({place.code[:SHOWN]}).",
            remedy="install the same version on every node, and restart the workers.",
        )


def _check_model(folder: Path, digest: str) -> None:
    if not folder.exists():
        raise PipelineError(
            f"the model {folder.absolute()} is not there.", remedy=MODELS_EVERYWHERE
        )
    here = path_digest(folder, without=NOT_THE_MODEL).hex()
    if here != digest:
        raise PipelineError(
            f"{folder.absolute()} holds another model ({here[:SHOWN]}) than where the command runs "
            f"({digest[:SHOWN]}).",
            remedy=MODELS_EVERYWHERE,
        )


def _check_surroundings(here: dict[str, object], terms: Terms) -> None:
    wanted = terms.surroundings
    unlike = [
        f"{name} is {here.get(name)}, wanted is {wanted.get(name)}"
        for name in sorted({*here, *wanted})
        if here.get(name) != wanted.get(name)
    ]
    if unlike:
        raise PipelineError(
            f"answers there would be rounded otherwise: {'; '.join(unlike)}.",
            remedy="take nodes of one kind with the same libraries: one image, one kind of GPU.",
        )


def packed(order: Order) -> dict[str, object]:
    """Return an order as a row that Ray carries."""
    rows = io.BytesIO()
    order.rows.write_ipc(rows)
    return {"number": order.number, "label": order.label, "rows": rows.getvalue()}


def unpacked(batch: pa.Table) -> Order:
    """Return the order in a table of one row."""
    (row,) = batch.to_pylist()
    return Order(row["number"], row["label"], pl.read_ipc(io.BytesIO(row["rows"])))


def replied(batch: pa.Table) -> Reply:
    """Return the reply in a table of one row."""
    (row,) = batch.to_pylist()
    return Reply(**row)


def worker_name() -> str:
    """Name this process among the workers of a cluster."""
    return f"{platform.node()}:{os.getpid()}"


def raise_what_went_wrong(reply: Reply) -> NoReturn:
    """Raise what kept a worker from making a shard."""
    if reply.cause:
        raise PipelineError(reply.cause, remedy=reply.remedy)
    raise RuntimeError(reply.fault)
