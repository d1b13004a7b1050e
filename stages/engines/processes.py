"""Several processes that train one model together, started by torch's launcher or Ray Train."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor
from torch import distributed as dist

LONGEST_WAIT = timedelta(hours=12)
"""One process may work alone for long; when one fails, the launcher stops the others at once."""


@dataclass(frozen=True)
class Processes:
    """Who takes part. Every method is a no-op, or the identity, for one process alone.

    Attributes:
        rank: Number of this process, from 0; process 0 writes files and says how far it is.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Say whether this is the process that writes."""
        return self.rank == 0

    def share(self, rows: int) -> slice:
        """Return which of ``rows`` belong to this process; sizes differ by one row at most.

        >>> [Processes(rank, 3).share(8) for rank in range(3)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        return self._share_of(self.rank, rows)

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.world > 1:
            dist.barrier()

    def gather(self, own: Tensor, *, rows: int) -> Tensor:
        """Return the rows of all processes, in the order of the batch.

        Args:
            own: ``(columns, len(share), width)``, this process' rows; carries no gradient.
            rows: Rows of the whole batch.

        Returns:
            ``(columns, rows, width)``, the same bits in every process.
        """
        if self.world == 1:
            return own
        columns, _, width = own.shape
        whole = own.new_zeros(columns, rows, width)
        whole[:, self.share(rows)] = own
        # Shares may differ in size, so a sum with zeros stands in for a gathering of equals.
        dist.all_reduce(whole)
        return whole

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add up every parameter's gradient over the processes; all have the sum afterwards.

        A parameter that no process used keeps no gradient, as it would in one process.
        """
        if self.world == 1:
            return
        learned = [parameter for parameter in parameters if parameter.requires_grad]
        used = torch.tensor([float(p.grad is not None) for p in learned], device=learned[0].device)
        dist.all_reduce(used)
        summed = [p for p, count in zip(learned, used.tolist(), strict=True) if count]
        flat = torch.cat([_gradient(parameter).flatten() for parameter in summed])
        dist.all_reduce(flat)
        for parameter, part in zip(summed, flat.split([p.numel() for p in summed]), strict=True):
            parameter.grad = part.view_as(parameter).clone()

    def all_have(self, text: str) -> bool:
        """Say whether every process came here with the same ``text``."""
        if self.world == 1:
            return True
        texts: list[str | None] = [None] * self.world
        dist.all_gather_object(texts, text)
        return len(set(texts)) == 1

    def _share_of(self, rank: int, rows: int) -> slice:
        return slice(rank * rows // self.world, (rank + 1) * rows // self.world)


def _gradient(parameter: torch.nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


ALONE = Processes()
"""One process without others."""


def join_processes() -> Processes:
    """Join the processes that the launcher started, or stand alone where there is no launcher.

    The launcher, torchrun or Ray Train, says who takes part in RANK, WORLD_SIZE and LOCAL_RANK;
    gradients and vectors travel by NCCL between GPUs, else by gloo. Ray has brought the processes
    together already.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return ALONE
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if not dist.is_initialized():
        dist.init_process_group("nccl" if on_gpu else "gloo", timeout=LONGEST_WAIT)
    return Processes(rank=dist.get_rank(), world=dist.get_world_size())
