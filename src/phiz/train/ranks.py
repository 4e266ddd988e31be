"""One process or many: the same words for both.

A training step is written once, for the pictures that one process sees. `torchrun` may start it on many
GPUs of many machines; these functions then exchange what has to agree, and do nothing in a lone process.
Networks stay bare: instead of a wrapper that hooks into them, `average_gradients` is called between the
backward pass and the optimiser, so that gradients can be accumulated by simply calling it once.

    with ranks.start("auto") as here:
        ranks.broadcast_from_first(network)
        ...
        loss.backward()
        ranks.average_gradients(network.parameters())
        optimiser.step()
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Num
from torch import Tensor, distributed, nn

from phiz.errors import PhizError, UsageError

T = TypeVar("T")

STARTED = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
"""What torchrun tells each process about itself; one of them means that it, or its like, is there."""
MEETING = ("MASTER_ADDR", "MASTER_PORT")
"""Where the processes meet; some clusters set these for everybody, so alone they mean nothing."""


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this one is, and where it computes."""

    rank: int
    world: int
    local_rank: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Return whether this process is the one that writes files and talks."""
        return self.rank == 0


@contextlib.contextmanager
def start(device: str = "auto") -> Iterator[Ranks]:
    """Yield this process's place among those that torchrun started; a lone one is first of one."""
    rank, world, local_rank = read_environment(os.environ)
    place = choose_device(device, world=world, local_rank=local_rank)
    here = Ranks(rank=rank, world=world, local_rank=local_rank, device=place)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if world == 1:
        yield here
        return
    if not distributed.is_available():
        raise UsageError("this build of torch cannot train with many processes. Start one without torchrun.")
    # Small facts (is the time over?) are agreed upon between CPUs, so that no GPU has to be waited for.
    backend = "cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo"
    distributed.init_process_group(backend)
    try:
        yield here
    finally:
        distributed.destroy_process_group()


def read_environment(environment: Mapping[str, str]) -> tuple[int, int, int]:
    """Return rank, world size and local rank from torchrun's variables; 0, 1, 0 where there are none."""
    if not any(name in environment for name in STARTED):
        return 0, 1, 0
    missing = [name for name in (*STARTED, *MEETING) if not environment.get(name)]
    there = [name for name in STARTED if name in environment]
    if missing:
        raise UsageError(
            f"{', '.join(there)} set as if by torchrun, but {', '.join(missing)} not. Start the processes "
            f"with torchrun, which sets all of them, or unset {', '.join(there)} to train in one process."
        )
    try:
        rank, world, local_rank = (int(environment[name]) for name in STARTED)
    except ValueError as error:
        raise UsageError(
            f"one of {', '.join(STARTED)} is not a whole number ({error}). Start with torchrun."
        ) from error
    if not 0 <= rank < world or local_rank < 0:
        raise UsageError(
            f"RANK {rank}, WORLD_SIZE {world} and LOCAL_RANK {local_rank} contradict each other; ranks count "
            "from 0 to WORLD_SIZE - 1. Start with torchrun."
        )
    return rank, world, local_rank


def choose_device(device: str, *, world: int = 1, local_rank: int = 0) -> torch.device:
    """Return the device of one process: auto takes a GPU of its own, or else the CPU."""
    if device == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
        if kind == "cpu" and world == 1 and torch.backends.mps.is_available():
            kind = "mps"
    else:
        kind = device
    try:
        place = torch.device(kind)
    except RuntimeError as error:
        raise UsageError(f"there is no device {device!r}. Use auto, cpu, cuda, cuda:1 or mps.") from error
    if place.type == "cuda":
        return _own_gpu(place, world, local_rank)
    if place.type == "mps" and world > 1:
        raise UsageError("several processes cannot train on mps. Start one, or add --device cpu.")
    if place.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("this machine, or this build of torch, has no mps. Use --device auto.")
    return place


def any_true(claim: bool) -> bool:
    """Return whether the claim is true in at least one process; all of them have to ask."""
    return bool(all_sum(torch.tensor(float(claim))) > 0)


def all_sum(tensor: Num[Tensor, "*s"]) -> Num[Tensor, "*s"]:
    """Return the sum of a tensor over all processes; no gradient flows through it."""
    total = tensor.detach().clone(memory_format=torch.contiguous_format)
    if _are_many():
        distributed.all_reduce(total)
    return total


