"""Pictures on disk and in memory, and the one conversion between bytes and numbers.

A picture is RGB, float32, in [-1, 1], shape (3, h, w). Byte pictures are (h, w, 3), as files
hold them. ``from_bytes`` followed by ``to_bytes`` gives back every byte exactly.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from phiz import checkpoint
from phiz.errors import MediaError

LARGEST_SIDE = 10_000
"""Pixels; a larger picture is more often a mistake or an attack than a portrait."""

LARGEST_AREA = 80_000_000
"""Pixels in all, below the number from which Pillow itself begins to warn."""

WHITE = (255, 255, 255)

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""What `write` can make, by the file's suffix."""

READABLE = frozenset(
    "AVIF BMP DIB GIF HEIF JPEG JPEG2000 MPO PNG PPM QOI TIFF WEBP".split()  # HEIF: by a plug-in only
)
"""Pillow's names of what is read. Others are drawings, or would start a program that a file should not."""

_HEIC = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"))
_AVIF = frozenset((b"avif", b"avis"))

# What Pillow's decoders raise on damaged files; it has no exception of its own for them.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)


def to_bytes(picture: Float[Tensor, "*b 3 h w"]) -> UInt8[Tensor, "*b h w 3"]:
    """Return a picture as bytes, channels last, rounded to the nearest; beyond [-1, 1] it is cut off."""
    scaled = (picture.float() * 127.5 + 128.0).clamp_(0, 255)  # 127.5 + 0.5: the cast rounds down
    return scaled.to(torch.uint8).movedim(-3, -1).contiguous()


def from_bytes(pixels: UInt8[Tensor, "*b h w 3"]) -> Float[Tensor, "*b 3 h w"]:
    """Return bytes as a picture in [-1, 1], channels first."""
    return pixels.movedim(-1, -3).contiguous().float().div_(127.5).sub_(1.0)


def read(path: Path | str, *, background: tuple[int, int, int] = WHITE) -> Float[Tensor, "3 h w"]:
    """Return the picture in a file, upright, in RGB.

    The camera's orientation tag is applied, transparency is laid over `background` (0 to 255),
    and of an animation the first frame counts. Grey, palette, CMYK and 16-bit files are fine.
    """
    return decode(bytes_of(path), background=background, name=str(path))


def bytes_of(path: Path | str) -> bytes:
    """Return the bytes of a picture's file."""
    path = Path(path)
    if path.is_dir():
        raise MediaError(f"{path} is a folder, not a picture. Name one file in it.")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MediaError(f"There is no picture at {path}. Check the name and the folder.") from error
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error


