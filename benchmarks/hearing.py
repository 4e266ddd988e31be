"""How fast speech is heard, against the published arithmetic with the same weights, in one run.

    python benchmarks/hearing.py [--seconds 60] [--threads 2] [--rounds 5] [--busy]

Ours and theirs take turns; a ratio is the median of the rounds' ratios (theirs / ours, so more is better).
"loop" is how NeRFFaceSpeech calls the network: one frame at a time, half of each result fed back. "chunks" is
how SadTalker does: ten frames at a time, nothing fed back. "whole numbers" is ours on processors with VNNI.
"apart" is the largest difference of ours and theirs, and the largest number of theirs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from phiz.speech import expression, pose, pose_network, windows
from phiz.speech.encoder import STEPS
from phiz.speech.encoder_fast import counts_whole, fast
from phiz.speech.expression import ExpressionNet, Feedback, express, express_from
from phiz.speech.pose_network import PoseNet
from phiz.speech.windows import FRAME, RATE, WindowStream

Work = Callable[[], Tensor]
Doubles = npt.NDArray[np.float64]
EXAMPLES = 100
"""Windows that whole numbers are measured out by."""


@dataclass(frozen=True)
class Case:
    """One piece of work: theirs, and ours in several ways."""

    name: str
    theirs: Work
    ours: Mapping[str, Work]


def published_mel(waveform: Doubles, basis: Doubles) -> Doubles:
    """Return the spectrogram as librosa does it: look by look into one array, transformed, then weighed."""
    sharp = np.append(waveform[:1], waveform[1:] - 0.97 * waveform[:-1])
    padded = np.pad(sharp, 400)
    bell = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 800)
    looks = np.lib.stride_tricks.sliding_window_view(padded, 800)[::200].T
    waves = np.empty((401, looks.shape[1]), np.complex128, order="F")
    block = 2**18 // (401 * 16)  # librosa transforms a quarter of a megabyte at a time
    for first in range(0, looks.shape[1], block):
        some = slice(first, first + block)
        waves[:, some] = np.fft.rfft(bell[:, None] * looks[:, some], axis=0)
    loudness = np.dot(basis, np.abs(waves))
    decibels = 20 * np.log10(np.maximum(1e-5, loudness)) - 20
    return np.clip(8 * (decibels + 100) / 100 - 4, -4, 4)


def published_windows(waveform: Doubles, basis: Doubles) -> Tensor:
    """Return the windows of all frames, gathered one by one."""
    rows = published_mel(waveform, basis).T
    gathered = []
    for number in range(len(waveform) // FRAME):
        start = int(80.0 * (number - 2) / 25)
        places = [min(max(place, 0), len(rows) - 1) for place in range(start, start + 16)]
        gathered.append(rows[places].T)
    return torch.from_numpy(np.asarray(gathered, np.float32))[:, None]


def published_encoder(state: Mapping[str, Tensor], x: Tensor, prefix: str = "audio_encoder") -> Tensor:
    """Return what is heard: convolution, normalisation, sum and rectifier one after the other."""
    for number, step in enumerate(STEPS):
        name = f"{prefix}.{number}.conv_block"
        weight, bias = state[f"{name}.0.weight"], state[f"{name}.0.bias"]
        statistics_ = state[f"{name}.1.running_mean"], state[f"{name}.1.running_var"]
        y = functional.conv2d(x, weight, bias, step.stride, step.border)
        y = functional.batch_norm(y, *statistics_, state[f"{name}.1.weight"], state[f"{name}.1.bias"])
        x = functional.relu(y + x if step.is_residual else y)
    return x.flatten(1)


def published_loop(state: Mapping[str, Tensor], mel: Tensor, rest: Tensor) -> Tensor:
    """Return expressions frame by frame, each started from the last."""
    reference, told = rest[None], []
    for window in mel:
        heard = published_encoder(state, window[None])
        joined = torch.cat([heard, reference, torch.zeros(1, 1)], dim=1)
        y = functional.linear(joined, state["mapping1.weight"], state["mapping1.bias"])
        reference = 0.5 * rest[None] + 0.5 * y
        told.append(y)
    return 1.5 * torch.cat(told)


def published_chunks(state: Mapping[str, Tensor], mel: Tensor, rest: Tensor) -> Tensor:
    """Return expressions of ten frames at a time, all started from the rest."""
    told = []
    for some in torch.split(mel, 10):
        joined = [published_encoder(state, some), rest.expand(len(some), -1), torch.zeros(len(some), 1)]
        told.append(
            functional.linear(torch.cat(joined, dim=1), state["mapping1.weight"], state["mapping1.bias"])
        )
    return torch.cat(told)


def published_motion(network: PoseNet, mel: Tensor, start: Tensor, codes: Tensor) -> Tensor:
    """Return a head's motion as published: block by block, each heard anew."""
    state, sounds, motion = network.state_dict(), mel[1:], [torch.zeros(1, 6)]
    count = len(sounds)
    for number, code in enumerate(codes):
        rest = count - 32 * number
        some = sounds[32 * number :][:32] if rest >= 32 else sounds[-32:]
        heard = published_encoder(state, some, "audio_encoder.audio_encoder")
        made = network.netG.decoder(code[None], start[None], heard[None], torch.tensor([0]))[0]
        motion.append(made if rest >= 32 else made[-rest:])
    return torch.cat(motion)


