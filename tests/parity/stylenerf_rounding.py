"""What rounding alone makes of a drawing: the same once exactly, and on a few machines of single precision.

Two right implementations differ by rounding. How much that is depends on the network, on how large its
numbers are and on the processor, so no fixed limit holds for all of them. Where numbers deviate by more than
their limit, all of it is computed again: in double precision, and as machines would that round every answer
to single precision, each in a way of its own. Neither knows the recorded numbers. Those stand if they, and
ours, lie no further from the exact ones than a small multiple of what such machines do, and if the whole
differs by next to nothing: what makes a network wrong moves all of its numbers by more than that.
"""

from __future__ import annotations

import copy
import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, lru_cache
from statistics import median
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

FEW = 3.0
"""How many times further than a machine of single precision a number may lie from the exact one."""
WHOLE = 3e-5
"""What all numbers together may deviate by at most, as a part of their length, whatever rounding does."""
MACHINES = 2
"""Machines whose rounding is looked at for numbers."""
MORE_MACHINES = 12
"""Machines whose rounding is looked at for gradients, which jump where a rectifier is at zero."""
JUMPED = 0.02
"""What a gradient may deviate by at most, whatever jumps."""
COSTS = 0.1
"""What a move has to take off to be made use of, as a part of the limit: small moves explain nothing."""
CARRIED = frozenset(
    "arange cat clamp clone constant_pad_nd copy diag_embed expand flip full_like gather index index_select "
    "linspace maximum neg new_empty new_ones ones ones_like relu repeat repeat_interleave scatter sort stack "
    "where zeros zeros_like _local_scalar_dense _to_copy _unsafe_view".split()
)
"""What carries numbers from one place to another, and rounds none."""
DROPPED = 53 - 24
"""Bits of a double's mantissa that single precision has not."""
CUT = (1 << DROPPED) - 1

T = TypeVar("T")
Make = Callable[[AbstractContextManager[Any]], Mapping[str, Tensor]]
"""Makes all numbers in double precision, within what rounds them."""