def write(path: Path | str, picture: Float[Tensor, "3 h w"], *, quality: int = 95) -> None:
    """Write a picture as PNG, JPEG or WebP, by the suffix of `path`; all of it or nothing."""
    path = Path(path)
    data = encode(picture, path.suffix, quality=quality)
    try:
        with checkpoint.atomic(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise MediaError(
            f"{path} cannot be written ({error.strerror or error}). "
            "Check that its folder exists, is yours and has space left."
        ) from error


def encode(picture: Float[Tensor, "3 h w"], suffix: str = ".png", *, quality: int = 95) -> bytes:
    """Return the bytes of a picture file; PNG keeps every byte, `quality` is for the others."""
    kind = FORMATS.get(suffix.lower())
    if kind is None:
        raise MediaError(
            f"Pictures are written as {', '.join(FORMATS)}, not as {suffix!r}. Rename the output."
        )
    target = io.BytesIO()
    pixels = Image.fromarray(to_bytes(picture.detach().cpu()).numpy())
    if kind == "PNG":
        pixels.save(target, kind, compress_level=4)  # the default of 6 takes twice as long for 2 %
    else:
        pixels.save(target, kind, quality=quality)
    return target.getvalue()


def decode(
    data: bytes, *, background: tuple[int, int, int] = WHITE, name: str = "The picture"
) -> Float[Tensor, "3 h w"]:
    """Return the picture in the bytes of a file; see `read`. `name` is for messages."""
    with opened(data, name) as found:
        _refuse_huge(found.size, name)
        upright = ImageOps.exif_transpose(found)
        return _to_picture(upright, background)


@contextmanager
def opened(data: bytes, name: str) -> Iterator[Image.Image]:
    """Yield the picture in the bytes of a file, its pixels not unpacked yet.

    What Pillow raises on it, now or inside the block, becomes a `MediaError` that names the file.
    """
    if not data:
        raise MediaError(f"{name} is empty (0 bytes). Copy or download it again.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # callers have stricter limits
            warnings.simplefilter("ignore", UserWarning)  # strange tags and the like
            with Image.open(io.BytesIO(data)) as found:
                if found.format not in READABLE:
                    raise UnidentifiedImageError(found.format)
                yield found
    except Image.DecompressionBombError as error:
        raise MediaError(_too_large(name)) from error
    except UnidentifiedImageError as error:
        raise MediaError(_unreadable(data, name)) from error
    except _DAMAGED as error:
        raise MediaError(f"{name} is damaged or cut short ({error}). Copy or download it again.") from error


def _unreadable(data: bytes, name: str) -> str:
    """Return what a file is that is not a readable picture, and what to do with it."""
    kind = data[8:12] if data[4:8] == b"ftyp" else b""
    if kind in _HEIC:
        return (
            f"{name} is a HEIC picture, as phones take them, which cannot be read here. Export it as JPEG "
            "from the phone's picture app, or convert it: heif-convert photo.heic photo.jpg"
        )
    if kind in _AVIF:
        return (
            f"{name} is an AVIF picture, which this Pillow cannot read. Save it as PNG or JPEG, or get a "
            "newer Pillow with: pip install --upgrade pillow"
        )
    if kind:
        return f"{name} is a video, or a camera's raw picture. Save one picture of it as PNG or JPEG."
    if data.startswith(b"version https://git-lfs"):
        return f"{name} is a placeholder of Git LFS, not the picture. Fetch the picture with: git lfs pull"
    return f"{name} is not a picture that can be read here. Use PNG, JPEG, WebP, TIFF, BMP or GIF."


def _refuse_huge(size: tuple[int, int], name: str) -> None:
    if max(size) > LARGEST_SIDE or size[0] * size[1] > LARGEST_AREA:
        raise MediaError(_too_large(f"{name} has {size[0]} x {size[1]} pixels, which"))


def _too_large(subject: str) -> str:
    return (
        f"{subject} is too large; a side may have {LARGEST_SIDE} pixels and the whole {LARGEST_AREA}. "
        "Make it smaller or cut out the face."
    )


def is_deep(found: Image.Image) -> bool:
    """Return whether a picture is grey of 16 bits or more, or of floating-point numbers."""
    return found.mode.startswith("I") or found.mode == "F"


def deep_grey(found: Image.Image) -> Float[Tensor, "h w"]:
    """Return 16-bit (or floating-point) grey from 0 to 1, without first squeezing it into 8 bits."""
    values = torch.from_numpy(np.array(found).astype(np.float32)).nan_to_num_()
    white = 65535.0
    if found.mode == "F":  # such files hold either 0 to 1 or 0 to 255; nothing in them says which
        white = 1.0 if values.max() <= 1 else 255.0
    return (values / white).clamp(0, 1)


def _to_picture(found: Image.Image, background: tuple[int, int, int]) -> Tensor:
    if is_deep(found):
        return (deep_grey(found) * 2 - 1)[None].repeat(3, 1, 1)
    if found.has_transparency_data:
        below = Image.new("RGBA", found.size, (*background, 255))
        found = Image.alpha_composite(below, found.convert("RGBA"))
    pixels = np.array(found.convert("RGB"))  # a copy, because torch wants to own writable memory
    return from_bytes(torch.from_numpy(pixels))
