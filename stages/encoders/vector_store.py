"""Vectors that outlive a run: a sentence meets an encoder once, however many tasks ask for it.

What was encoded is kept under ``<work>/vectors/<fingerprint>/``, some thousand sentences a file,
each written whole or not at all and sealed. The fingerprint covers the encoder's files, the
libraries, the arithmetic and the code that encodes. Several processes may fill one folder; each
takes the next file that nobody is at. The folder may be deleted at any time (`multicsr work
prune`); that costs the time to encode again.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save
from sentence_transformers import SentenceTransformer

from stages.encoders.embedding import Vectors, embed, unit_rows
from stages.encoders.loading import check_folder, load_encoder
from stages.engines.digests import (
    fingerprint,
    library_versions,
    model_digest,
    source_digest,
)
from stages.engines.disk import require_space
from stages.engines.folders import MadeWith, used
from stages.engines.hardware import device, resolve_dtype
from stages.engines.locks import lock
from stages.engines.pieces import read_piece, set_aside, write_piece
from stages.engines.seals import blank_seal
from stages.engines.turns import alive, in_turns, lock_of
from stages.errors import PipelineError
from stages.progress import Progress, kept_when_stopped, silent

SHARD_SENTENCES = 4096
"""Sentences a file; a stopped run loses at most those of the file in flight."""
KEY_BYTES = 16
CODE = ("stages.encoders.embedding", "stages.encoders.loading", "stages.encoders.poolers")
"""What shapes a vector besides the encoder's files."""
SEAL = "multicsr"
"""Key of the seal in a file's header."""
ATTEMPTS = 3
FORMAT = 2
"""Of the files; part of the fingerprint."""


