"""What one photo says of a person's other sides, as views to tune by.

The fitted head says where the face's surface lies: from another side, each of its pixels has a place in the
photo, and so a colour. What the photo shows too obliquely, or not at all, nobody knows; the other half of the
face is asked then, and counts less. Of hair and shoulders a plain surface (`phiz.avatar.proxy`) stands in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.avatar import framing
from phiz.avatar import proxy as proxies
from phiz.avatar.encoder_network import angles_of
from phiz.avatar.framing import Framed
from phiz.avatar.matte import Parsed
from phiz.avatar.proxy import Proxy
from phiz.avatar.targets import Targets, joined, shrunk
from phiz.face import warp
from phiz.face.morphable import MorphableModel, Part, region, vertex_normals
from phiz.generator.config import GeneratorConfig
from phiz.graphics import camera as cameras
from phiz.graphics import frames, raster
from phiz.graphics.camera import Camera
from phiz.world.portrait import view_camera

SIDES_DEG = ((-40, 0), (-26, 0), (-13, 0), (13, 0), (26, 0), (40, 0), (0, -14), (0, 14), (-20, 10), (20, 10))
"""Yaw and pitch, away from the photo's, of the sides that are tuned for."""
MOST_YAW, MOST_PITCH = math.radians(48), math.radians(24)
"""The generator has never seen anybody from farther round."""
OBLIQUE, PLAIN = 0.25, 0.55
"""Cosines between a surface and the photo's rays: below the first its colours count nothing, above the second
all."""
BEHIND = 0.004
"""Metres: a point that lies so much behind what the photo shows is hidden in it."""
CREPT = 0.3
"""How much of what is likely is mixed into colours that the photo shows, but obliquely."""
MIRRORED = 0.35
"""How much the other half of a face counts where the photo shows nothing."""
BLUR = 12
"""Pixels over which what is behind the person is blurred."""
SEAM = 3
"""Pixels by which what hangs beside the head laps over it."""
FINE = 2
"""The photo is looked up in a crop so many times as fine."""
FACE_PARTS = (
    Part.SKIN,
    Part.NOSE,
    Part.UPPER_LIP,
    Part.LOWER_LIP,
    Part.LEFT_EAR,
    Part.RIGHT_EAR,
    Part.LEFT_EYE,
    Part.RIGHT_EYE,
    Part.EYE_RIM,
)


@dataclass(frozen=True, kw_only=True)
class SideConfig:
    """How much each thing that is known counts."""

    person: float = 1.0
    """Pixels of the photo's person."""
    feature: float = 3.0
    """Brows, eyes and mouth."""
    background: float = 0.15
    """What is behind the person; it is shown blurred, as no network is fine enough for it."""
    unseen: float = 0.05
    """What had to be made up beyond the photo's edges."""
    side: float = 0.5
    """Colours of the face from other sides."""
    guessed: float = 0.3
    """Where hair and shoulders lie, and their colours from other sides."""
    crept: float = 0.15
    """Colours that the photo shows nowhere."""
    behind: float = 0.1
    """The background from other sides."""
    photo_chance: float = 1.5
    """How often the photo is looked at for once a side."""


SIDES = SideConfig()


@dataclass(frozen=True, kw_only=True)
class Surface:
    """What stands in for the person, as a camera sees it."""

    depth: Float[Tensor, "1 1 s s"]
    """Generator units; infinite where there is nothing."""
    is_face: Float[Tensor, "1 1 s s"]
    points: Float[Tensor, "n 3"]
    """Of all pixels, in metres of the head's frame."""
    normals: Float[Tensor, "n 3"]
    colours: Float[Tensor, "1 3 s s"]
    """What is likely where the photo does not reach."""


