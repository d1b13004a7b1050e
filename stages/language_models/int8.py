"""Matrix products of 8-bit numbers, for processors that multiply these faster than floats.

Weights and what they meet are rounded to 127 steps either way: a weight by the greatest of its
output channel, an activation by the greatest of its token (ZeroQuant, arXiv 2206.01861, without
groups). The sums are of whole numbers and exact, so what a row becomes does not depend on the rows
computed beside it, as everywhere here. A scale for the whole tensor, as torch's own
``quantize_dynamic`` has it, would break that; torchao scales by token, but outside of a compiled
graph it was no faster than float32 (EXPERIMENTS.md, 20).
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

STEPS = 127
LEAST = torch.finfo(torch.float32).tiny
"""Keeps a row of zeros from being divided by 0."""


def rounded_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return int8 ``rows`` and the float32 ``(rows, 1)`` steps that they count.

    >>> whole, step = rounded_rows(torch.tensor([[1.0, -2.0], [0.0, 0.0]]))
    >>> whole.tolist(), [round(float(s), 4) for s in step]
    ([[64, -127], [0, 0]], [0.0157, 0.0])
    """
    # torch's infinity norm and aminmax take several times as long.
    step = rows.abs().amax(dim=1, keepdim=True).clamp_(min=LEAST).div_(STEPS)
    return (rows / step).round_().to(torch.int8), step


class Int8Linear(nn.Module):
    """A linear layer whose product is one of 8-bit numbers."""

    weight: Tensor
    """``(inputs, outputs)`` int8: the transpose of what :class:`torch.nn.Linear` calls so."""
    step: Tensor
    """``(outputs,)`` float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        whole, step = rounded_rows(linear.weight.detach().float())
        self.register_buffer("weight", whole.t())
        self.register_buffer("step", step[:, 0])
        self.bias = linear.bias

    def forward(self, states: Tensor) -> Tensor:
        """Return ``(..., outputs)`` float32 for ``(..., inputs)``."""
        whole, step = rounded_rows(states.reshape(-1, states.shape[-1]))
        sums = torch._int_mm(whole, self.weight).float().mul_(step).mul_(self.step)
        if self.bias is not None:
            sums.add_(self.bias)
        return sums.view(*states.shape[:-1], len(self.step))


def in_int8(model: nn.Module) -> None:
    """Replace every linear layer of ``model``, the one before the logits too."""
    for name, child in list(model.named_children()):
        if isinstance(child, nn.Linear):
            setattr(model, name, Int8Linear(child))
        else:
            in_int8(child)


def arithmetic(model: PreTrainedModel) -> str:
    """Name the type that ``model`` multiplies in, for its identity."""
    if any(isinstance(module, Int8Linear) for module in model.modules()):
        return str(torch.int8)
    return str(model.dtype)
