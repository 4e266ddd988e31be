"""Pictures on disk and in memory, and the one conversion between bytes and numbers.

A picture is RGB, float32, in [-1, 1], shape (3, h, w). Byte pictures are (h, w, 3), as files
hold them. ``from_bytes`` followed by ``to_bytes`` gives back every byte exactly.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
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
    path = Path(path)
    if path.is_dir():
        raise MediaError(f"{path} is a folder, not a picture. Name one file in it.")
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise MediaError(f"There is no picture at {path}. Check the name and the folder.") from error
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error
    return decode(data, background=background, name=str(path))


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
    if not data:
        raise MediaError(f"{name} is empty (0 bytes). Copy or download it again.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the next check is stricter
            picture = Image.open(io.BytesIO(data))
        with picture as opened:
            _refuse_huge(opened.size, name)
            upright = ImageOps.exif_transpose(opened)
            return _to_picture(upright, background)
    except Image.DecompressionBombError as error:
        raise MediaError(_too_large(name)) from error
    except UnidentifiedImageError as error:
        raise MediaError(
            f"{name} is not a picture that can be read here. Use PNG, JPEG, WebP, TIFF, BMP or GIF."
        ) from error
    except _DAMAGED as error:
        raise MediaError(f"{name} is damaged or cut short ({error}). Copy or download it again.") from error


def _refuse_huge(size: tuple[int, int], name: str) -> None:
    if max(size) > LARGEST_SIDE or size[0] * size[1] > LARGEST_AREA:
        raise MediaError(_too_large(f"{name} has {size[0]} x {size[1]} pixels, which"))


def _too_large(subject: str) -> str:
    return (
        f"{subject} is too large; a side may have {LARGEST_SIDE} pixels and the whole {LARGEST_AREA}. "
        "Make it smaller or cut out the face."
    )


def _to_picture(opened: Image.Image, background: tuple[int, int, int]) -> Tensor:
    if opened.mode.startswith("I") or opened.mode == "F":
        return _from_deep_grey(opened)
    if opened.has_transparency_data:
        below = Image.new("RGBA", opened.size, (*background, 255))
        opened = Image.alpha_composite(below, opened.convert("RGBA"))
    pixels = np.array(opened.convert("RGB"))  # a copy, because torch wants to own writable memory
    return from_bytes(torch.from_numpy(pixels))


def _from_deep_grey(opened: Image.Image) -> Tensor:
    """Return 16-bit (or floating-point) grey without first squeezing it into 8 bits."""
    values = torch.from_numpy(np.array(opened).astype(np.float32))
    white = 65535.0
    if opened.mode == "F":  # such files hold either 0 to 1 or 0 to 255; nothing in them says which
        white = 1.0 if values.max() <= 1 else 255.0
    grey = (values / white).clamp(0, 1) * 2 - 1
    return grey[None].repeat(3, 1, 1)