class Sitter:
    """A framed photo with all that is asked of it again and again; a class because looking takes long."""

    def __init__(
        self,
        found: Framed,
        head: MorphableModel,
        known: Parsed,
        config: GeneratorConfig,
    ) -> None:
        """Look at a photo: what is where, how the head lies in it, and what is likely behind it."""
        self.found, self.head, self.config = found, head, config
        self.size = config.resolution
        self.parsed = known
        finer = warp.join(found.photo_from_crop.double(), warp.scaling(1 / FINE, 1 / FINE))
        self.fine = framing.cut(found.photo, finer, FINE * self.size)[0][None]
        self.units = float(frames.scale_of(found.generator_from_head))
        self.camera = self.in_head(found.camera)
        self.seen = found.seen[None]
        self.inner = -functional.max_pool2d(-self.parsed.matte, 5, stride=1, padding=2)
        behind = (1 - functional.max_pool2d(self.parsed.matte, 9, stride=1, padding=4)) * self.seen
        self.outer = functional.max_pool2d(self.parsed.matte, 3, stride=1, padding=1)
        self.backdrop = blurred(proxies.filled(found.crop[None], (behind > 0.99).float()))
        self._raise()

    def in_head(self, camera: Camera) -> Camera:
        """Return a generator's camera in the head's frame."""
        return cameras.move(camera, frames.invert(self.found.generator_from_head))

    def _raise(self) -> None:
        """Make what stands in for the person."""
        head, size = self.head, self.size
        bare = head.vertices(self.found.rest)
        normals = head.normals(bare)[0]
        vertices, self.hair = proxies.raised(
            head, bare[0] * head.metres_per_unit, normals, self.camera, self.parsed.matte, self.seen
        )
        normals = head.normals(vertices[None])[0]
        person = (self.parsed.matte > 0.5).float()
        kept = proxies.cut_off(vertices, head.triangles, self.camera, person, self.seen)
        kept &= ~torch.stack([head.parts == part for part in proxies.LEFT_OUT]).any(0)
        in_face = torch.stack([head.parts == part for part in FACE_PARTS]).any(0)
        screen = cameras.to_screen(self.camera, vertices[None], size, size)[0]
        depth = raster.rasterise_depth(screen, head.triangles[kept], size, size)[None, None]
        # Where the head itself shows, a curtain would lie on it; a seam is left, so that nothing gapes.
        beside = functional.max_pool2d(1 - depth.isfinite().float(), 2 * SEAM + 1, stride=1, padding=SEAM)
        hung, sheet = proxies.curtain(depth, person * beside, self.camera)
        surface = torch.cat([vertices, hung])
        hung_normals = vertex_normals(hung[None], sheet)[0]
        self.depth = self._filled_depth(depth)
        known = Proxy(
            vertices=surface,
            normals=torch.cat([normals, hung_normals]),
            triangles=torch.cat([head.triangles[kept].int(), sheet + len(vertices)]),
            is_face=torch.cat([in_face[kept], torch.zeros(len(sheet), dtype=torch.bool)]),
            colours=torch.zeros_like(surface),
        )
        colour, sure = self.looked_up(known.vertices, known.normals, self.inner)
        at = cameras.project(self.camera, hung[None])[None, ..., :2]
        hangs = functional.grid_sample(self.parsed.is_hair, at, align_corners=False)[0, 0, 0]
        is_hair = torch.cat([region(head, "scalp"), hangs])
        crept = proxies.crept(colour[0, :, 0].T, sure[0, 0, 0], surface, is_hair)
        self.proxy = replace(known, colours=crept)

    def _filled_depth(self, depth: Float[Tensor, "1 1 s s"]) -> Float[Tensor, "1 1 s s"]:
        """Return how far away what the photo shows is, in metres, as if the person had no end."""
        known = depth.isfinite().float()
        return proxies.filled(torch.where(known > 0, depth, torch.zeros_like(depth)), known)

    def surface(self, camera: Camera) -> Surface:
        """Return what stands in for the person from one of the generator's cameras."""
        hits, seen, is_face = proxies.draw(self.proxy, self.in_head(camera), self.size)
        return Surface(
            depth=hits.depth[None, None] * self.units,
            is_face=is_face[None, None].float(),
            points=seen[..., :3].reshape(-1, 3),
            normals=functional.normalize(seen[..., 3:6], dim=-1).reshape(-1, 3),
            colours=seen[..., 6:].permute(2, 0, 1)[None],
        )

    def looked_up(
        self,
        points: Float[Tensor, "n 3"],
        normals: Float[Tensor, "n 3"],
        counts: Float[Tensor, "1 1 s s"],
    ) -> tuple[Float[Tensor, "1 3 1 n"], Float[Tensor, "1 1 1 n"]]:
        """Return the photo's colours at points of a surface, and how sure they are.

        `counts` is where the photo shows what is looked for.
        """
        uvd = cameras.project(self.camera, points[None])[0]
        grid = uvd[None, None, :, :2]
        colour = functional.grid_sample(self.fine, grid, mode="bilinear", align_corners=False)
        known = torch.cat([counts, self.seen, self.depth], dim=1)
        at = functional.grid_sample(known, grid, mode="bilinear", align_corners=False)[0, :, 0]
        towards = functional.normalize(self.camera.position - points, dim=-1)
        facing = ((normals * towards).sum(-1) - OBLIQUE) / (PLAIN - OBLIQUE)
        is_shown = (uvd[:, 2] < at[2] + BEHIND).float()
        return colour, (at[0] * at[1] * is_shown * _smooth(facing))[None, None, None]


