"""The trained encoder as a folder that any user of sentence-transformers can load."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sentence_transformers import SentenceTransformer

from stages.encoders.loading import no_progress_bars
from stages.errors import PipelineError
from stages.training.heads import remove_heads


def save_encoder(encoder: SentenceTransformer, folder: Path, *, card: str) -> None:
    """Write ``encoder`` and its README.md to ``folder``, whole or not at all.

    Heads that count while training only are taken out of it.

    Raises:
        PipelineError: When it cannot be written; an encoder that was there before is untouched.
    """
    with _replacing_folder(folder) as temporary, no_progress_bars():
        _forget_last_batch(encoder)
        remove_heads(encoder)
        encoder.save_pretrained(str(temporary), create_model_card=False)
        (temporary / "README.md").write_text(card, encoding="utf-8")
        for path in temporary.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)


def _forget_last_batch(encoder: SentenceTransformer) -> None:
    """Clear length and padding of the last call, which a fast tokenizer would save as its own."""
    backend = getattr(encoder.tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()
        backend.no_padding()


@contextlib.contextmanager
def _replacing_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside ``folder`` that takes its place when the block ends well."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            fresh, old = Path(scratch) / "new", Path(scratch) / "old"
            fresh.mkdir()
            yield fresh
            _swap(fresh, folder, old)
    except OSError as error:
        raise PipelineError(
            f"{folder} could not be written: {error}; what was there before is untouched.",
            remedy="free disk space or mend the permissions of the folder, then run again.",
        ) from error


def _swap(fresh: Path, folder: Path, old: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.move(folder, old)
    try:
        fresh.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
