"""The settings of a warm start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class WarmConfig:
    """How a generator learns portraits by heart."""

    portraits: Path = Path("portraits")
    """Folder of portraits, as `phiz world portraits` writes them."""
    start: Path | None = None
    """Generator to go on from, fitted to portraits of this kind before; it may have fewer channels."""
    people: int = 0
    """Take the first so many people of the folder; 0 takes all."""
    steps: int = 20_000
    """Optimiser steps in all."""
    volume_steps: int = 8_000
    """The first so many train rays alone, without the upsampler."""
    rays: int = 1024
    """Rays of each picture in those steps."""
    batch: int = 4
    """People a step and process."""
    views: int = 3
    """Pictures of each."""
    rate: float = 0.0025
    """Learning rate of Adam."""
    rise_steps: int = 200
    """Steps in which the rate rises from nothing."""
    cool_share: float = 0.3
    """Share of the steps, at the end, in which the rate falls to a twentieth."""
    half_life: float = 10_000.0
    """Pictures after which half of the average is new."""
    patch: int = 0
    """Draw a random square of so many of the volume's pixels a side, which costs less, in seven steps of
    eight; 0 draws whole pictures always."""
    pixel_weight: float = 1.0
    """Weight of the difference of pixels."""
    perceptual_weight: float = 1.0
    """Weight of the perceptual distance."""
    perceptual_crop: int = 0
    """Look at a random window of so many pixels only, which costs less; 0 looks at whole pictures."""
    feature_weight: float = 4.0
    """How much more eyes and mouth count."""
    critic_weight: float = 0.0
    """Weight of looking true to a critic of small windows, which makes pictures sharp; 0 for no critic."""
    critic_window: int = 64
    """Height and width of its windows: a power of two."""
    critic_base: float = 0.0625
    """Its size: the channels are 32768 times this over the resolution."""
    critic_rate: float = 0.002
    """Its learning rate."""
    critic_gamma: float = 0.5
    """Weight of the penalty for a steep critic."""
    depth_weight: float = 4.0
    """Weight of the difference of depths, a hundredth of a generator unit."""
    alpha_weight: float = 1.0
    """Weight of the difference of coverage."""
    picture_every: int = 200
    """Steps between sheets of pictures."""

    def __post_init__(self) -> None:
        if min(self.batch, self.views, self.rays, self.steps) < 1:
            raise ValueError("the warm start's batch, views, rays and steps are at least 1")
        if self.critic_window < 8 or self.critic_window & (self.critic_window - 1):
            raise ValueError(f"the critic's window is a power of two from 8 on, not {self.critic_window}")
