"""A part of an enlarged picture is Pillow's, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from phiz.face import bicubic


@pytest.mark.parametrize("seed", range(60))
def test_every_byte_is_pillows(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width = (int(n) for n in random.integers(1, 60, 2))
    factor = 1 + random.random() * random.choice([0.1, 1, 6])
    size = int(width * factor), int(height * factor)
    pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if seed % 2:
        pixels = (pixels > 127).astype(np.uint8) * 255  # overshoots are cut off after either pass
    left, top = (int(n) for n in random.integers(-30, 150, 2))
    whole = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    expected = np.asarray(whole.crop((left, top, left + 50, top + 40)))
    assert np.array_equal(bicubic.enlarged_part(pixels, size, (left, top), (50, 40)), expected)


def test_weights_add_up_to_one() -> None:
    table, first = bicubic.weights(20, 73, 30, 25)
    assert first > 0
    assert np.abs(table.sum(axis=1) / bicubic.UNITS - 1).max() < 1e-5


def test_shrinking_is_left_to_pillow() -> None:
    with pytest.raises(ValueError, match="shrunk"):
        bicubic.enlarged_part(np.zeros((9, 9, 3), np.uint8), (9, 8), (0, 0), (4, 4))
