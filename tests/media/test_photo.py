"""Whatever somebody brings becomes a picture, with its history told, or is refused in words that help."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from phiz.errors import MediaError, UsageError
from phiz.media import image, photo

GREY_NAMES = {"L": "grey", "1": "black and white", "P": "palette", "CMYK": "CMYK", "I;16": "16 bits"}


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def byte_at(found: photo.Photo, y: int = 0, x: int = 0) -> list[int]:
    return image.to_bytes(found.picture)[y, x].tolist()


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def tags(**offsets: bytes) -> bytes:
    """Return the tag table and the tags of an ICC profile."""
    start = 128 + 4 + 12 * len(offsets)
    table, body = struct.pack(">I", len(offsets)), b""
    for name, tag in offsets.items():
        table += name.encode() + struct.pack(">II", start + len(body), len(tag))
        body += tag + b"\0" * (-len(tag) % 4)
    return table + body


def profile_of(primaries: list[list[float]], gamma: float, title: bytes) -> bytes:
    """Return an ICC profile with these primaries (rows: red, green, blue in XYZ of D50) and one gamma."""

    def xyz(values: list[float]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    words = b"desc\0\0\0\0" + struct.pack(">I", len(title) + 1) + title + b"\0" * (1 + 8 + 3 + 67)
    red, green, blue = (xyz(row) for row in primaries)
    rest = tags(
        desc=words, wtpt=xyz([0.9642, 1.0, 0.8249]), cprt=b"text\0\0\0\0none\0",
        rXYZ=red, gXYZ=green, bXYZ=blue, rTRC=curve, gTRC=curve, bTRC=curve,
    )  # fmt: skip
    head = struct.pack(">I4sI4s4s4s", 128 + len(rest), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + rest


P3 = [[0.51512, 0.24120, -0.00105], [0.29198, 0.69225, 0.04189], [0.15710, 0.06657, 0.78407]]
SRGB = [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]]


def test_a_plain_picture_comes_as_it_is_with_nothing_to_tell() -> None:
    pixels = noise(5, 7)
    found = photo.decode(saved(Image.fromarray(pixels)))
    assert np.array_equal(image.to_bytes(found.picture).numpy(), pixels)
    assert found.alpha is None
    assert found.done == ()
    assert found.stored_size == (7, 5)
    assert found.scale == (1.0, 1.0)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 100, [100] * 3),
        ("1", 1, [255] * 3),
        ("CMYK", (0, 255, 255, 0), [255, 0, 0]),
        ("I;16", 25700, [100] * 3),
        ("YCbCr", (100, 128, 128), [100] * 3),
        ("F", 0.5, [128] * 3),
        ("LA", (100, 255), [100] * 3),
    ],
)
def test_every_kind_of_pixel_becomes_rgb_and_is_named(mode: str, value: object, expected: list[int]) -> None:
    found = photo.decode(saved(Image.new(mode, (4, 6), value), "TIFF"))
    assert found.picture.shape == (3, 6, 4)
    assert byte_at(found) == expected
    assert found.done
    assert GREY_NAMES.get(mode, "") in found.done[0]


def test_palettes_are_looked_up_with_and_without_transparency() -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 200, 10, 10])
    assert byte_at(photo.decode(saved(picture))) == [200, 10, 10]
    clear = photo.decode(saved(picture, transparency=1), background="blue")
    assert byte_at(clear) == [0, 0, 255]
    assert clear.alpha is not None
    assert clear.alpha.max() == 0


def test_sixteen_bit_grey_keeps_its_steps_and_colours_are_said_to_lose_them() -> None:
    ramp = np.arange(300, dtype=np.uint16)[None] + 30_000
    assert len(photo.decode(saved(Image.fromarray(ramp))).picture[0, 0].unique()) == 300
    found = photo.decode(deep_png(noise(3, 2).astype(np.uint16) * 257))
    assert np.array_equal(image.to_bytes(found.picture).numpy(), noise(3, 2))
    assert found.done == ("16 bits a colour rounded to 8",)


def deep_png(pixels: np.ndarray) -> bytes:
    """Return a PNG of 16 bits a channel, which Pillow cannot write."""
    height, width = pixels.shape[:2]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("background", "below"), [("white", 255), ("black", 0), ("#646464", 100)])
def test_transparency_is_kept_and_lies_over_the_named_colour(background: str, below: int) -> None:
    pixels = np.full((1, 3, 4), 200, np.uint8)
    pixels[0, :, 3] = [0, 255, 51]
    found = photo.decode(saved(Image.fromarray(pixels)), background=background)
    assert byte_at(found) == [below] * 3
    assert byte_at(found, x=1) == [200] * 3
    assert abs(byte_at(found, x=2)[0] - (0.8 * below + 0.2 * 200)) <= 1
    assert found.alpha is not None
    torch.testing.assert_close(found.alpha, torch.tensor([[[0.0, 1.0, 0.2]]]))
    assert found.done == (f"transparency laid over {background}",)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("has_alpha", [False, True])
def test_every_way_to_hold_a_camera_is_put_upright(orientation: int, has_alpha: bool) -> None:
    upright = noise(4, 6, 4 if has_alpha else 3)
    undone = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
    held = Image.fromarray(upright)
    if orientation > 1:
        held = held.transpose(photo.TURNS[undone[orientation]])
    exif = Image.Exif()
    exif[photo.ORIENTATION] = orientation
    found = photo.decode(saved(held, exif=exif), background="black")
    assert found.stored_size == (6, 4)
    if has_alpha:
        assert found.alpha is not None
        assert np.array_equal((found.alpha[0] * 255).round().byte().numpy(), upright[..., 3])
    else:
        assert np.array_equal(image.to_bytes(found.picture).numpy(), upright)
    assert any(f"orientation {orientation}" in words for words in found.done) == (orientation > 1)


def test_notes_of_the_camera_that_make_no_sense_are_passed_over() -> None:
    exif = Image.Exif()
    exif[photo.ORIENTATION] = 77
    assert photo.decode(saved(Image.new("RGB", (4, 2)), exif=exif)).stored_size == (4, 2)
    damaged = saved(Image.new("RGB", (4, 2)), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\0")
    assert photo.decode(damaged).picture.shape == (3, 2, 4)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_counts_and_that_is_said(kind: str) -> None:
    first, second = Image.new("RGB", (8, 8), (200, 10, 10)), Image.new("RGB", (8, 8), (10, 200, 10))
    options = {"lossless": True} if kind == "WEBP" else {}
    found = photo.decode(saved(first, kind, save_all=True, append_images=[second], **options))
    assert byte_at(found) == [200, 10, 10]
    assert found.done[0].startswith("the first")


def test_colours_follow_their_profile() -> None:
    """Compare with the sums done by hand: P3's linear light, through XYZ, to sRGB's."""
    colour = np.array([180, 90, 60])
    data = saved(Image.new("RGB", (2, 2), tuple(colour.tolist())), icc_profile=profile_of(P3, 2.2, b"Wide"))
    light = np.linalg.solve(np.array(SRGB).T, np.array(P3).T @ (colour / 255) ** 2.2)
    expected = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    found = photo.decode(data)
    assert np.abs(np.array(byte_at(found)) - expected).max() < 2.5
    assert np.abs(expected - colour).max() > 10
    assert found.done == ("colours taken from its profile (Wide) to sRGB",)
    plain = photo.decode(
        saved(Image.new("RGB", (2, 2), (9, 8, 7)), icc_profile=profile_of(SRGB, 2.2, b"sRGB"))
    )
    assert byte_at(plain) == [9, 8, 7]
    assert plain.done == ()


@pytest.mark.parametrize("profile", [b"nonsense", profile_of(P3, 2.2, b"Wide")[:200]])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA"])
def test_damaged_and_unfitting_profiles_are_passed_over(profile: bytes, mode: str) -> None:
    data = saved(Image.new(mode, (2, 2), 0), "TIFF", icc_profile=profile)
    found = photo.decode(data)
    assert found.picture.shape == (3, 2, 2)
    assert any("profile ignored" in words for words in found.done)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_pictures_are_shrunk_and_nothing_moves(kind: str) -> None:
    ramp = np.tile(np.linspace(0, 255, 1200).astype(np.uint8)[:, None], (1, 900))
    found = photo.decode(saved(Image.fromarray(np.stack([ramp] * 3, axis=-1)), kind), largest=100)
    assert found.picture.shape == (3, 100, 75)
    assert found.scale == (75 / 900, 100 / 1200)
    assert "shrunk from 900 x 1200 to 75 x 100" in found.done
    middles = torch.from_numpy(ramp[:, 0].astype(np.float32)).reshape(100, 12).mean(dim=1) / 127.5 - 1
    assert (found.picture[0].mean(dim=1) - middles).abs().max() < 0.02


def test_grey_of_16_bits_and_transparency_are_shrunk_as_well() -> None:
    deep = photo.decode(saved(Image.new("I;16", (400, 300), 25700)), largest=40)
    assert deep.picture.shape == (3, 30, 40)
    assert byte_at(deep) == [100] * 3
    clear = photo.decode(saved(Image.new("RGBA", (400, 300), (255, 0, 0, 102))), largest=40)
    assert clear.alpha is not None
    assert clear.alpha.shape == (1, 30, 40)
    assert abs(float(clear.alpha.mean()) - 0.4) < 1e-3


def test_ten_thousand_pixels_are_no_reason_to_refuse() -> None:
    found = photo.decode(saved(Image.new("1", (10_000, 10_000), 1), compress_level=1), largest=200)
    assert found.picture.shape == (3, 200, 200)
    assert found.picture.min() == 1
    long = photo.decode(saved(Image.new("L", (60_000, 1), 100)), largest=1000)
    assert long.picture.shape == (3, 1, 1000)


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG that says it is huge."""
    data = saved(Image.new("RGB", (1, 1)))
    head = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]