class Machine(TorchDispatchMode):
    """Rounds answers in double precision to single precision: up or down by chance, mostly to the nearer.

    Numbers that single precision can hold stay what they are, as on every machine.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.chance = random.Random(seed)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        is_carried = func._schema.name.rpartition(":")[2] in CARRIED
        if is_carried or any(answer.alias_info is not None for answer in func._schema.returns):
            return found
        for answer in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(answer, Tensor) and answer.dtype == torch.float64:
                self._round(answer)
        return found

    def _round(self, x: Tensor) -> None:
        """Add less than a last digit, by a number mixed from all bits, and cut off what is too much."""
        bits = x.view(torch.int64)
        mixed = bits * (self.chance.getrandbits(62) | 1)
        bits.add_(mixed.bitwise_right_shift_(64 - DROPPED).bitwise_and_(CUT)).bitwise_and_(~CUT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """How far numbers lie from exact ones: at most, but for the last."""

    recorded: float
    ours: float
    machines: float
    whole: float
    """Length of the difference of ours and the recorded ones, as a part of theirs."""
    most: float = WHOLE
    """What that may be at most."""

    @property
    def stands(self) -> bool:
        """Return whether rounding explains the deviation."""
        return max(self.recorded, self.ours) <= FEW * self.machines and self.whole <= self.most

    def __str__(self) -> str:
        return (
            f"recorded {self.recorded:.2g} and ours {self.ours:.2g} from exact numbers, single precision "
            f"{self.machines:.2g}; {self.whole:.1g} of the whole"
        )


class Doubt:
    """The same numbers made exactly and by machines of single precision, once somebody asks."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._machines: list[Mapping[str, Tensor]] = []

    @cached_property
    def exact(self) -> Mapping[str, Tensor]:
        return self._make(nullcontext())

    def machine(self, number: int) -> Mapping[str, Tensor]:
        """Return what a machine makes; each is asked once."""
        while len(self._machines) <= number:
            self._machines.append(self._make(Machine(len(self._machines))))
        return self._machines[number]

    def about(self, key: str, found: Tensor, expected: Tensor, *, jumps: bool) -> Verdict:
        """Return how far ours, recorded and rounded numbers of a name are from the exact ones.

        Numbers made of gradients may have jumped.
        """
        exact = self.exact[key].detach()

        def off(x: Tensor) -> float:
            return float((x.detach().double() - exact).abs().max())

        difference = (found.detach() - expected).double().norm()
        return Verdict(
            recorded=off(expected),
            ours=off(found),
            machines=max(off(self.machine(k)[key]) for k in range(MACHINES)),
            whole=float(difference / expected.double().norm().clamp(min=1e-12)),
            most=JUMPED if jumps else WHOLE,
        )

    def agreed(self, found: Mapping[str, Tensor], expected: Mapping[str, Tensor], limit: float) -> Agreement:
        """Return what is left of relative deviations without what rounding alone makes of them.

        A sample that sees next to nothing has a place known to a few digits, and a gradient jumps where its
        density, or any other rectifier, is at zero: two machines may then disagree by a whole step. So may
        ours and the recorded ones, by the same steps: what is taken off is a combination of what machines
        make, and no longer than a few of them. Machines are asked until enough is taken off. What they leave
        of each other is left of the recorded numbers, too: sums that nearly vanish are known to few digits.
        """
        sizes = {key: expected[key].double().norm().clamp(min=1e-12) for key in expected}

        def in_one(numbers: Mapping[str, Tensor]) -> Tensor:
            return torch.cat([(numbers[key].detach() / sizes[key]).double().flatten() for key in expected])

        def apart(whole: Tensor) -> dict[str, float]:
            parts = whole.split([expected[key].numel() for key in expected])
            return {key: float(part.norm()) for key, part in zip(expected, parts, strict=True)}

        target = in_one(found) - in_one(expected)
        before, exact = apart(target), in_one(self.exact)
        moves: list[Tensor] = []
        left: dict[str, float] = {}
        allowed = dict.fromkeys(before, limit)
        for k in range(MORE_MACHINES):
            moves.append(in_one(self.machine(k)) - exact)
            left = apart(_without(target, moves, limit))
            if all(left[key] <= limit for key in left):
                break
        else:
            others = [apart(_without(move, [m for m in moves if m is not move], limit)) for move in moves]
            noise = {key: median(other[key] for other in others) for key in before}
            allowed = {key: max(limit, FEW * noise[key]) for key in before}
        return Agreement(
            machines=len(moves),
            left=max(left.values()),
            failed=[key for key in before if left[key] > allowed[key] or before[key] > JUMPED],
        )


def _without(target: Tensor, moves: Sequence[Tensor], limit: float) -> Tensor:
    """Return what no combination of moves takes off, if it is not longer than a few of them."""
    stacked = torch.stack(tuple(moves), dim=1)
    costs = torch.eye(len(moves), dtype=target.dtype) * (limit * COSTS)
    aim = torch.cat([target, torch.zeros_like(costs[0])])
    share = torch.linalg.lstsq(torch.cat([stacked, costs]), aim[:, None]).solution
    return target - (stacked @ share)[:, 0] if share.norm() <= FEW else target


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """What is left of deviations once the steps of rounding are taken off."""

    machines: int
    left: float
    """The largest, as a part of what was recorded."""
    failed: Sequence[str]
    """Names of numbers of which too much is left."""

    def __str__(self) -> str:
        return f"{self.left:.2g} without what rounding makes of it on {self.machines} machines"


def in_double(value: T) -> T:
    """Return tensors, and tuples, dataclasses and networks of them, in double precision."""
    found: Any = value
    if isinstance(value, Tensor):
        found = value.double() if value.is_floating_point() else value
    elif isinstance(value, nn.Module):
        found = _network_in_double(value)
    elif isinstance(value, tuple):
        parts: Sequence[Any] = [in_double(part) for part in value]
        found = type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts_by_name = {f.name: in_double(getattr(value, f.name)) for f in dataclasses.fields(value)}
        found = dataclasses.replace(value, **parts_by_name)
    return found  # type: ignore[no-any-return]


@lru_cache(maxsize=2)
def _empty_copy(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).double()


def _network_in_double(network: nn.Module) -> nn.Module:
    """Return a copy, with what the network's buffers hold now."""
    twin = _empty_copy(network)
    twin.load_state_dict(network.state_dict())
    return twin.train(network.training)
