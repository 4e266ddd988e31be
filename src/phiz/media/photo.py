"""Any picture that somebody may bring, upright, in sRGB, of a bearable size, and what was done to it.

`phiz.media.image` reads the pictures of data sets, strictly and fast. Here large pictures are shrunk,
colour profiles are followed and transparency is kept.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageCms, ImageColor
from torch import Tensor

from phiz.errors import MediaError, UsageError
from phiz.media import image

LARGEST_SIDE = 4096
"""Pixels to which larger pictures are shrunk."""
MOST_PIXELS = 105_000_000
"""The largest picture that is unpacked at full size: 10 000 x 10 000 and a little more."""

ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What puts a picture upright, by the value of that tag."""
SIDEWAYS = 5
"""From this value on, width and height change places."""

KINDS = {
    "1": "black and white made grey",
    "L": "grey repeated in red, green and blue",
    "LA": "grey repeated in red, green and blue",
    "La": "grey repeated in red, green and blue",
    "P": "a palette looked up",
    "PA": "a palette looked up",
    "CMYK": "printing colours (CMYK) turned into red, green and blue",
    "YCbCr": "brightness and colour (YCbCr) turned into red, green and blue",
    "LAB": "Lab colours turned into red, green and blue",
    "HSV": "hue and saturation turned into red, green and blue",
}
"""What is said about each of Pillow's modes that is not RGB."""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A picture ready for use, and its history."""

    picture: Float[Tensor, "3 h w"]
    """RGB in [-1, 1]."""
    alpha: Float[Tensor, "1 h w"] | None
    """0 where the file is transparent, 1 where it is not; None for files without transparency."""
    stored_size: tuple[int, int]
    """Width and height in the file, upright."""
    done: tuple[str, ...]
    """What was done to it, a few words each; nothing for a plain RGB picture."""

    @property
    def scale(self) -> tuple[float, float]:
        """Return how many pixels are left of one in the file, across and down."""
        height, width = self.picture.shape[1:]
        return width / self.stored_size[0], height / self.stored_size[1]


def read(path: Path | str, *, background: str = "white", largest: int = LARGEST_SIDE) -> Photo:
    """Return the picture in a file: see `decode`."""
    return decode(image.bytes_of(path), background=background, largest=largest, name=str(path))


def decode(
    data: bytes, *, background: str = "white", largest: int = LARGEST_SIDE, name: str = "The picture"
) -> Photo:
    """Return the picture in the bytes of a file, whatever kind it is of; `name` is for messages.

    Transparency is laid over `background`, a colour's name or ``#rrggbb``. Neither side will have more than
    `largest` pixels. Memory stays below 1.5 GB: large JPEGs are unpacked at a fraction of their size, and
    what cannot be and is larger than `MOST_PIXELS` is refused before it is unpacked.
    """
    colour = _colour(background)
    if largest < 1:
        raise UsageError(f"pictures cannot be shrunk to {largest} pixels. Give at least 1.")
    with image.opened(data, name) as found:
        stored, done = found.size, _said_of(found)
        _unpack(found, largest, name)
        orientation = _orientation(found)  # not sooner: some readers unpack the picture to find it
        deep = image.is_deep(found)
        small, alpha = _shrunk_grey(found, largest) if deep else _shrunk(found, largest, done)
        if small.size != stored:
            done.append(f"shrunk from {stored[0]} x {stored[1]} to {small.width} x {small.height}")
        if alpha is not None:
            done.append(f"transparency laid over {background}")
            below = Image.new("RGB", small.size, colour)
            small = Image.composite(small, below, alpha)
        if orientation in TURNS:
            done.append(f"put upright (EXIF orientation {orientation})")
            small = small.transpose(TURNS[orientation])
            alpha = alpha.transpose(TURNS[orientation]) if alpha is not None else None
        return Photo(
            picture=_picture(small),
            alpha=_share(alpha) if alpha is not None else None,
            stored_size=stored if orientation < SIDEWAYS else (stored[1], stored[0]),
            done=tuple(done),
        )


def _colour(name: str) -> tuple[int, int, int]:
    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError as error:
        raise UsageError(f"{name!r} is no colour. Give a name such as white or black, or #rrggbb.") from error


def _orientation(found: Image.Image) -> int:
    """Return the camera's orientation; 1, upright, where the file says nothing that makes sense."""
    try:
        value = found.getexif().get(ORIENTATION, 1)
    except (SyntaxError, ValueError, TypeError, KeyError, OSError):
        return 1  # damaged notes are no reason to refuse a whole picture
    return value if value in TURNS else 1