@pytest.mark.parametrize("size", [(12_000, 9_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_what_would_fill_the_memory_is_refused_before_it_does(size: tuple[int, int]) -> None:
    with pytest.raises(MediaError, match=r"big\.png.* too large"):
        photo.decode(bomb(*size), name="big.png")


def test_a_large_plain_jpeg_is_read_and_a_progressive_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo, "MOST_PIXELS", 300_000)
    big = Image.new("RGB", (900, 700), (200, 100, 50))
    assert photo.decode(saved(big, "JPEG"), largest=100).picture.shape == (3, 78, 100)
    with pytest.raises(MediaError, match="not progressive"):
        photo.decode(saved(big, "JPEG", progressive=True), largest=100)


def test_one_pixel_is_a_picture() -> None:
    found = photo.decode(saved(Image.new("RGB", (1, 1), (1, 2, 3))))
    assert byte_at(found) == [1, 2, 3]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_files_cut_short_are_refused(kind: str, share: float) -> None:
    data = saved(Image.fromarray(noise(40, 40)), kind)
    with pytest.raises(MediaError, match=r"again|Use PNG"):
        photo.decode(data[: int(len(data) * share)], name=f"a.{kind}")


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"", "0 bytes"),
        (b"these are words", "not a picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "heif-convert"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp41" + bytes(99), "video"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"%PDF-1.7\n", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not a picture"),
    ],
)
def test_what_is_no_picture_is_refused_with_advice(content: bytes, advice: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(MediaError, match=advice) as caught:
        photo.read(tmp_path / "a.jpg")
    assert "a.jpg" in str(caught.value)


def test_avif_is_read_where_pillow_can_and_refused_with_advice_where_not() -> None:
    if features.check("avif"):
        found = photo.decode(saved(Image.new("RGB", (16, 16), (200, 100, 50)), "AVIF", quality=100))
        assert abs(byte_at(found)[0] - 200) < 8
    else:
        with pytest.raises(MediaError, match="AVIF"):
            photo.decode(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + bytes(99))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow writes no AVIF to try with")
def test_avif_that_pillow_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(Image.new("RGB", (16, 16)), "AVIF")
    monkeypatch.setattr(image, "READABLE", image.READABLE - {"AVIF"})
    with pytest.raises(MediaError, match=r"AVIF picture.*pip install"):
        photo.decode(data)


def test_missing_files_folders_and_strange_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no picture at"):
        photo.read(tmp_path / "none.png")
    with pytest.raises(MediaError, match="folder"):
        photo.read(tmp_path)
    data = saved(Image.new("RGB", (2, 2)))
    with pytest.raises(UsageError, match="no colour"):
        photo.decode(data, background="bluish")
    with pytest.raises(UsageError, match="at least 1"):
        photo.decode(data, largest=0)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF"])
def test_flipped_bytes_never_raise_anything_but_our_own_error(kind: str) -> None:
    clean = saved(Image.fromarray(noise(16, 16)), kind)
    for position in range(0, len(clean), 11):
        damaged = bytearray(clean)
        damaged[position] ^= 0x55
        try:
            assert photo.decode(bytes(damaged)).picture.isfinite().all()
        except MediaError:
            continue
