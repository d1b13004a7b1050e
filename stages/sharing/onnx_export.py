"""A sentence encoder as one ONNX graph: token ids and their mask in, unit vectors out.

Pooling and normalisation are inside the graph, the template of `prompt_mask` is in tokenizer.json,
so nothing of the encoder is left for the reader to rebuild. sentence-transformers' own export
leaves pooling outside and needs optimum.
"""

import importlib.util
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody knows)
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Transformer
from tokenizers import Tokenizer
from torch import Tensor

from stages.encoders.embedding import embed
from stages.errors import PipelineError

log = logging.getLogger(__name__)

MODEL, TOKENIZER, CARD = "model.onnx", "tokenizer.json", "README.md"
NEEDED = ("onnx", "onnxruntime", "onnxscript")
INSTALL = "pip install 'multicsr[onnx]'"
LARGEST_DIFFERENCE = 1e-4
"""Between the coordinates of two unit vectors; float32 on two runtimes differs by 1e-6 or so."""
GRAPH_LIMIT = 1_900_000_000
"""Bytes; one file of the format holds less than 2 GiB, the rest goes beside it."""
SENTENCES = (
    "Rain.",
    "The ferry leaves at noon.",
    "Nobody at the harbour could say when the boats would be back.",
    "When the museum reopened, the visitors who had queued since dawn found that the oldest of "
    "the clocks, the one everybody had come for, was still being repaired in another city.",
    "She listed what the shed held: " + ", ".join(f"box {n} with {n * 7} nails" for n in range(90)),
)
"""Of one word to beyond the longest input."""


class _Graph(torch.nn.Module):
    def __init__(self, encoder: SentenceTransformer) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        features: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        for module in self.encoder:
            features = module(features)
        return F.normalize(features["sentence_embedding"], dim=-1)


def require_onnx() -> None:
    """Check that what the export needs is installed.

    Raises:
        PipelineError: When it is not; the remedy is the line that installs it.
    """
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise PipelineError(
            f"exporting to ONNX needs {', '.join(missing)}, which the basic installation lacks.",
            remedy=INSTALL,
        )


def export_onnx(encoder: SentenceTransformer, folder: Path) -> None:
    """Write model.onnx, tokenizer.json and README.md for ``encoder`` into ``folder``.

    Args:
        encoder: A transformer and what follows it, on the CPU, float32.
        folder: Made if need be.

    Raises:
        PipelineError: When it is no transformer with a fast tokenizer, or a file cannot be written.
    """
    tokenizer = _tokenizer(encoder)
    encoder.eval()
    features = encoder.preprocess(list(SENTENCES[1:3]))
    batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens")
    with torch.no_grad(), warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")  # of the exporter's own use of its parts
        program = torch.onnx.export(
            _Graph(encoder),
            (features["input_ids"], features["attention_mask"]),
            dynamo=True,
            dynamic_shapes=({0: batch, 1: tokens}, {0: batch, 1: tokens}),
            input_names=["input_ids", "attention_mask"],
            output_names=["sentence_embedding"],
            verbose=False,
        )
    assert program is not None
    size = sum(weights.nbytes for weights in encoder.state_dict().values())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        program.save(folder / MODEL, external_data=size > GRAPH_LIMIT)
        tokenizer.save(str(folder / TOKENIZER))
        (folder / CARD).write_text(_card(folder.name), encoding="utf-8")
    except OSError as error:
        raise PipelineError(
            f"{folder} cannot be written: {error}",
            remedy="free disk space or choose another --out.",
        ) from error


def greatest_difference(encoder: SentenceTransformer, folder: Path) -> float:
    """Return the greatest difference of a coordinate between ``encoder`` and its export.

    Sentences from one word to beyond the longest input go through the files of ``folder`` alone,
    one by one and all at once.

    Raises:
        PipelineError: When it is above LARGEST_DIFFERENCE, so that the export must not be used.
    """
    wanted = embed(encoder, SENTENCES, batch_sentences=1)
    together = onnx_vectors(folder, SENTENCES)
    alone = np.concatenate([onnx_vectors(folder, [sentence]) for sentence in SENTENCES])
    greatest = float(max(np.abs(together - wanted).max(), np.abs(alone - wanted).max()))
    if not greatest <= LARGEST_DIFFERENCE:
        raise PipelineError(
            f"{folder / MODEL} gives other vectors than the encoder, by {greatest:.2g}.",
            remedy="do not use the export; please report the encoder's architecture.",
        )
    return greatest


def onnx_vectors(folder: Path, sentences: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors that the files in ``folder`` give, ``(sentences, width)``, of length 1."""
    import onnxruntime

    encodings = Tokenizer.from_file(str(folder / TOKENIZER)).encode_batch(list(sentences))
    session = onnxruntime.InferenceSession(str(folder / MODEL), providers=["CPUExecutionProvider"])
    inputs = {
        "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
        "attention_mask": np.array([e.attention_mask for e in encodings], dtype=np.int64),
    }
    vectors: NDArray[np.float32] = session.run(None, inputs)[0]
    return vectors


def _tokenizer(encoder: SentenceTransformer) -> Tokenizer:
    """Return the encoder's tokenizer, told to cut and to pad as the encoder does."""
    fast = getattr(encoder.tokenizer, "backend_tokenizer", None)
    if fast is None or not isinstance(encoder[0], Transformer):
        raise PipelineError(
            "only encoders made of a transformer with a tokenizer.json can be exported.",
            remedy="use the encoder with sentence-transformers.",
        )
    own = Tokenizer.from_str(fast.to_str())
    if encoder.max_seq_length:
        own.enable_truncation(encoder.max_seq_length)
    pad = encoder.tokenizer
    own.enable_padding(
        direction=pad.padding_side,
        pad_id=pad.pad_token_id,
        pad_token=pad.pad_token,
        pad_type_id=pad.pad_token_type_id,
    )
    return own


class _quiet:  # noqa: N801 (used as a verb)
    """Keep the exporter from warning of optional packages."""

    def __enter__(self) -> None:
        self._logger = logging.getLogger("torch.onnx")
        self._level = self._logger.level
        self._logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        self._logger.setLevel(self._level)


def _card(name: str) -> str:
    return f"""# {name}

A sentence encoder as one ONNX graph, exported by multicsr. Token ids and their mask go in, vectors
of length 1 come out; pooling and normalisation are inside. It takes
`pip install onnxruntime tokenizers numpy`.

```python
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("{TOKENIZER}")
session = onnxruntime.InferenceSession("{MODEL}", providers=["CPUExecutionProvider"])

encoded = tokenizer.encode_batch(["A man is playing a guitar.", "Someone plays an instrument."])
vectors = session.run(
    None,
    {{
        "input_ids": np.array([sentence.ids for sentence in encoded]),
        "attention_mask": np.array([sentence.attention_mask for sentence in encoded]),
    }},
)[0]
print(vectors[0] @ vectors[1])
```
"""
