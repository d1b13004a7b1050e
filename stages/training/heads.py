"""What an encoder does while it learns, and never again afterwards.

Both modules act in training mode only, so the dev score is already that of the saved encoder, and
:func:`remove_heads` takes them out before it is saved. They are part of the encoder while it
trains: their weights are in its checkpoints, and they see the same dropout as the rest.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.module import Module
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor

from stages.encoders.poolers import PROMPT_MASK
from stages.encoders.templates import wrapping_of

CLS_MLP = "cls_mlp_train_only"
INPUTS = ("input_ids", "attention_mask", "token_type_ids", "modality")


class TrainOnlyMlp(Module):
    """SimCSE's head: a linear layer of the encoder's width and tanh, while training.

    Args:
        width: Of the sentence vectors.
    """

    config_keys: list[str] = ["width"]  # noqa: RUF012 (the parent's form)

    def __init__(self, width: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.width = width
        self.linear = torch.nn.Linear(width, width)

    def initialise(self, *, std: float, seed: int) -> None:
        """Draw the weights from a normal distribution, as BERT does, and set the bias to 0."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            drawn = torch.normal(0.0, std, self.linear.weight.shape, generator=generator)
            self.linear.weight.copy_(drawn)
            self.linear.bias.zero_()

    def forward(self, features: dict[str, Any], **_: object) -> dict[str, Any]:
        """Replace the sentence vectors ``(batch, width)`` while training."""
        if self.training:
            features["sentence_embedding"] = self.linear(features["sentence_embedding"]).tanh()
        return features

    def get_embedding_dimension(self) -> int:
        """Return the width, which does not change."""
        return self.width

    def save(
        self, output_path: str, *args: object, safe_serialization: bool = True, **kwargs: object
    ) -> None:
        """Write configuration and weights, for checkpoints."""
        del args, kwargs
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(  # type: ignore[override]  # (narrower: checkpoints are local)
        cls, model_name_or_path: str, **options: Any
    ) -> "TrainOnlyMlp":
        """Read what :meth:`save` wrote."""
        where = {
            name: options[name] for name in ("subfolder", "local_files_only") if name in options
        }
        head = cls(**cls.load_config(model_name_or_path, **where))
        return cast(TrainOnlyMlp, cls.load_torch_weights(model_name_or_path, model=head, **where))


class TemplateDenoising(Module):
    """PromptBERT's template denoising, while training: what the template alone says is taken away.

    The vector of the template is its hidden state at [MASK] at the same positions without the
    sentence: the sentence's tokens keep their places, but nobody may attend to them. Sentences of
    one length share it.

    Args:
        before: Number of tokens before the sentence, [CLS] included.
        after: Number of tokens after it, [SEP] included.
    """

    config_keys: list[str] = ["before", "after"]  # noqa: RUF012

    def __init__(self, before: int, after: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.before = before
        self.after = after
        # A tuple is not a submodule: these are already part of the encoder.
        self.reader: tuple[torch.nn.Module, ...] = ()

    def reads_with(self, modules: Sequence[torch.nn.Module]) -> None:
        """Take the modules that make a sentence vector of token ids; checkpoints lack them."""
        self.reader = tuple(modules)

    def forward(self, features: dict[str, Any], **_: object) -> dict[str, Any]:
        """Subtract the template's vectors from the sentence vectors ``(batch, width)``."""
        if self.training:
            lengths, kinds = features["attention_mask"].sum(dim=1).unique(return_inverse=True)
            rows = torch.stack([(kinds == kind).nonzero()[0, 0] for kind in range(len(lengths))])
            biases = self._template_vectors({n: features[n] for n in INPUTS if n in features}, rows)
            features["sentence_embedding"] = features["sentence_embedding"] - biases[kinds]
        return features

    def _template_vectors(self, inputs: dict[str, Any], rows: Tensor) -> Tensor:
        chosen = {n: x[rows] if isinstance(x, Tensor) else x for n, x in inputs.items()}
        seen = chosen["attention_mask"]
        place = seen.cumsum(dim=1) - 1
        length = seen.sum(dim=1, keepdim=True)
        template = (place < self.before) | (place >= length - self.after)
        chosen["attention_mask"] = seen * template
        for module in self.reader:
            chosen = module(chosen)
        vectors: Tensor = chosen["sentence_embedding"]
        return vectors

    def save(self, output_path: str, *args: object, **kwargs: object) -> None:
        """Write the configuration, for checkpoints; there are no weights."""
        del args, kwargs
        self.save_config(output_path)


def add_heads(encoder: SentenceTransformer, *, pooler: str, template: str, seed: int) -> None:
    """Give ``encoder`` what ``pooler`` means while training, right after its pooling.

    Args:
        encoder: Pools already as after training; see :func:`stages.encoders.poolers.repool`.
        pooler: The setting; `cls_mlp_train_only` and `prompt_mask` add something.
        template: Of `prompt_mask`.
        seed: Of the head's weights.
    """
    if pooler not in {CLS_MLP, PROMPT_MASK}:
        return
    place = next(place for place, module in enumerate(encoder) if isinstance(module, Pooling))
    head = (
        _denoising(encoder, place, template) if pooler == PROMPT_MASK else _mlp(encoder, seed=seed)
    )
    encoder.insert(place + 1, head.to(encoder.device))


def remove_heads(encoder: SentenceTransformer) -> None:
    """Take out what counts while training only."""
    for place in reversed(range(len(encoder))):
        if isinstance(encoder[place], TrainOnlyMlp | TemplateDenoising):
            del encoder[place]


def _mlp(encoder: SentenceTransformer, *, seed: int) -> TrainOnlyMlp:
    transformer: Any = encoder[0]
    head = TrainOnlyMlp(transformer.get_embedding_dimension())
    std = getattr(transformer.model.config, "initializer_range", 0.02)
    head.initialise(std=std, seed=seed)
    return head


def _denoising(encoder: SentenceTransformer, place: int, template: str) -> TemplateDenoising:
    wrapping = wrapping_of(encoder.tokenizer, template)
    head = TemplateDenoising(len(wrapping.before), len(wrapping.after))
    head.reads_with([encoder[number] for number in range(place + 1)])
    return head
