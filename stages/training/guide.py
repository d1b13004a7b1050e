"""What the frozen guide thinks of every training sentence, computed once and kept on disk."""

import io
import logging
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody knows)
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from torch import Tensor

from stages.encoders.embedding import embed
from stages.encoders.loading import load_encoder
from stages.engines.digests import fingerprint, library_versions, source_digest
from stages.engines.disk import require_space
from stages.engines.folders import MadeWith, digests_of, used
from stages.engines.hardware import device
from stages.engines.pieces import read_piece, set_aside, write_piece
from stages.engines.processes import ALONE, Processes
from stages.engines.seals import blank_seal
from stages.engines.turns import alive, in_turns
from stages.progress import Progress, silent

log = logging.getLogger(__name__)

COLUMNS = ("premise", "entailment", "contradiction")
"""What a triplet is made of, in the order in which the loss takes their vectors."""
SHARD_TRIPLETS = 2048
"""Triplets a file; a stopped run loses at most those of the file in flight."""
BATCH_SENTENCES = 64
CODE = (
    "stages.encoders.embedding",
    "stages.encoders.loading",
    "stages.encoders.poolers",
    "stages.encoders.templates",
    "stages.training.guide",
)
"""What shapes a vector besides the guide's files, its pooler and its template."""
HALF_BYTES = 2


