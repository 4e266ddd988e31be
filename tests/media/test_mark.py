"""The invisible mark: unseen, read back after a codec and a resize, and never found where there is none."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from phiz.media import image, mark, video

PAYLOAD = 0xC0FFEE11


def scene(count: int, height: int = 192, width: int = 192, seed: int = 0) -> list[Tensor]:
    """Return frames of a textured ball that swings before a wall with a soft shadow."""
    generator = torch.Generator().manual_seed(seed)
    skin = functional.interpolate(torch.randn(1, 3, 24, 24, generator=generator), (96, 96), mode="bicubic")[0]
    hair = torch.randn(3, 96, 96, generator=generator)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 96), torch.linspace(-1, 1, 96), indexing="ij")
    ball = ((x**2 + y**2) < 0.9).float()
    texture = (0.2 * skin + 0.15 * hair * (y < -0.3) - 0.4 * (x**2 + y**2) + 0.3).clamp(-1, 1)
    rows = torch.linspace(-0.3, 0.2, height)[:, None] + torch.linspace(0.2, -0.2, width)
    wall = (rows + 0.01 * torch.randn(height, width, generator=generator)).expand(3, -1, -1)
    frames = []
    for i in range(count):
        frame = wall.clone()
        top, left = (height - 96) // 2, (width - 96) // 2 + round(6 * math.sin(i / 5))
        part = frame[:, top : top + 96, left : left + 96]
        frame[:, top : top + 96, left : left + 96] = torch.lerp(part, texture, ball)
        frames.append(frame)
    return frames


def marked(frames: list[Tensor]) -> list[Tensor]:
    marker = mark.Marker(*frames[0].shape[1:], PAYLOAD)
    return [marker.apply(frame) for frame in frames]


def through_film(path: Path, frames: list[Tensor], quality: int) -> list[Tensor]:
    with video.Writer(path, fps=25, size=frames[0].shape[1:], quality=quality) as writer:
        for frame in frames:
            writer.write(frame)
    return list(video.read(path))


@pytest.mark.parametrize(("quality", "scale"), [(18, 1.0), (18, 0.75), (23, 1.0)])
def test_the_mark_outlives_a_film_and_a_resize(tmp_path: Path, quality: int, scale: float) -> None:
    film = through_film(tmp_path / "a.mp4", marked(scene(20)), quality)
    if scale != 1:
        small = [functional.interpolate(f[None], scale_factor=scale, mode="area")[0] for f in film]
        film = through_film(tmp_path / "b.mp4", small, quality)
    found = mark.detect(film)
    assert found.found
    assert found.payload == PAYLOAD
    assert found.chance < 1e-6


def test_a_mark_that_is_expected_is_found_where_it_is_fainter() -> None:
    agreements = torch.zeros(mark.BYTES, mark.VALUES)
    agreements[range(mark.BYTES), list(mark._message(PAYLOAD))] = 7 / mark.BYTES
    assert not mark._decided(agreements, ()).found
    known = mark._decided(agreements, (1, PAYLOAD))
    assert known.payload == PAYLOAD
    assert known.score == pytest.approx(7)
    assert not mark._decided(agreements, (PAYLOAD + 1,)).found


def test_looking_for_two_things_is_no_likelier_to_err() -> None:
    known, blind = mark._chance(5.3, 1), mark._chance(8.5, 1 << 32)
    assert max(known, blind) < mark.FALSE_ALARM < known + blind
    agreements = torch.zeros(mark.BYTES, mark.VALUES)
    agreements[range(mark.BYTES), list(mark._message(PAYLOAD))] = 5.3 / mark.BYTES
    assert not mark._decided(agreements, (PAYLOAD,)).found


def test_frames_keep_42_db_and_a_plain_wall_moves_by_one_level() -> None:
    clean, changed = scene(1)[0], marked(scene(1))[0]
    error = image.to_bytes(clean).float() - image.to_bytes(changed).float()
    assert 10 * math.log10(255**2 / float(error.square().mean())) >= 42
    plain = image.from_bytes(torch.full((192, 192, 3), 100, dtype=torch.uint8))
    moved = image.to_bytes(marked([plain])[0]).int() - image.to_bytes(plain).int()
    assert moved.abs().max() == 1


def test_frames_that_are_not_square_hold_the_pattern_more_than_once() -> None:
    wide = [torch.zeros(3, 96, 240)]
    assert mark.detect(marked(wide)).payload == PAYLOAD
    whole = mark.detect(marked(wide)).score
    half = mark.detect([marked(wide)[0][:, :, :120]]).score
    assert whole == pytest.approx(half, rel=0.05)


def test_nothing_is_found_where_nothing_is() -> None:
    films = [scene(3, seed=seed) for seed in range(10)]
    generator = torch.Generator().manual_seed(1)
    films += [[torch.rand(3, 96, 128, generator=generator) * 2 - 1] for _ in range(20)]
    films += [[torch.zeros(3, 64, 64)], []]
    for film in films:
        found = mark.detect(film)
        assert not found.found
        assert found.payload is None


def test_chance_is_as_rare_as_the_bound_says() -> None:
    """Hoeffding's bound holds for one picture against many messages; scores spread as it assumes."""
    picture = torch.randn(mark.TILE, mark.TILE, generator=torch.Generator().manual_seed(0)) ** 3
    agreements = mark._agreements(picture)
    each = agreements * math.sqrt(mark.BYTES)  # a byte's cells hold a fifth of the picture's size, about
    scores = torch.cartesian_prod(*agreements[:, :6]).sum(dim=1)
    assert each.std() == pytest.approx(1, abs=0.1)
    for z in (1.0, 2.0, 3.0):
        assert (scores > z).float().mean() <= math.exp(-(z**2) / 2) + 0.02
    threshold = math.sqrt(2 * math.log(2**32 / mark.FALSE_ALARM))
    assert (
        mark._chance(threshold + 0.01, 1 << 32) < mark.FALSE_ALARM < mark._chance(threshold - 0.01, 1 << 32)
    )


def test_a_byte_that_is_misread_is_mended_by_the_check() -> None:
    agreements = torch.zeros(mark.BYTES, mark.VALUES)
    message = mark._message(PAYLOAD)
    for byte, value in enumerate(message):
        agreements[byte, value] = 3.0
    agreements[1, message[1] ^ 1] = 3.2
    assert mark._best(agreements)[1] == PAYLOAD


def test_wrong_sizes_and_messages_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bits"):
        mark.Marker(64, 64, 1 << 32)
    with pytest.raises(ValueError, match="frames of"):
        mark.Marker(64, 64, 1).apply(torch.zeros(3, 64, 66))
