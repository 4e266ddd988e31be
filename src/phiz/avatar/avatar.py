"""One person, ready to act, as one file: who they are to a generator, and which head they have.

    someone = avatar.load(Path("anna.avatar"))
    person = someone.prepare()                       # what the generator draws from any camera

The file is a safetensors file in half precision that needs nothing beside it: the generator is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz import checkpoint
from phiz.checkpoint import Saved
from phiz.errors import CheckpointError, UsageError
from phiz.face.coeffs import FaceCoeffs
from phiz.generator.config import GeneratorConfig, from_plain
from phiz.generator.generator import Generator, Prepared
from phiz.graphics.camera import Camera
from phiz.media import image

KIND = "avatar"
SUFFIX = ".avatar"
FORMAT = 1
"""Of what stands in the file; a newer one is refused with advice."""
PHOTO_QUALITY = 95


@dataclass(frozen=True, kw_only=True)
class Avatar:
    """One person, ready to act."""

    generator: Generator
    """Tuned for them, or as it was."""
    w: Float[Tensor, "1 n w"]
    """The styles of all layers."""
    background: Float[Tensor, "1 l"] | None
    """The latent code of what is behind them; None for generators that show nothing there."""
    camera: Camera
    """From where the person was seen, in the generator's frame."""
    rest: FaceCoeffs
    """The face at rest. Rotation, translation and neck are zero: `camera` has them."""
    head: str
    """Which head model: what `phiz.face.models.open_model` opens."""
    generator_from_head: Float[Tensor, "4 4"]
    """From the head's frame, in metres, to the generator's."""
    planes: Float[Tensor, "1 3 c h3 w3"] | None = None
    """What tuning adds to the planes that the style paints."""
    photo: Float[Tensor, "3 h2 w2"] | None = None
    """The whole photo, to paste the moving face back into."""
    photo_from_crop: Float[Tensor, "2 3"] | None = None
    """From pixels of the generator's picture to those of the photo."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Where the person came from, and what was measured."""

    def prepare(self) -> Prepared:
        """Return the person as the generator draws them, whatever the camera."""
        return self.with_styles(self.w)

    def with_styles(self, w: Float[Tensor, "b n w"]) -> Prepared:
        """Return the person in other styles: with an open mouth, for example."""
        prepared = self.generator.prepare(w, self.background)
        painted = prepared.field.planes
        if self.planes is None or painted is None:
            return prepared
        return prepared._replace(field=prepared.field._replace(planes=painted + self.planes))

    def save(self, path: Path) -> None:
        """Write the person to one file."""
        if path.suffix != SUFFIX:
            raise UsageError(f"avatars are written as {SUFFIX}; {path} has another ending. Rename it.")
        config = {
            "version": FORMAT,
            "generator": asdict(self.generator.config),
            "head": self.head,
            "about": dict(self.about),
        }
        checkpoint.save(path, kind=KIND, config=config, tensors=_flat(self))


def load(path: Path) -> Avatar:
    """Return a person from their file, ready to be drawn."""
    saved = checkpoint.load(path, kind=KIND)
    version = saved.config.get("version")
    if not isinstance(version, int) or version > FORMAT:
        raise CheckpointError(
            f"{path} is an avatar of version {version}; this phiz reads up to {FORMAT}. Install a newer phiz."
        )
    try:
        return _unpacked(saved)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} is an avatar, but its parts do not fit together ({error}). Make it anew: phiz avatar"
        ) from error


def is_avatar(path: Path) -> bool:
    """Return whether a file is an avatar, by its ending."""
    return path.suffix == SUFFIX


_ALONE = ("w", "background", "generator_from_head", "photo_from_crop")
_EXACT = ("w", "background", "generator_from_head", "photo_from_crop", "camera", "rest")
"""Small numbers that keep all their digits."""


def _flat(person: Avatar) -> dict[str, Tensor]:
    """Return all numbers of a person under one name each."""
    flat = {f"generator.{name}": value for name, value in person.generator.state_dict().items()}
    flat |= {f"camera.{f.name}": getattr(person.camera, f.name) for f in fields(person.camera)}
    flat |= {f"rest.{f.name}": getattr(person.rest, f.name) for f in fields(person.rest)}
    flat |= {name: getattr(person, name) for name in _ALONE if getattr(person, name) is not None}
    if person.planes is not None:
        flat["planes"] = person.planes
    flat = {name: _narrowed(name, value) for name, value in flat.items()}
    if person.photo is not None:
        data = image.encode(person.photo, ".jpg", quality=PHOTO_QUALITY)
        flat["photo"] = torch.from_numpy(np.frombuffer(data, np.uint8).copy())
    return flat


def _narrowed(name: str, value: Tensor) -> Tensor:
    is_exact = name.partition(".")[0] in _EXACT or not value.is_floating_point()
    return value if is_exact else value.half()


def _unpacked(saved: Saved) -> Avatar:
    groups: dict[str, dict[str, Tensor]] = {"generator": {}, "camera": {}, "rest": {}}
    alone: dict[str, Tensor] = {}
    for name, value in saved.tensors.items():
        group, _, rest = name.partition(".")
        if rest:
            groups[group][rest] = value
        else:
            alone[name] = value
    generator = Generator(from_plain(GeneratorConfig, saved.config["generator"]))
    own = generator.state_dict()
    generator.load_state_dict({n: v.to(own[n].dtype) for n, v in groups["generator"].items()})
    planes, photo = alone.get("planes"), alone.get("photo")
    return Avatar(
        generator=generator.eval().requires_grad_(False),
        w=alone["w"],
        background=alone.get("background"),
        camera=Camera(**groups["camera"]),
        rest=FaceCoeffs(**groups["rest"]),
        head=str(saved.config["head"]),
        generator_from_head=alone["generator_from_head"],
        planes=None if planes is None else planes.float(),
        photo=None if photo is None else image.decode(photo.numpy().tobytes(), name="the avatar's photo"),
        photo_from_crop=alone.get("photo_from_crop"),
        about=dict(saved.config["about"]),
    )
