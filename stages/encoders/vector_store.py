"""Vectors that outlive a run: a sentence meets an encoder once, however many tasks ask for it.

What was encoded is kept under ``<work>/vectors/<fingerprint>/``, some thousand sentences a file,
each written whole or not at all. The fingerprint covers the encoder's files, the libraries and the
code that encodes. The folder may be deleted at any time; that costs the time to encode again.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer

from stages.encoders.embedding import Vectors, embed, unit_rows
from stages.encoders.loading import check_folder, load_encoder
from stages.engines.digests import path_digest
from stages.engines.hardware import device
from stages.engines.shards import source_digest
from stages.progress import Progress, silent
from stages.tables import replacing

log = logging.getLogger(__name__)

SHARD_SENTENCES = 4096
"""Sentences a file; a stopped run loses at most those of the file in flight."""
KEY_BYTES = 16
CODE = ("stages.encoders.embedding", "stages.encoders.loading")
"""What shapes a vector besides the encoder's files."""
NOT_THE_ENCODER = {"README.md", "source.json"}
"""Files of an encoder's folder that say where it came from and shape no vector."""


class VectorStore:
    """The vectors of one encoder, encoded when they are first asked for.

    Args:
        encoder: Folder of the encoder; loaded only when something has to be encoded.
        work: Where unfinished work is kept.
        batch_sentences: Sentences encoded at once.
        progress: Told how many sentences are encoded.

    Raises:
        PipelineError: When the folder holds no encoder.
    """

    def __init__(
        self, encoder: Path, *, work: Path, batch_sentences: int, progress: Progress = silent
    ) -> None:
        check_folder(encoder)
        self.encoder = encoder
        self._folder = work / "vectors" / identity(encoder)
        self._batch_sentences = batch_sentences
        self._progress = progress
        self._model: SentenceTransformer | None = None
        self._places: dict[bytes, tuple[Path, int]] = {}
        for shard in sorted(self._folder.glob("*.safetensors")):
            self._note(shard)

    def add(self, sentences: Sequence[str]) -> None:
        """Encode those of ``sentences`` that are not kept yet, the longest first.

        Raises:
            PipelineError: When the encoder does not load or the disk is full.
        """
        missing = [text for text in dict.fromkeys(sentences) if _key(text) not in self._places]
        if not missing:
            return
        missing.sort(key=lambda sentence: (-len(sentence), sentence))
        model = self._loaded()
        with self._progress(
            f"Encoding with {self.encoder.name}", total=len(missing), unit="sentences"
        ) as advance:
            for start in range(0, len(missing), self.shard_sentences):
                shard = missing[start : start + self.shard_sentences]
                path = self._folder / f"{_digest(shard)}.safetensors"
                self._write(path, model, shard, advance)
                self._note(path)

    def vectors(self, sentences: Sequence[str], *, unit: bool = True) -> Vectors:
        """Return one vector a sentence, in the order given; see :func:`embed`."""
        self.add(sentences)
        rows_by_shard: dict[Path, list[tuple[int, int]]] = {}
        for row, sentence in enumerate(sentences):
            shard, place = self._places[_key(sentence)]
            rows_by_shard.setdefault(shard, []).append((row, place))
        result: Vectors | None = None
        for shard, pairs in rows_by_shard.items():
            rows, places = np.array(pairs).T
            kept = _tensor(shard, "vectors")
            if result is None:
                result = np.empty((len(sentences), kept.shape[1]), dtype=np.float32)
            result[rows] = kept[places]
        if result is None:
            return np.zeros((0, 0), dtype=np.float32)
        return unit_rows(result) if unit else result

    def block(
        self, sentences: Sequence[str], *, advance: Callable[[int], None] = lambda _done: None
    ) -> Vectors:
        """Return unit vectors of a piece of something long, kept and found again as a whole.

        Nothing about its sentences stays in memory, so that the pieces may be any number.

        Args:
            sentences: The piece; give the same ones again to find it again.
            advance: Told how many more sentences are done.
        """
        path = self._folder / "blocks" / f"{_digest(sentences)}.safetensors"
        try:
            vectors = _tensor(path, "vectors")
            advance(len(sentences))
        except (SafetensorError, OSError):  # not there yet, or damaged
            vectors = self._write(path, self._loaded(), sentences, advance)
        return unit_rows(vectors)

    @property
    def shard_sentences(self) -> int:
        """Sentences a file: whole batches, so that batches do not depend on where a file ends."""
        batches = max(1, SHARD_SENTENCES // self._batch_sentences)
        return batches * self._batch_sentences

    def _loaded(self) -> SentenceTransformer:
        if self._model is None:
            self._model = load_encoder(self.encoder)
        return self._model

    def _write(
        self,
        path: Path,
        model: SentenceTransformer,
        sentences: Sequence[str],
        advance: Callable[[int], None],
    ) -> Vectors:
        vectors = embed(
            model,
            sentences,
            batch_sentences=self._batch_sentences,
            unit=False,
            progress=_passing_on(advance),
        )
        keys = np.frombuffer(b"".join(map(_key, sentences)), dtype=np.uint8)
        with replacing(path) as temporary:
            save_file({"keys": keys.reshape(-1, KEY_BYTES), "vectors": vectors}, temporary)
        return vectors

    def _note(self, shard: Path) -> None:
        try:
            keys = _tensor(shard, "keys").tobytes()
        except (SafetensorError, OSError):
            log.warning("%s is damaged and is encoded again", shard)
            return
        for place in range(len(keys) // KEY_BYTES):
            self._places[keys[place * KEY_BYTES : (place + 1) * KEY_BYTES]] = (shard, place)


def identity(encoder: Path) -> str:
    """Return 16 hexadecimal digits that change with whatever shapes the vectors of ``encoder``."""
    libraries = {name: version(name) for name in ("torch", "transformers", "sentence-transformers")}
    facts = {
        "encoder": path_digest(encoder, without=NOT_THE_ENCODER).hex(),
        "libraries": libraries,
        "device": device(),
        "code": source_digest(*CODE),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _key(sentence: str) -> bytes:
    return hashlib.sha256(sentence.encode("utf-8", "surrogatepass")).digest()[:KEY_BYTES]


def _digest(sentences: Sequence[str]) -> str:
    return hashlib.sha256(b"".join(map(_key, sentences))).hexdigest()[:16]


def _passing_on(advance: Callable[[int], None]) -> Progress:
    """Return a progress that counts within one that is already shown."""

    @contextmanager
    def progress(
        description: str,  # noqa: ARG001  the display that is open has its own
        *,
        total: int,  # noqa: ARG001
        unit: str,  # noqa: ARG001
    ) -> Iterator[Callable[[int], None]]:
        yield advance

    return progress


def _tensor(shard: Path, name: str) -> NDArray[np.float32]:
    with safe_open(shard, framework="numpy") as file:
        tensor: NDArray[np.float32] = file.get_tensor(name)
    return tensor
