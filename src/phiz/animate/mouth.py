"""What shows between open lips: the head's own teeth, gums and tongue, drawn into the picture.

No still picture of a shut mouth knows them. The head model does: where they are and which way they face. Its
inner parts are drawn as triangles, lit by the person's light, darker the further behind the lips they lie
and the nearer to the lips' edge one looks, and laid over the picture where one looks into the mouth, as soft
as the picture is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from phiz.avatar.rig import Rig, blurred
from phiz.face.morphable import REGIONS, Part, vertex_normals
from phiz.graphics import camera as cameras
from phiz.graphics import raster, shade
from phiz.graphics.camera import Camera

ENAMEL = (0.83, 0.78, 0.71)
GUMS = (0.52, 0.29, 0.28)
TONGUE = (0.56, 0.31, 0.30)
DEEP = (0.16, 0.06, 0.055)
"""Own colours of the inside, sRGB in [0, 1]; the last is what every colour becomes deep in the throat."""
FADE, TOOTH_FADE = 0.028, 0.022
"""Light falls to 1/e this far behind the lips, in metres; pale and smooth teeth keep more of it."""
FINER = 2
"""Pixels drawn for one of the picture, across."""
ROUND = 0.12
"""Share of the lips' box that is added around it."""
SOFT = 0.0034
"""Blur of what is drawn, in widths of the picture: one deviation."""
SHADOW = 0.06
"""Lips throw a shadow inwards so far, in widths of their box: one deviation."""
EDGE_LIGHT, OPEN_LIGHT = (0.46, 0.32, 0.28), 1.3
"""What is left of red, green and blue light where nothing around is open, and where all is (more than 1
counts as 1): lips throw red shadows."""
LEAST_LIGHT, MOST_LIGHT = 0.65, 1.0
"""Light that a fit found on skin is not trusted beyond these inside the mouth."""


@dataclass(frozen=True, kw_only=True)
class Mouth:
    """The inside of a person's mouth, ready to be drawn."""

    rig: Rig
    own: Float[Tensor, "v 3"]
    """Colours of the vertices without light."""
    lips: Bool[Tensor, " v"]
    fade: Float[Tensor, " v"]
    """Metres behind the lips after which light has fallen to 1/e."""
    inner: Int[Tensor, " n"]
    """Vertices of the inside, and those around them."""
    around: Int[Tensor, "f 3"]
    """Triangles that they have normals from, by their places among `inner`."""

    @staticmethod
    def of(rig: Rig) -> Mouth:
        """Return the mouth of a person's head."""
        head = rig.head
        own = rig.still.new_tensor(GUMS).repeat(len(rig.still), 1)
        fade = torch.full_like(own[:, 0], FADE)
        for part, colour in ((Part.UPPER_TEETH, ENAMEL), (Part.LOWER_TEETH, ENAMEL), (Part.TONGUE, TONGUE)):
            numbers = torch.unique(head.triangles[head.parts == part])
            own[numbers] = own.new_tensor(colour)
            fade[numbers] = TOOTH_FADE if part is not Part.TONGUE else FADE
        touching = torch.isin(head.triangles, torch.unique(head.triangles[rig.is_inside])).any(1)
        inner, around = torch.unique(head.triangles[touching], return_inverse=True)
        regions = [REGIONS.index("upper_lip"), REGIONS.index("lower_lip")]
        return Mouth(
            rig=rig,
            own=own,
            lips=head.regions[:, regions].amax(1) > 0.5,
            fade=fade,
            inner=inner,
            around=around,
        )

    def painted(
        self,
        image: Float[Tensor, "b 3 h w"],
        camera: Camera,
        moved: Float[Tensor, "b v 3"],
    ) -> Float[Tensor, "b 3 h w"]:
        """Return pictures with what shows between the lips of the surfaces `moved`; they are changed."""
        size = image.shape[-1]
        colours = self.colours(moved)
        for k in range(len(image)):
            seen = camera[k : k + 1] if camera.batch > 1 else camera
            box = self._box(seen, moved[k], size)
            if box is None:
                continue
            left, top, right, bottom = box
            drawn = self._drawn(seen, moved[k], colours[k], box, size)
            if drawn is not None:
                below = image[k, :, top:bottom, left:right]
                below += drawn[1] * (drawn[0] - below)
        return image

    def colours(self, moved: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v 3"]:
        """Return lit colours of the vertices inside, in [-1, 1], darker behind the lips; of others, zero."""
        own = moved[:, self.inner]
        normals = vertex_normals(own, self.around)
        head_from_generator = self.rig.generator_from_head[:3, :3] / self.rig.unit  # rows: right, up, front
        normals = functional.normalize(normals @ head_from_generator, dim=-1)
        light = shade.irradiance(normals, self.rig.rest.light[0]).clamp(LEAST_LIGHT, MOST_LIGHT)
        ahead = head_from_generator[:, 2] / self.rig.unit
        lips = torch.quantile(moved[:, self.lips] @ ahead, 0.5, dim=1, keepdim=True)
        behind = (lips - own @ ahead).clamp(min=0) / self.fade[self.inner]
        reached = torch.exp(-behind.square())[..., None]
        shown = torch.lerp(moved.new_tensor(DEEP), self.own[self.inner] * light, reached)
        return torch.zeros_like(moved).index_copy(1, self.inner, shown.clamp(0, 1) * 2 - 1)

    def _box(
        self, camera: Camera, moved: Float[Tensor, "v 3"], size: int
    ) -> tuple[int, int, int, int] | None:
        """Return the box of pixels around the lips, None where it lies outside the picture."""
        places = cameras.to_screen(camera, moved[None, self.lips], size, size)[0, :, :2]
        low, high = places.amin(0), places.amax(0)
        margin = ROUND * (high - low) + 2
        left, top = (low - margin).floor().clamp(min=0).long().tolist()
        right, bottom = (high + margin).ceil().clamp(max=size).long().tolist()
        return (left, top, right, bottom) if right - left > 2 and bottom - top > 2 else None

    def _drawn(
        self,
        camera: Camera,
        moved: Float[Tensor, "v 3"],
        colours: Float[Tensor, "v 3"],
        box: tuple[int, int, int, int],
        size: int,
    ) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]] | None:
        """Return the inside of the mouth in a box, and how much of each pixel shows it; None: nowhere."""
        left, top, right, bottom = box
        height, width = (bottom - top) * FINER, (right - left) * FINER
        screen = cameras.to_screen(camera, moved[None], size * FINER, size * FINER)[0]
        screen = screen - screen.new_tensor([left * FINER, top * FINER, 0])
        triangles = self.rig.head.triangles
        hits = raster.rasterise(screen, triangles, height, width, cull=True)
        inside = hits.covered & self.rig.is_inside[hits.triangle.clamp(min=0).long()]
        if not bool(inside.any()):
            return None
        hits = replace(hits, triangle=torch.where(inside, hits.triangle, -1))
        shown = raster.interpolate(colours, triangles, hits).permute(2, 0, 1)
        share = inside.to(shown.dtype)[None]
        mixed = functional.avg_pool2d(torch.cat([(shown + 1) * share, share])[None], FINER)
        open_around = blurred(mixed[:, 3:], SHADOW * (right - left))
        edge = open_around.new_tensor(EDGE_LIGHT)[:, None, None]
        mixed[:, :3] *= (edge + (OPEN_LIGHT - edge) * open_around).clamp(max=1)
        soft = blurred(mixed, SOFT * size)[0]
        return soft[:3] / soft[3:].clamp(min=1e-3) - 1, soft[3:]