def _said_of(found: Image.Image) -> list[str]:
    """Return what has to be said about how a file holds its picture, before it is unpacked."""
    done = []
    if getattr(found, "is_animated", False):
        is_film = found.format in ("GIF", "WEBP", "PNG", "AVIF")
        done.append("the first frame of an animation" if is_film else "the first of several pictures")
    if image.is_deep(found):
        done.append("deep grey (16 bits or more) repeated in red, green and blue")
    elif ";16" in _raw_mode(found):
        done.append("16 bits a colour rounded to 8")
    if found.mode in KINDS:
        done.append(KINDS[found.mode])
    return done


def _raw_mode(found: Image.Image) -> str:
    """Return how a file stores its pixels, in Pillow's words; nothing where its reader does not say."""
    tiles = getattr(found, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _unpack(found: Image.Image, largest: int, name: str) -> None:
    """Unpack a picture, a JPEG at the smallest fraction that is large enough."""
    width, height = found.size
    # a progressive JPEG is held in memory whole before anything can be shrunk
    if found.format in ("JPEG", "MPO") and not found.info.get("progressive"):
        factor = min(1.0, largest / max(width, height))
        found.draft(None, (max(1, int(width * factor)), max(1, int(height * factor))))
    if found.width * found.height > MOST_PIXELS:
        raise MediaError(
            f"{name} has {width} x {height} pixels, which is too large; {MOST_PIXELS} can be unpacked. "
            "Make it smaller, cut out the face, or save it as a plain (not progressive) JPEG."
        )
    found.load()


def _shrunk(found: Image.Image, largest: int, done: list[str]) -> tuple[Image.Image, Image.Image | None]:
    """Return RGB of a bearable size and, where there is transparency, its alpha."""
    profile = found.info.get("icc_profile")
    if found.has_transparency_data:
        whole = _fitted(found.convert("RGBA"), largest)
        return _in_srgb(whole.convert("RGB"), profile, done), whole.getchannel("A")
    if found.mode in ("1", "P", "PA", "La", "HSV"):
        found = found.convert("RGB" if found.mode in ("P", "PA", "HSV") else "L")
    return _in_srgb(_fitted(found, largest), profile, done), None


def _shrunk_grey(found: Image.Image, largest: int) -> tuple[Image.Image, None]:
    """Return deep grey of a bearable size, as floating-point numbers from 0 to 1."""
    return _fitted(Image.fromarray(image.deep_grey(found).numpy()), largest), None


def _fitted(found: Image.Image, largest: int) -> Image.Image:
    """Return a picture whose longer side has at most `largest` pixels."""
    longest = max(found.size)
    if longest <= largest:
        return found
    width, height = (max(1, round(side * largest / longest)) for side in found.size)
    # the gap lets Pillow average whole blocks first, which is faster and takes less memory
    return found.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _in_srgb(found: Image.Image, profile: bytes | None, done: list[str]) -> Image.Image:
    """Return RGB, with the colours that the file's profile says, if it has one that can be used."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            title = ImageCms.getProfileDescription(source).strip()
            if "sRGB" in title:
                return found.convert("RGB")
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(
                found,
                source,
                ImageCms.ImageCmsProfile(target),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, ImportError, OSError, ValueError, TypeError):
            done.append("its colour profile ignored, which cannot be used")
        else:
            if converted is not None:
                done.append(f"colours taken from its profile ({title or 'unnamed'}) to sRGB")
                return converted
    return found.convert("RGB")


def _picture(found: Image.Image) -> Float[Tensor, "3 h w"]:
    if found.mode == "F":
        grey = _share(found)
        return (grey * 2 - 1).repeat(3, 1, 1)
    return image.from_bytes(torch.from_numpy(np.array(found)))


def _share(found: Image.Image) -> Float[Tensor, "1 h w"]:
    """Return a picture of one channel from 0 to 1."""
    values = torch.from_numpy(np.array(found, dtype=np.float32))[None]
    return values.clamp(0, 1) if found.mode == "F" else values / 255