def shaken(network: torch.nn.Module) -> torch.nn.Module:
    """Return a network with random statistics, too, whose signals keep their size."""
    chance = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.copy_(0.5 + torch.rand(value.shape, generator=chance))
        elif name.endswith("running_mean"):
            value.copy_(0.1 * torch.randn(value.shape, generator=chance))
        elif value.ndim > 1 and "classbias" not in name:
            value.copy_(torch.randn(value.shape, generator=chance) / value[0].numel() ** 0.5)
    return network.eval().requires_grad_(False)


def streamed(waveform: Tensor, network: ExpressionNet, rest: Tensor) -> Tensor:
    """Return expressions of a sound that comes a frame at a time."""
    stream, feedback = WindowStream(), Feedback(network, rest)
    found = [feedback(stream.push(piece)) for piece in torch.split(waveform, FRAME)]
    return torch.cat([*found, feedback(stream.finish())])


def cases(seconds: int) -> list[Case]:
    """Return everything that is compared."""
    chance = torch.Generator().manual_seed(0)
    waveform = 0.1 * torch.randn(seconds * RATE, generator=chance)
    exact, basis = waveform.double().numpy(), windows.mel_basis().T.contiguous().numpy()
    mel = windows.of_waveform(waveform)
    network, turned = shaken(ExpressionNet(expression.PUBLISHED)), shaken(PoseNet(pose_network.PUBLISHED))
    assert isinstance(network, ExpressionNet)
    assert isinstance(turned, PoseNet)
    state, rest, start = network.state_dict(), torch.randn(64, generator=chance), torch.zeros(6)
    codes = pose.draw(turned, len(mel), chance)
    several = {"plain": network, "fast": fast(network)}
    ready = fast(turned)
    if counts_whole():
        several["whole numbers"] = fast(network, mel[:EXAMPLES])
    loops = {name: (lambda one=one: express(one, mel, rest)) for name, one in several.items()}
    loops["streamed"] = lambda: streamed(waveform, several["fast"], rest)
    same = rest.expand(len(mel), -1)
    none = torch.zeros(len(mel))
    chunks = {name: (lambda one=one: express_from(one, mel, same, none)) for name, one in several.items()}
    return [
        Case(
            "mel",
            lambda: torch.from_numpy(published_mel(exact, basis).T),
            {"plain": lambda: windows.log_mel(waveform)},
        ),
        Case(
            "mel and windows",
            lambda: published_windows(exact, basis),
            {"plain": lambda: windows.of_waveform(waveform)},
        ),
        Case("expression, loop", lambda: published_loop(state, mel, rest), loops),
        Case("expression, chunks", lambda: published_chunks(state, mel, rest), chunks),
        Case(
            "pose",
            lambda: published_motion(turned, mel, start, codes),
            {"fast": lambda: pose.motions(ready, mel, start, style=0, codes=codes)},
        ),
    ]


def seconds_of(work: Work, clock: Callable[[], float]) -> float:
    """Return how long a piece of work takes."""
    start = clock()
    work()
    return clock() - start


def measured(case: Case, rounds: int, length: float, clock: Callable[[], float]) -> str:
    """Return the lines of a case."""
    base = case.theirs()
    apart = {name: float((work() - base).abs().max()) for name, work in case.ours.items()}
    times: dict[str, list[float]] = {name: [] for name in ("theirs", *case.ours)}
    for _ in range(rounds):
        for name, work in (("theirs", case.theirs), *case.ours.items()):
            times[name].append(seconds_of(work, clock))
    lines = [f"{case.name}: theirs {1e3 * min(times['theirs']) / length:.3f} ms a second of sound"]
    for name, mine in times.items():
        if name == "theirs":
            continue
        ratio = statistics.median(a / b for a, b in zip(times["theirs"], mine, strict=True))
        lines.append(
            f"  {name}: {1e3 * min(mine) / length:.3f} ms, {ratio:.2f} times as fast, "
            f"apart {apart[name]:.2g} of {float(base.abs().max()):.2g}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="first word of a case")
    parser.add_argument("--busy", action="store_true", help="count processor time: others use this machine")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    clock = time.process_time if arguments.busy else time.perf_counter
    for case in cases(arguments.seconds):
        if case.name.startswith(arguments.only):
            print(measured(case, arguments.rounds, arguments.seconds, clock), flush=True)


if __name__ == "__main__":
    main()