def photo_view(sitter: Sitter, config: SideConfig = SIDES) -> Targets:
    """Return the photo itself as a view: its colours, the fitted head's depth, the person's outline."""
    found, known = sitter.found, sitter.parsed
    made_up = config.unseen + (1 - config.unseen) * sitter.seen
    weight = config.background + (config.person - config.background) * known.matte
    weight = torch.lerp(weight, torch.full_like(weight, config.feature), known.is_feature)
    seen = sitter.surface(found.camera)
    is_face = seen.is_face * (known.is_face > 0.5)
    is_there = seen.depth.isfinite() * (known.matte > 0.9)
    volume = sitter.config.volume_resolution
    sure = torch.where(shrunk(is_face, volume) > 0.99, 1.0, config.guessed)
    return Targets(
        camera=found.camera,
        pictures=torch.lerp(sitter.backdrop, found.crop[None], sitter.outer),
        weight=weight * made_up,
        depth=shrunk(_finite(seen.depth), volume),
        depth_weight=(shrunk(is_there.float(), volume) > 0.99) * sure,
        opacity=shrunk(known.matte, volume),
        opacity_weight=shrunk(made_up, volume),
        chance=torch.tensor([config.photo_chance]),
    )


@torch.no_grad()
def side_view(sitter: Sitter, camera: Camera, config: SideConfig = SIDES) -> Targets:
    """Return what is known about another side, or likely."""
    volume, square = sitter.config.volume_resolution, (1, -1, sitter.size, sitter.size)
    seen = sitter.surface(camera)
    colour, sure = (x.reshape(square) for x in sitter.looked_up(seen.points, seen.normals, sitter.inner))
    mirror = torch.tensor([-1.0, 1.0, 1.0])
    other, spare = sitter.looked_up(seen.points * mirror, seen.normals * mirror, sitter.parsed.is_face)
    other, spare = other.reshape(square), MIRRORED * spare.reshape(square) * (1 - sure) * seen.is_face
    is_there = seen.depth.isfinite().float()
    rest = (1 - sure - spare).clamp(min=0) * CREPT
    total = (sure + spare + rest).clamp(min=1e-4)
    picture = (colour * sure + other * spare + seen.colours * rest) / total
    picture = torch.where(is_there > 0, picture, sitter.backdrop)
    weight = torch.where(seen.is_face > 0, config.side, config.guessed) * (sure + spare)
    weight = weight + config.crept * (1 - sure - spare).clamp(min=0)
    weight = torch.where(is_there > 0, weight, config.behind)
    is_face = shrunk(seen.is_face, volume) > 0.99
    certain = torch.where(is_face, 1.0, config.guessed)
    covered = shrunk(is_there, volume)
    return Targets(
        camera=camera,
        pictures=picture.clamp(-1, 1),
        weight=weight,
        depth=shrunk(_finite(seen.depth), volume),
        depth_weight=(covered > 0.99) * certain,
        opacity=covered,
        opacity_weight=torch.where(covered > 0, certain, 1.0),
        chance=torch.tensor([1.0]),
    )


def views(sitter: Sitter, config: SideConfig = SIDES) -> Targets:
    """Return the photo and all other sides as views to tune by."""
    found = [photo_view(sitter, config)]
    yaw, pitch = angles_of(sitter.found.camera)[0].tolist()
    for more_yaw, more_pitch in SIDES_DEG:
        turned = yaw + math.radians(more_yaw), pitch + math.radians(more_pitch)
        if abs(turned[0]) <= MOST_YAW and abs(turned[1]) <= MOST_PITCH:
            camera = view_camera(torch.tensor(turned[:1]), torch.tensor(turned[1:]))
            found.append(side_view(sitter, camera, config))
    others = len(found) - 1
    found[0] = replace(found[0], chance=found[0].chance * max(others, 1))
    return joined(found)


def blurred(picture: Float[Tensor, "1 3 s s"]) -> Float[Tensor, "1 3 s s"]:
    """Return a picture out of focus."""
    size = picture.shape[-1]
    small = functional.interpolate(picture, size=(size // BLUR,) * 2, mode="bilinear", antialias=True)
    return functional.interpolate(small, size=(size,) * 2, mode="bicubic")


def _finite(depth: Float[Tensor, "1 1 s s"]) -> Float[Tensor, "1 1 s s"]:
    return torch.where(depth.isfinite(), depth, torch.zeros_like(depth))


def _smooth(x: Tensor) -> Tensor:
    """Return 0 below 0, 1 above 1, and a soft step between."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)
