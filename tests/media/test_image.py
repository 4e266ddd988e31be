"""Pictures: every kind of file becomes the same kind of tensor, and nothing is lost on the way."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phiz.errors import MediaError
from phiz.media import image


def save(path: Path, mode: str, value: object, size: tuple[int, int] = (4, 6), **options: object) -> Path:
    Image.new(mode, size, value).save(path, **options)
    return path


def byte_at(picture: torch.Tensor, y: int = 0, x: int = 0) -> list[int]:
    return image.to_bytes(picture)[y, x].tolist()


def test_every_byte_survives_the_way_to_numbers_and_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(16, 16, 1).repeat(1, 1, 3)
    assert torch.equal(image.to_bytes(image.from_bytes(pixels)), pixels)


def test_numbers_round_to_the_nearest_byte_and_are_cut_off_outside() -> None:
    values = torch.tensor([-3.0, -1.0, 0.0, 1.0, 7.0, 0.4 / 127.5, 0.6 / 127.5])
    assert image.to_bytes(values.expand(3, 1, 7))[0, :, 0].tolist() == [0, 0, 128, 255, 255, 127 + 1, 128]


def test_a_batch_of_pictures_becomes_a_batch_of_bytes() -> None:
    pixels = torch.randint(
        0, 256, (2, 5, 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    assert image.from_bytes(pixels).shape == (2, 3, 5, 4)
    assert torch.equal(image.to_bytes(image.from_bytes(pixels)), pixels)


def test_png_gives_back_every_byte(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (9, 7, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    image.write(tmp_path / "a.png", image.from_bytes(pixels))
    assert torch.equal(image.to_bytes(image.read(tmp_path / "a.png")), pixels)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp"])
def test_other_formats_come_back_nearly_the_same(tmp_path: Path, suffix: str) -> None:
    ramp = torch.linspace(-1, 1, 32).expand(3, 32, 32)
    image.write(tmp_path / f"a{suffix}", ramp)
    assert (image.read(tmp_path / f"a{suffix}") - ramp).abs().mean() < 0.02


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 100, [100, 100, 100]),
        ("1", 1, [255, 255, 255]),
        ("RGB", (10, 20, 30), [10, 20, 30]),
        ("CMYK", (0, 255, 255, 0), [255, 0, 0]),
        ("I;16", 25700, [100, 100, 100]),
    ],
)
def test_all_kinds_of_pixels_become_rgb(
    tmp_path: Path, mode: str, value: object, expected: list[int]
) -> None:
    path = save(tmp_path / "a.tif", mode, value)
    assert image.read(path).shape == (3, 6, 4)
    assert byte_at(image.read(path)) == expected


def test_sixteen_bits_keep_their_fine_steps(tmp_path: Path) -> None:
    ramp = np.arange(300, dtype=np.uint16)[None] + 30_000
    Image.fromarray(ramp).save(tmp_path / "a.png")
    assert len(image.read(tmp_path / "a.png")[0, 0].unique()) == 300


def test_floating_point_pictures_run_from_zero_to_one(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", "F", 0.5)
    assert image.read(path).abs().max() < 1e-6


def test_palettes_and_the_first_picture_of_an_animation_are_read(tmp_path: Path) -> None:
    first, second = Image.new("P", (4, 4), 1), Image.new("P", (4, 4), 2)
    for picture in (first, second):
        picture.putpalette([0, 0, 0, 200, 10, 10, 10, 200, 10])
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert byte_at(image.read(tmp_path / "a.gif")) == [200, 10, 10]


@pytest.mark.parametrize(("background", "expected"), [((255, 255, 255), 255), ((0, 0, 0), 127)])
def test_transparency_lies_over_the_stated_colour(
    tmp_path: Path, background: tuple[int, int, int], expected: int
) -> None:
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, 0] = [255, 255, 255, 0]  # unseen, whatever its colour
    pixels[0, 1] = [255, 255, 255, 127]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture = image.read(tmp_path / "a.png", background=background)
    assert byte_at(picture) == list(background)
    assert abs(byte_at(picture, x=1)[0] - expected) <= 1


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [
        (1, (0, 0)),
        (2, (0, -1)),
        (3, (-1, -1)),
        (4, (-1, 0)),
        (5, (0, 0)),
        (6, (0, -1)),
        (7, (-1, -1)),
        (8, (-1, 0)),
    ],
)
def test_the_cameras_orientation_is_applied(
    tmp_path: Path, orientation: int, corner: tuple[int, int]
) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    picture = image.read(tmp_path / "a.png")
    assert picture.shape[1:] == ((4, 6) if orientation < 5 else (6, 4))
    assert picture[0, corner[0], corner[1]] == 1


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".bmp", ".tif"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_file_cut_short_is_refused_with_advice(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / f"a{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MediaError, match=r"again|Use PNG"):
        image.read(tmp_path / f"a{suffix}")


def test_flipped_bytes_never_raise_anything_but_our_own_error() -> None:
    target = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(
        target, "PNG"
    )
    clean = target.getvalue()
    for position in range(0, len(clean), 7):
        damaged = bytearray(clean)
        damaged[position] ^= 0x55
        try:
            assert image.decode(bytes(damaged)).shape[0] == 3
        except MediaError:
            continue


@pytest.mark.parametrize("content", [b"", b"these are words", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(MediaError, match=r"a\.png"):
        image.read(tmp_path / "a.png")


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no picture at"):
        image.read(tmp_path / "none.png")
    with pytest.raises(MediaError, match="folder"):
        image.read(tmp_path)


def test_huge_pictures_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="too large"):
        image.read(save(tmp_path / "a.png", "1", 0, size=(image.LARGEST_SIDE + 1, 1)))
    with pytest.raises(MediaError, match="too large"):
        image.read(save(tmp_path / "b.png", "1", 0, size=(9_900, 9_900)))


def test_unknown_suffixes_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"\.png"):
        image.write(tmp_path / "a.xyz", torch.zeros(3, 2, 2))
