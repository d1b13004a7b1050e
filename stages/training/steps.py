"""From a batch to the gradients of one step, in whatever memory and however many processes.

The loss needs the vectors of the whole batch, but only the vectors: it is computed on them alone,
and its gradient with respect to them is then carried back through the encoder, group by group.
This is GradCache (Gao et al. 2021, arXiv 2101.06983); where memory suffices, the groups' graphs
are kept and nothing is computed twice.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from stages.engines.hardware import products_in
from stages.engines.processes import ALONE, Processes
from stages.training.batches import Batch, Features

Loss = Callable[[tuple[Tensor, ...], Tensor], Tensor]


@dataclass(frozen=True)
class Stepper:
    """Adds the gradient of a batch to an encoder's parameters.

    Attributes:
        encoder: In training mode.
        loss: Takes the columns' vectors, ``(batch, width)`` each, and the numbers of the triplets.
        columns: How many columns a triplet has.
        replay: Encode without keeping graphs, and encode each group again for its gradient: as
            much memory as one group needs, for a third more time. Dropout draws the same again.
        dtype: Type of the matrix products; bfloat16 is autocast.
        processes: Each encodes its rows; the loss is that of all rows in every one of them.
    """

    encoder: SentenceTransformer
    loss: Loss
    columns: int
    replay: bool = False
    dtype: torch.dtype = torch.float32
    processes: Processes = ALONE

    def backward(self, batch: Batch) -> Tensor:
        """Add the gradient of the loss to the parameters' and return the loss, ``()``."""
        device = self.encoder.device
        groups = [to_device(group, device) for group in batch.groups]
        with self._autocast(), torch.set_grad_enabled(not self.replay):
            states, vectors = [], []
            for group in groups:
                states.append(RandomState(device) if self.replay else None)
                vectors.append(self._encode(group))
        rows = batch.rows.to(device)
        loss, gradients = self._at_the_vectors(vectors, batch.places.to(device), rows)
        for group, state, vector, gradient in zip(groups, states, vectors, gradients, strict=True):
            if state is None:
                vector.backward(gradient)
                continue
            with state.replayed(), self._autocast():
                again = self._encode(group)
            again.backward(gradient)
        self.processes.sum_gradients(self.encoder.parameters())
        return loss

    def _at_the_vectors(
        self, vectors: list[Tensor], places: Tensor, rows: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the loss and its gradient with respect to each group's vectors."""
        width = vectors[0].shape[1] if vectors else self.encoder.get_embedding_dimension()
        own = torch.zeros(len(places), width or 0, device=rows.device)
        for chosen, vector in zip(self._split(places, vectors), vectors, strict=True):
            own[chosen] = vector.detach().float()
        whole = self.processes.gather(own.view(self.columns, -1, own.shape[1]), rows=len(rows))
        whole.requires_grad_()
        loss = self.loss(whole.unbind(), rows)
        (gradient,) = torch.autograd.grad(loss, whole)
        mine = gradient[:, self.processes.share(len(rows))].reshape(own.shape)[places]
        parts = self._split(mine, vectors)
        return loss.detach(), tuple(
            part.to(vector.dtype) for part, vector in zip(parts, vectors, strict=True)
        )

    @staticmethod
    def _split(rows: Tensor, vectors: list[Tensor]) -> tuple[Tensor, ...]:
        return rows.split([len(vector) for vector in vectors]) if vectors else ()

    def _encode(self, group: Features) -> Tensor:
        vectors: Tensor = self.encoder(dict(group))["sentence_embedding"]
        return vectors

    def _autocast(self) -> torch.autocast:
        return products_in(self.dtype, self.encoder.device)


class RandomState:
    """What the generators of random numbers would draw next, on the processor and on ``device``."""

    def __init__(self, device: torch.device) -> None:
        self._devices = [device] if device.type == "cuda" else []
        self._cpu = torch.get_rng_state()
        self._cuda = [torch.cuda.get_rng_state(each) for each in self._devices]

    @contextlib.contextmanager
    def replayed(self) -> Iterator[None]:
        """Draw again what was drawn from here on; afterwards, go on as if nothing had been."""
        with torch.random.fork_rng(devices=self._devices):
            torch.set_rng_state(self._cpu)
            for device, state in zip(self._devices, self._cuda, strict=True):
                torch.cuda.set_rng_state(state, device)
            yield


def to_device(features: Features, device: torch.device) -> dict[str, Any]:
    """Return the features with every tensor on ``device``."""
    return {
        name: value.to(device) if isinstance(value, Tensor) else value
        for name, value in features.items()
    }