def all_mean(tensor: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """Return the mean of a tensor over all processes; no gradient flows through it."""
    return all_sum(tensor) / _count()


def all_stacked(tensor: Num[Tensor, "*s"]) -> Num[Tensor, "n *s"]:
    """Return the tensors of all processes, the first process's first; their shapes have to agree."""
    mine = tensor.detach().contiguous()
    if not _are_many():
        return mine[None].clone()
    parts = [torch.empty_like(mine) for _ in range(_count())]
    distributed.all_gather(parts, mine)
    return torch.stack(parts)


def broadcast_from_first(what: nn.Module | Iterable[Tensor]) -> None:
    """Copy parameters and buffers, or tensors, of the first process into those of all others."""
    if isinstance(what, nn.Module):
        what = (*what.parameters(), *what.buffers())
    tensors = [tensor.detach() for tensor in what]
    if not _are_many():
        return
    for device in dict.fromkeys(tensor.device for tensor in tensors):
        _broadcast([tensor for tensor in tensors if tensor.device == device])


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over all processes.

    That is the gradient of the whole batch if each process took the mean over an equally large part of it.
    A parameter without a gradient counts as zero, and keeps none where no process has one. All kinds of
    numbers travel in one message each.
    """
    if not _are_many():
        return
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    for kind in dict.fromkeys((parameter.dtype, parameter.device) for parameter in learning):
        _average([parameter for parameter in learning if (parameter.dtype, parameter.device) == kind])


def average_buffers(network: nn.Module) -> None:
    """Replace running means and the like by their mean over all processes, so that all draw alike."""
    if not _are_many():
        return
    buffers = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    for kind in dict.fromkeys((buffer.dtype, buffer.device) for buffer in buffers):
        alike = [buffer for buffer in buffers if (buffer.dtype, buffer.device) == kind]
        flat = all_mean(torch.cat([buffer.flatten() for buffer in alike]))
        for buffer, mean in zip(alike, torch.split(flat, [b.numel() for b in alike]), strict=True):
            buffer.copy_(mean.reshape(buffer.shape))


def barrier() -> None:
    """Wait until all processes are here."""
    all_sum(torch.zeros(()))


def on_first(here: Ranks, work: Callable[[], T]) -> T | None:
    """Return what `work` gives in the first process, None in others; what it raises stops all of them."""
    result, failure = None, None
    if here.is_first:
        try:
            result = work()
        except (PhizError, OSError) as error:
            failure = error
    if any_true(failure is not None):
        raise failure or PhizError("the first process stopped; its message says why.")
    return result


def _are_many() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _count() -> int:
    return distributed.get_world_size() if _are_many() else 1


def _own_gpu(place: torch.device, world: int, local_rank: int) -> torch.device:
    """Return the GPU with the number of the process on its machine, or the one that was named."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise UsageError("there is no CUDA GPU that torch can use here. Use --device cpu.")
    if world > 1 and place.index is not None:
        raise UsageError(f"{world} processes cannot all use {place}. Use --device cuda: each takes its own.")
    index = place.index if place.index is not None else local_rank
    if index >= count:
        raise UsageError(
            f"process {local_rank} of this machine needs the GPU {index}, and there are {count} here. "
            f"Start with: torchrun --nproc-per-node {count}"
        )
    return torch.device("cuda", index)


def _broadcast(tensors: Sequence[Tensor]) -> None:
    """Copy tensors of one device from the first process, whatever their kinds, as one row of bytes."""
    rows = [tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in tensors]
    message = torch.cat(rows)
    distributed.broadcast(message, src=0)
    for tensor, row in zip(tensors, torch.split(message, [len(row) for row in rows]), strict=True):
        # Bytes of a row may begin anywhere, numbers may not: hence the clone.
        tensor.copy_(row.clone().view(tensor.dtype).reshape(tensor.shape))


def _average(parameters: Sequence[nn.Parameter]) -> None:
    """Average gradients of one kind; the message ends with a flag a parameter: is there a gradient?"""
    flags = torch.tensor([float(parameter.grad is not None) for parameter in parameters])
    grads = [
        torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in parameters
    ]
    message = torch.cat([*(grad.reshape(-1) for grad in grads), flags.to(grads[0])])
    distributed.all_reduce(message)
    *averages, found = torch.split(message, [*(grad.numel() for grad in grads), len(flags)])
    for average in averages:
        average /= _count()
    # Who has all gradients need not ask what others have; that spares waiting for the GPU.
    present = [True] * len(grads) if bool(flags.all()) else found.gt(0).tolist()
    for parameter, average, is_there in zip(parameters, averages, present, strict=True):
        if not is_there:
            continue
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad.copy_(average.reshape(parameter.shape))