class GuideVectors:
    """Guide vectors of all premises, entailments and contradictions.

    Args:
        shards: Arrays ``(3, some triplets, width)``, float16, rows of length 1, together in the
            order of the triplets; the first axis is premise, entailment, contradiction. They may
            be memory-mapped, and are then read as they are needed.
    """

    def __init__(self, shards: Sequence[NDArray[np.float16]]) -> None:
        self._shards = list(shards)
        self._ends = np.array(list(accumulate(shard.shape[1] for shard in shards)), dtype=np.int64)

    def __len__(self) -> int:
        """Return the number of triplets."""
        return int(self._ends[-1]) if len(self._ends) else 0

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
        chosen = self._chosen(columns, rows.cpu().numpy())
        # Half precision leaves lengths off by 0.0005, which would blur sigma.
        return F.normalize(torch.from_numpy(chosen).to(rows.device), dim=-1)

    def _chosen(self, columns: slice, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        height, width = len(range(*columns.indices(3))), self._shards[0].shape[2]
        chosen = np.empty((height, len(rows), width), dtype=np.float32)
        where = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(where).tolist():
            here = where == number
            shard = self._shards[number]
            places = rows[here] - (self._ends[number] - shard.shape[1])
            chosen[:, here] = shard[columns, places]
        return chosen


def guide_vectors(
    work: Path,
    guide: Path,
    triplets: pl.DataFrame,
    *,
    pooler: str,
    template: str,
    processes: Processes = ALONE,
    progress: Progress = silent,
) -> GuideVectors:
    """Return the guide's vectors of ``triplets``, which stay in ``work`` for the next to ask.

    Args:
        work: They are kept below it in ``guide/``, under a name that changes with all that follows.
        guide: Folder of the guide.
        triplets: Columns premise, entailment and contradiction.
        pooler: Of the guide; see :func:`stages.encoders.poolers.repool`.
        template: Of the pooler `prompt_mask`.
        processes: Who trains together; each encodes what nobody is at.
        progress: Told how many triplets are encoded.

    Raises:
        PipelineError: When the guide does not load or a file cannot be written.
    """
    texts = triplets.select(COLUMNS)
    settings = {"train.guide_pooler": pooler, "train.template": template}
    files = digests_of(guide)
    facts = {
        "settings": settings,
        "guide": files[guide.as_posix()],
        "computed with": {"device": device(), **library_versions()},
        "code": source_digest(*CODE),
        "shard_triplets": SHARD_TRIPLETS,
    }
    folder = work / "guide" / fingerprint(facts, texts)

    def load() -> SentenceTransformer:
        return load_encoder(guide, pooler=pooler, template=template)

    made_with = MadeWith(settings=settings, files=files, code=CODE)
    processes.wait()  # so that all begin with the same files
    with used(folder, stage="guide", made_with=made_with, rows=len(texts)):
        vectors = write_guide_vectors(folder, load, texts, progress=progress)
    processes.wait()  # who leaves first may take the processor from those who still encode
    return vectors


def write_guide_vectors(
    folder: Path,
    load: Callable[[], SentenceTransformer],
    triplets: pl.DataFrame,
    *,
    progress: Progress = silent,
) -> GuideVectors:
    """Encode ``triplets`` into files in ``folder``, but for those that are there, and open them.

    The guide has its own tokenizer, pooling and width, and sees no dropout. Half precision takes 6
    bytes a triplet and dimension. Processes that call this with the same arguments share the files.

    Args:
        folder: Belongs to this guide and these triplets alone.
        load: Loads the guide; called when something has to be encoded.
        triplets: Columns premise, entailment and contradiction.
        progress: Told how many triplets are encoded.

    Raises:
        PipelineError: When a file cannot be written.
    """
    shards = _Shards(folder, load, list(triplets.select(COLUMNS).iter_slices(SHARD_TRIPLETS)))
    with progress("Asking the guide", total=len(triplets), unit="triplets") as advance:
        shards.advance = advance
        done = dict(in_turns(shards.paths, find=shards.find, make=shards.make))
    if shards.made:
        log.info("train: the guide encoded %s triplets, kept in %s", f"{shards.made:,}", folder)
    return GuideVectors([done[number] for number in range(len(done))])


class _Shards:
    """Files of guide vectors, in the order of the triplets.

    Args:
        folder: Where they are.
        load: Loads the guide.
        inputs: The triplets of each file.
    """

    def __init__(
        self, folder: Path, load: Callable[[], SentenceTransformer], inputs: Sequence[pl.DataFrame]
    ) -> None:
        self.paths = [folder / f"shard-{number:06d}.npy" for number in range(len(inputs))]
        self.advance: Callable[[int], None] = lambda _done: None
        self.made = 0
        self._folder = folder
        self._inputs = inputs
        self._load = load
        self._guide: SentenceTransformer | None = None

    def find(self, number: int, *, mine: bool) -> NDArray[np.float16] | None:
        """Return the finished file's vectors, memory-mapped; None where none can be trusted."""
        path = self.paths[number]
        if read_piece(path, self._label(number), mine=mine) is None:
            return None
        try:
            vectors: NDArray[np.float16] = np.load(path, mmap_mode="r")
        except (OSError, ValueError):
            if mine:
                set_aside(path, "damaged")
            return None
        self.advance(len(self._inputs[number]))
        return vectors

    def make(self, number: int) -> NDArray[np.float16]:
        """Encode the triplets and keep their vectors."""
        path, triplets = self.paths[number], self._inputs[number]
        columns = []
        for name in COLUMNS:
            sentences = triplets[name].to_list()
            columns.append(embed(self._loaded(), sentences, batch_sentences=BATCH_SENTENCES))
            alive(path)
        vectors = np.stack(columns).astype(np.float16)
        buffer = io.BytesIO()
        np.save(buffer, vectors, allow_pickle=False)
        write_piece(buffer.getvalue() + blank_seal(self._label(number)).encode(), path)
        self.made += len(triplets)
        self.advance(len(triplets))
        kept: NDArray[np.float16] = np.load(path, mmap_mode="r")
        return kept

    def _loaded(self) -> SentenceTransformer:
        if self._guide is None:
            self._guide = self._load()
            width = self._guide.get_embedding_dimension() or 0
            self._require_space(len(COLUMNS) * HALF_BYTES * width)
        return self._guide

    def _require_space(self, triplet_bytes: int) -> None:
        pieces = zip(self._inputs, self.paths, strict=True)
        missing = sum(len(rows) for rows, path in pieces if not path.exists())
        purpose = f"the guide's vectors of {missing:,} triplets"
        require_space(self._folder, missing * triplet_bytes, purpose=purpose)

    def _label(self, number: int) -> str:
        return f"guide {self._folder.name} shard {number} rows {len(self._inputs[number])}"
