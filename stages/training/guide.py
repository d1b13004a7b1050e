"""What the frozen guide thinks of every training sentence, computed once and kept on disk."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody knows)
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from torch import Tensor

from stages.encoders.embedding import embed
from stages.encoders.loading import load_encoder
from stages.engines.processes import ALONE, Processes
from stages.errors import PipelineError
from stages.progress import Progress, silent
from stages.tables import replacing
from stages.training.checkpoints import fingerprint

log = logging.getLogger(__name__)

COLUMNS = ("premise", "entailment", "contradiction")
"""What a triplet is made of, in the order in which the loss takes their vectors."""


class GuideVectors:
    """Guide vectors of all premises, entailments and contradictions, memory-mapped.

    Args:
        path: ``.npy`` file ``(3, triplets, width)``, float16, rows of length 1; the first axis is
            premise, entailment, contradiction. See :func:`write_guide_vectors`.

    Raises:
        PipelineError: When the file is no such array.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._vectors: NDArray[np.float16] = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise PipelineError(
                f"{path} cannot be read as guide vectors: {error}",
                remedy="delete the file and run again; the guide is then asked once more.",
            ) from error

    def __len__(self) -> int:
        """Return the number of triplets."""
        return int(self._vectors.shape[1])

    def cosines(self, rows: Tensor) -> Tensor:
        """Return the guide's cosines between premises and candidates of a batch.

        Args:
            rows: ``(batch,)`` int64, which triplets are in the batch.

        Returns:
            ``(batch, 2 * batch)`` float32 in [-1, 1] on the device of ``rows``: each premise
            against all entailments, then all contradictions.
        """
        return self.cosines_between(rows, rows)

    def cosines_between(self, premises: Tensor, candidates: Tensor) -> Tensor:
        """Return the guide's cosines between some triplets' premises and others' candidates.

        Args:
            premises: ``(some,)`` int64, triplets whose premises are compared.
            candidates: ``(others,)`` int64, triplets whose entailments and contradictions are.

        Returns:
            ``(some, 2 * others)`` float32 in [-1, 1], see :meth:`cosines`.
        """
        left = self._unit(slice(0, 1), premises)[0]
        right = self._unit(slice(1, 3), candidates).flatten(0, 1)
        with torch.autocast(premises.device.type, enabled=False):
            return left @ right.T

    def _unit(self, columns: slice, rows: Tensor) -> Tensor:
        chosen = np.asarray(self._vectors[columns, rows.cpu().numpy()], dtype=np.float32)
        # Half precision leaves lengths off by 0.0005, which would blur sigma.
        return F.normalize(torch.from_numpy(chosen).to(rows.device), dim=-1)


def guide_vectors(
    folder: Path,
    guide: Path,
    triplets: pl.DataFrame,
    *,
    pooler: str,
    template: str,
    processes: Processes = ALONE,
    progress: Progress = silent,
) -> GuideVectors:
    """Return the guide's vectors of ``triplets``, which stay in ``folder`` for the next to ask.

    Args:
        folder: Where they are kept, under a name that changes with all that follows.
        guide: Folder of the guide.
        triplets: Columns premise, entailment and contradiction.
        pooler: Of the guide; see :func:`stages.encoders.poolers.repool`.
        template: Of the pooler `prompt_mask`.
        processes: Who trains together; each encodes a share.
        progress: Told how many sentences are encoded.

    Raises:
        PipelineError: When the guide does not load or the file cannot be written.
    """
    texts = triplets.select(COLUMNS)
    name = fingerprint(texts.write_ndjson(), guide, pooler, template)
    path = folder / f"guide-{name}.npy"
    processes.wait()  # so that all see the same files
    if not path.is_file():
        encoder = load_encoder(guide, pooler=pooler, template=template)
        columns = [texts[column].to_list() for column in COLUMNS]
        write_guide_vectors(path, encoder, columns, processes=processes, progress=progress)
    return GuideVectors(path)


def write_guide_vectors(
    path: Path,
    guide: SentenceTransformer,
    columns: Sequence[Sequence[str]],
    *,
    batch_sentences: int = 64,
    processes: Processes = ALONE,
    progress: Progress = silent,
) -> None:
    """Encode ``columns`` (premises, entailments, contradictions) and write them to ``path``.

    The guide has its own tokenizer, pooling and width, and sees no dropout. The file appears
    whole or not at all; half precision halves it to 6 bytes a triplet and dimension. Several
    processes encode a share of the triplets each, and all return when the file is there.

    Raises:
        PipelineError: When the file cannot be written.
    """
    ranks = range(processes.world)
    parts = [path.with_name(f"{path.stem}-{rank}-of-{len(ranks)}.npy") for rank in ranks]
    share = processes.share(len(columns[0]))
    with replacing(path if processes.world == 1 else parts[processes.rank]) as temporary:
        vectors = None
        for number, sentences in enumerate(columns):
            column = embed(
                guide, sentences[share], batch_sentences=batch_sentences, progress=progress
            )
            if vectors is None:
                shape = (len(columns), *column.shape)
                vectors = open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
            vectors[number] = column
        if vectors is not None:
            vectors.flush()
    processes.wait()
    if processes.world > 1 and processes.is_first:
        _join(parts, path)
    processes.wait()
    log.info("train: the guide encoded %s triplets, kept in %s", f"{len(columns[0]):,}", path)


def _join(parts: Sequence[Path], path: Path) -> None:
    shares = [np.load(part, mmap_mode="r") for part in parts]
    columns, _, width = shares[0].shape
    with replacing(path) as temporary:
        shape = (columns, sum(share.shape[1] for share in shares), width)
        vectors = open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
        end = 0
        for share in shares:
            start, end = end, end + share.shape[1]
            vectors[:, start:end] = share
        vectors.flush()
    for part in parts:
        part.unlink()