class VectorStore:
    """The vectors of one encoder, encoded when they are first asked for.

    Args:
        encoder: Folder of the encoder; loaded only when something has to be encoded.
        work: Where unfinished work is kept.
        batch_sentences: Sentences encoded at once.
        dtype: Arithmetic of the encoder: ``auto``, ``float32`` or ``bfloat16``.
        progress: Told how many sentences are encoded.

    Raises:
        PipelineError: When the folder holds no encoder.
    """

    def __init__(
        self,
        encoder: Path,
        *,
        work: Path,
        batch_sentences: int,
        dtype: str = "float32",
        progress: Progress = silent,
    ) -> None:
        check_folder(encoder)
        self.encoder = encoder
        self._weights = model_digest(encoder)
        self._dtype = resolve_dtype(dtype)
        self._folder = work / "vectors" / identity(self._weights, self._dtype)
        self._batch_sentences = batch_sentences
        self._progress = progress
        self._model: SentenceTransformer | None = None
        self._places: dict[bytes, tuple[Path, int]] = {}
        for path in sorted(self._folder.glob("*.safetensors")):
            self._note(path)

    def add(self, sentences: Sequence[str]) -> None:
        """Encode those of ``sentences`` that are not kept yet, the longest first.

        Raises:
            PipelineError: When the encoder does not load or the disk is full.
        """
        missing = [text for text in dict.fromkeys(sentences) if _key(text) not in self._places]
        if not missing:
            return
        missing.sort(key=lambda sentence: (-len(sentence), sentence))
        size = self.shard_sentences
        pieces = [missing[start : start + size] for start in range(0, len(missing), size)]
        with (
            self._used(),
            self._progress(
                f"Encoding with {self.encoder.name}", total=len(missing), unit="sentences"
            ) as advance,
        ):
            self._require_space(len(missing))
            files = _Files(self, self._folder, pieces, advance)
            with kept_when_stopped(files.kept):
                for number, _ in in_turns(files.paths, find=files.find, make=files.make):
                    self._note(files.paths[number])

    def vectors(self, sentences: Sequence[str], *, unit: bool = True) -> Vectors:
        """Return one vector a sentence, in the order given; see :func:`embed`.

        Raises:
            PipelineError: When they cannot be encoded or kept.
        """
        for _ in range(ATTEMPTS):
            self.add(sentences)
            result = self._gathered(sentences)
            if result is not None:
                return unit_rows(result) if unit else result
        raise PipelineError(
            f"vectors written to {self._folder} are read back changed, {ATTEMPTS} times in a row.",
            remedy="check the disk, or name a work folder on another one with --work.",
        )

    def block(
        self, sentences: Sequence[str], *, advance: Callable[[int], None] = lambda _done: None
    ) -> Vectors:
        """Return unit vectors of a piece of something long, kept and found again as a whole.

        Nothing about its sentences stays in memory, so that the pieces may be any number.

        Args:
            sentences: The piece; give the same ones again to find it again.
            advance: Told how many more sentences are done.
        """
        with self._used():
            files = _Files(self, self._folder / "blocks", [sentences], advance)
            if not files.paths[0].exists():
                self._require_space(len(sentences))
            ((_, vectors),) = in_turns(files.paths, find=files.find, make=files.make)
        return unit_rows(vectors)

    @property
    def shard_sentences(self) -> int:
        """Sentences a file: whole batches, so that batches do not depend on where a file ends."""
        batches = max(1, SHARD_SENTENCES // self._batch_sentences)
        return batches * self._batch_sentences

    def encoded(self, sentences: Sequence[str], advance: Callable[[int], None]) -> Vectors:
        """Ask the encoder itself; the vectors are as long as it makes them."""
        return embed(
            self._loaded(),
            sentences,
            batch_sentences=self._batch_sentences,
            unit=False,
            dtype=self._dtype,
            progress=_passing_on(advance),
        )

    def _used(self) -> AbstractContextManager[None]:
        made_with = MadeWith(
            files={self.encoder.as_posix(): self._weights},
            code=CODE,
            surroundings=_where(self._dtype),
        )
        return used(self._folder, stage="vectors", made_with=made_with, encoder=self.encoder.name)

    def _require_space(self, sentences: int) -> None:
        width = self._loaded().get_embedding_dimension() or 0
        size = sentences * (4 * width + KEY_BYTES)
        require_space(self._folder, size, purpose=f"the vectors of {sentences:,} sentences")

    def _loaded(self) -> SentenceTransformer:
        if self._model is None:
            self._model = load_encoder(self.encoder)
        return self._model

    def _gathered(self, sentences: Sequence[str]) -> Vectors | None:
        """Return the vectors; None when a file turned out to be faulty, which is then set aside."""
        rows_by_file: dict[Path, list[tuple[int, int]]] = {}
        for row, sentence in enumerate(sentences):
            path, place = self._places[_key(sentence)]
            rows_by_file.setdefault(path, []).append((row, place))
        result: Vectors | None = None
        for path, pairs in rows_by_file.items():
            kept = _checked(path)
            if kept is None:
                self._forget(path)
                return None
            rows, places = np.array(pairs).T
            if result is None:
                result = np.empty((len(sentences), kept.shape[1]), dtype=np.float32)
            result[rows] = kept[places]
        return np.zeros((0, 0), dtype=np.float32) if result is None else result

    def _note(self, path: Path) -> None:
        """Remember which sentences a file holds; its vectors are checked when they are used."""
        try:
            with safe_open(path, framework="numpy") as file:
                keys = file.get_tensor("keys").tobytes()
        except (SafetensorError, OSError):
            _checked(path)
            return
        for place in range(len(keys) // KEY_BYTES):
            self._places[keys[place * KEY_BYTES : (place + 1) * KEY_BYTES]] = (path, place)

    def _forget(self, path: Path) -> None:
        self._places = {key: at for key, at in self._places.items() if at[0] != path}


class _Files:
    """Files of vectors, one for each of ``pieces``, named after the sentences they hold."""

    def __init__(
        self,
        store: VectorStore,
        folder: Path,
        pieces: Sequence[Sequence[str]],
        advance: Callable[[int], None],
    ) -> None:
        self.paths = [folder / f"{_digest(piece)}.safetensors" for piece in pieces]
        self._store = store
        self._pieces = pieces
        self._advance = advance

    def find(self, number: int, *, mine: bool) -> Vectors | None:
        """Return the finished file's vectors, None where there are none that can be trusted."""
        vectors = read_vectors(self.paths[number], mine=mine)
        if vectors is not None:
            self._advance(len(self._pieces[number]))
        return vectors

    def kept(self) -> str:
        """Say how much of the work is done."""
        done = sum(path.exists() for path in self.paths)
        return f"vectors: {done} of {len(self.paths)} files, in {self.paths[0].parent}"

    def make(self, number: int) -> Vectors:
        """Encode the sentences and keep their vectors."""
        path, sentences = self.paths[number], self._pieces[number]

        def advance(done: int) -> None:
            alive(path)
            self._advance(done)

        vectors = self._store.encoded(sentences, advance)
        keys = np.frombuffer(b"".join(map(_key, sentences)), dtype=np.uint8)
        tensors: dict[str, NDArray[Any]] = {"keys": keys.reshape(-1, KEY_BYTES), "vectors": vectors}
        write_piece(save(tensors, metadata={SEAL: blank_seal(_label(path))}), path)
        return vectors


def read_vectors(path: Path, *, mine: bool) -> Vectors | None:
    """Return the vectors in a file of the store, None where there is none that can be trusted.

    Args:
        path: The file.
        mine: Whether it is set aside when it is faulty.
    """
    data = read_piece(path, _label(path), mine=mine)
    if data is None:
        return None
    try:
        vectors: NDArray[np.float32] = load(data)["vectors"]
    except (SafetensorError, KeyError):
        if mine:
            set_aside(path, "damaged")
        return None
    return vectors


def _checked(path: Path) -> Vectors | None:
    """Return the vectors in a file; a faulty one is set aside, unless another process is at it."""
    with lock(lock_of(path)) as mine:
        return read_vectors(path, mine=mine)


def identity(weights: str, dtype: torch.dtype = torch.float32) -> str:
    """Return 16 hexadecimal digits that change with whatever shapes the vectors of an encoder.

    Args:
        weights: See :func:`stages.engines.digests.model_digest`.
        dtype: Of the matrix products.
    """
    facts = {"encoder": weights, "computed with": _where(dtype), "format": FORMAT}
    return fingerprint({**facts, "code": source_digest(*CODE)})


def _where(dtype: torch.dtype) -> dict[str, object]:
    # Not the number of threads: it moves the last bit of a vector, and no figure.
    return {"device": device(), "dtype": str(dtype), **library_versions()}


def _label(path: Path) -> str:
    folder = path.parent.parent if path.parent.name == "blocks" else path.parent
    kind = "block" if path.parent.name == "blocks" else "vectors"
    return f"{kind} {folder.name} {path.stem}"


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
