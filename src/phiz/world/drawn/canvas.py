"""Shade what a picture shows, material by material, and add it up in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phiz.face.morphable import REGIONS, Part
from phiz.graphics.raster import Hits
from phiz.world.body import creases, eyes, mouth, skin
from phiz.world.body.eyes import EyePoints, Socket
from phiz.world.body.mouth import MouthPoints
from phiz.world.drawn import loops, sample_loops, samples, shading, shadow
from phiz.world.drawn.samples import Points, Sorted
from phiz.world.drawn.shading import Lamp, Light
from phiz.world.figure import Figure, Outfit
from phiz.world.people import Person
from phiz.world.scene import Scene
from phiz.world.surface import Label

SHADOW_SIZE, SKY_SIZE = 384, 192
SKY = (0.0, 0.80, 0.60)
"""Where most of the surroundings' light comes from: above and in front."""
SKY_SOFTNESS = 0.9
UPPER_LIP_POINT, LOWER_LIP_POINT, INNER_UPPER, INNER_LOWER = 51, 57, 62, 66
WIDE_OPEN = 0.03
"""Metres between the lips at which the mouth counts as fully open."""
LEFT_LIDS, RIGHT_LIDS = slice(42, 48), slice(36, 42)
BROW_SEEN, SCALP_SEEN = 0.30, 0.55
"""Cover above which skin between hairs takes the hair's label, as people draw it by hand."""


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """A picture's pixels, in a row."""

    light: Float[Tensor, "p 3"]
    """Linear, already weighted with the share that the person covers."""
    albedo: Float[Tensor, "p 3"]
    normals: Float[Tensor, "p 3"]
    alpha: Float[Tensor, " p"]
    depth: Float[Tensor, " p"]
    labels: Int[Tensor, " p"]
    """Sides are the person's."""


@dataclass(frozen=True, kw_only=True)
class Shadows:
    """What each lamp sees, and what the sky sees."""

    lamps: tuple[shadow.ShadowMap, ...]
    sky: shadow.ShadowMap


@dataclass(frozen=True, kw_only=True)
class Shaded:
    """Points with their light."""

    points: Points
    light: Float[Tensor, "n 3"]
    albedo: Float[Tensor, "n 3"]
    normals: Float[Tensor, "n 3"]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all materials need to know."""

    figure: Figure
    person: Person
    scene: Scene
    expression_names: tuple[str, ...]
    outfit: Outfit
    size: int
    footprint: float
    shadows: Shadows
    jaw: float
    """0 for a closed mouth, 1 for a wide open one."""

    def view(self, place: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        return shading.unit(self.scene.camera.position[0] - place)

    @property
    def openness(self) -> Float[Tensor, " v"]:
        """Return the ambient occlusion of the head's vertices with the mouth as it is."""
        both = self.outfit.about.occlusion
        return torch.lerp(both[:, 0], both[:, 1], self.jaw)


def shade(
    figure: Figure,
    hits: Hits,
    person: Person,
    scene: Scene,
    expression_names: tuple[str, ...],
    outfit: Outfit,
    size: int,
) -> Canvas:
    """Return everything that can be said about each pixel."""
    setting = _setting(figure, person, scene, expression_names, outfit, size)
    found = samples.sort(hits, figure.triangles, figure.material, figure.labels)
    label = found.labels
    parts = []
    on_skin = found.points[samples.SKIN]
    if len(on_skin):
        patch = _patch(setting, on_skin)
        parts.append(_shade_skin(setting, on_skin, patch))
        label = _under_hair(_outlined(label, on_skin, setting), on_skin, patch, setting)
    for group, brush in (
        (samples.EYES, _shade_eyes),
        (samples.MOUTH, _shade_mouth),
        (samples.HAIR, _shade_hair),
        (samples.THINGS, _shade_things),
    ):
        if len(found.points[group]):
            parts.append(brush(setting, found.points[group]))
    return _added_up(parts, found, label)


def _setting(
    figure: Figure,
    person: Person,
    scene: Scene,
    expression_names: tuple[str, ...],
    outfit: Outfit,
    size: int,
) -> Setting:
    solid = figure.casters
    lamps = tuple(shadow.cast(figure.vertices, solid, key.direction, SHADOW_SIZE) for key in scene.keys)
    up = figure.head_axes @ figure.vertices.new_tensor(SKY)
    sky = torch.nn.functional.normalize(0.5 * up + 0.5 * figure.vertices.new_tensor(SKY), dim=0)
    gap = float((figure.landmarks[INNER_UPPER] - figure.landmarks[INNER_LOWER]).norm())
    nearest = float((scene.camera.position[0] - figure.landmarks[30]).norm())
    return Setting(
        figure=figure,
        person=person,
        scene=scene,
        expression_names=expression_names,
        outfit=outfit,
        size=size,
        footprint=nearest * 2 / (float(scene.camera.intrinsics[0, 0, 0]) * size),
        shadows=Shadows(lamps=lamps, sky=shadow.cast(figure.vertices, solid, sky, SKY_SIZE)),
        jaw=min(gap / WIDE_OPEN, 1.0),
    )


def _light(
    setting: Setting,
    points: Points,
    place: Tensor,
    open_: Tensor,
    *,
    depth_scale: float = 0.0,
    taps: int = shadow.TAPS,
) -> Light:
    """Return the light at points: lamps with their shadows, and how much of the sky is seen."""
    turn = samples.turns(points, setting.size)
    lamps = tuple(
        Lamp(
            direction=key.direction,
            colour=key.colour,
            softness=key.softness,
            visible=shadow.openness(
                seen, place, softness=key.softness, turn=turn, depth_scale=depth_scale, taps=taps
            ),
        )
        for key, seen in zip(setting.scene.keys, setting.shadows.lamps, strict=True)
    )
    return Light(ambient=setting.scene.ambient, open=open_, lamps=lamps)


def _patch(setting: Setting, points: Points) -> skin.Patch:
    figure, facts = setting.figure, setting.outfit.about
    count = figure.head_count
    sky = shadow.openness(
        setting.shadows.sky,
        figure.vertices[:count] + 0.002 * figure.head_normals,
        softness=SKY_SOFTNESS,
        turn=torch.arange(count, device=figure.vertices.device) * 0.618034,
        depth_scale=0.03,
        taps=10,
    )
    open_ = setting.openness.clamp(0, 1) ** 0.8 * (0.45 + 0.55 * sky)
    fields = skin.field_table(
        facts.regions,
        setting.person.skin,
        setting.outfit.covers,
        open_,
        facts.lid_edge,
        facts.lip,
    )
    table = torch.cat([figure.vertices[:count], figure.head_normals, facts.rest, fields], dim=1)
    mixed = points.mix(table)
    place = mixed[:, :3]
    view = setting.view(place)
    return skin.Patch(
        place=place,
        normal=_towards(shading.unit(mixed[:, 3:6]), view),
        rest=mixed[:, 6:9],
        field=mixed[:, 9:],
        view=view,
        footprint=setting.footprint,
    )


def _towards(normal: Tensor, view: Tensor) -> Tensor:
    """Return normals bent to face the camera where interpolation has turned them away."""
    away = shading.dot(normal, view)
    return shading.unit(normal - view * (away - 0.03).clamp(max=0))


def _shade_skin(setting: Setting, points: Points, patch: skin.Patch) -> Shaded:
    size, resting = setting.size, setting.outfit.about.landmarks
    made = skin.surfaced(
        patch,
        setting.person,
        creases.creases(resting),
        _folding(setting),
        skin.moles(setting.person.skin, resting),
    )
    relief = samples.relief(points, patch.place, patch.normal, made.height, size, size * size)
    relief = _towards(relief, patch.view)
    light = _light(setting, points, patch.place + 0.0012 * patch.normal, patch["open"][:, 0])
    inside, mirrored = skin.lit(patch, made, patch.normal, relief, light)
    inside = samples.blurred(inside, points, size, [m / setting.footprint for m in skin.BLEED_METRES])
    return Shaded(points=points, light=made.albedo * inside + mirrored, albedo=made.albedo, normals=relief)


def _folding(setting: Setting) -> skin.Motionful:
    """Return how the expression folds the face; heads without named modes do not fold."""
    weight = dict(zip(setting.expression_names, setting.scene.coeffs.expression[0].tolist(), strict=False))

    def most(*names: str) -> float:
        return float(min(max(weight.get(n, 0.0) for n in names), 1.0))

    return skin.Motionful(
        brow_up=most("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
        frown=most("browDownLeft", "browDownRight"),
        smile=most("mouthSmileLeft", "mouthSmileRight"),
        squint=most("eyeSquintLeft", "eyeSquintRight", "cheekSquintLeft", "cheekSquintRight"),
    )


def _shade_eyes(setting: Setting, points: Points) -> Shaded:
    figure, facts = setting.figure, setting.outfit.about
    count = figure.head_count
    table = torch.cat([figure.vertices[:count], facts.eye_local], dim=1)
    mixed = points.mix(table)
    place, local = mixed[:, :3], shading.unit(mixed[:, 3:])
    is_left = facts.parts[points.triangle] == Part.LEFT_EYE
    light = _light(setting, points, place + 0.002 * setting.view(place), torch.ones_like(place[:, 0]))
    out, albedo = torch.zeros_like(place), torch.zeros_like(place)
    normals = torch.zeros_like(place)
    left, right = facts.eyeballs
    for own, chosen, lids in ((left, is_left, LEFT_LIDS), (right, ~is_left, RIGHT_LIDS)):
        centre, axes = eyes.socket_axes(figure.vertices[own], facts.eye_local[own])
        socket = Socket(centre=centre, axes=axes, head=figure.head_axes, lids=figure.landmarks[lids])
        ball = EyePoints(
            place=place[chosen],
            local=local[chosen],
            view=setting.view(place[chosen]),
            footprint=setting.footprint / samples.SUB,
        )
        out[chosen], albedo[chosen] = eyes.shade(ball, socket, setting.person.eyes, light[chosen])
        normals[chosen] = local[chosen] @ axes.T
    return Shaded(points=points, light=out, albedo=albedo, normals=normals)


def _shade_mouth(setting: Setting, points: Points) -> Shaded:
    figure, facts = setting.figure, setting.outfit.about
    count = figure.head_count
    rest = facts.rest
    table = torch.cat([figure.vertices[:count], figure.head_normals, rest, setting.openness[:, None]], dim=1)
    mixed = points.mix(table)
    place, view = mixed[:, :3], setting.view(mixed[:, :3])
    part = facts.parts[points.triangle]
    is_tooth = ((part == Part.UPPER_TEETH) | (part == Part.LOWER_TEETH)).float()[:, None]
    is_tongue = (part == Part.TONGUE).float()[:, None]
    is_rim = part == Part.EYE_RIM
    lips = figure.landmarks[[UPPER_LIP_POINT, LOWER_LIP_POINT]].mean(0)
    behind = (lips - place) @ figure.head_axes[:, 2] - 0.004 - 0.006 * is_tooth[:, 0]
    inside = MouthPoints(
        place=place,
        normal=_towards(shading.unit(mixed[:, 3:6]), view),
        rest=mixed[:, 6:9],
        view=view,
        behind=torch.where(is_rim, 0.0, behind),
        open=torch.where(is_rim, 0.35, mixed[:, 9] ** 0.6),
    )
    light = _light(setting, points, place + 0.0015 * view, torch.ones_like(behind), taps=6)
    white = (setting.person.skin.seed % 31) / 31 * (1 - 0.5 * setting.person.skin.age)
    out, albedo = mouth.shade(inside, light, is_tooth, is_tongue, white)
    return Shaded(points=points, light=out, albedo=albedo, normals=inside.normal)


def _shade_hair(setting: Setting, points: Points) -> Shaded:
    figure = setting.figure
    count = figure.head_count
    place, coat = points.mix(figure.vertices), points.mix(figure.coat, first=count)
    colour, along = coat[:, :3], shading.unit(coat[:, 4:])
    outward = shading.unit(place - figure.head_centre)
    outward = shading.unit(outward - along * shading.dot(outward, along) * 0.8)
    turn = samples.turns(points, setting.size)
    sky = shadow.openness(
        setting.shadows.sky, place, softness=SKY_SOFTNESS, turn=turn, depth_scale=0.014, taps=4
    )
    # A ribbon's first corner numbers the strand: neighbours must not shine in step.
    strand = (points.corners[:, 0] // 24).float() * 0.618034
    shift = (strand.frac() - 0.5) * 0.16
    light = _light(setting, points, place, 0.16 + 0.84 * sky, depth_scale=0.007, taps=4)
    view = setting.view(place)
    out = shading.strands(light, along, outward, view, colour, shift)
    return Shaded(points=points, light=out, albedo=colour, normals=outward)


def _shade_things(setting: Setting, points: Points) -> Shaded:
    figure = setting.figure
    count = figure.head_count
    place, coat = points.mix(figure.vertices), points.mix(figure.coat, first=count)
    colour, shine = coat[:, :3], coat[:, 3]
    view = setting.view(place)
    normal = shading.unit(points.mix(figure.coat_normals, first=count))
    corner = figure.vertices[points.corners]
    flat = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    # The back of a sheet is lit as a sheet that faces the other way.
    normal = _towards(torch.where(shading.dot(flat, view) < 0, -normal, normal), view)
    sky = shadow.openness(
        setting.shadows.sky,
        place + 0.004 * normal,
        softness=SKY_SOFTNESS,
        turn=samples.turns(points, setting.size),
        depth_scale=0.03,
        taps=6,
    )
    light = _light(setting, points, place + 0.002 * normal, 0.45 + 0.55 * sky, taps=8)
    rough = (0.75 - 0.6 * shine).clamp(0.12, 1)
    mirrored = shading.gloss(light, normal, view, rough, 0.04 + 0.3 * shine[:, None] ** 3)
    facing = shading.dot(normal, view).clamp(0, 1)
    fuzz = 0.10 * (1 - shine[:, None]) * (1 - facing) ** 3  # cloth glows a little along its outline
    matt = shading.matt(light, normal, wrap=0.08)
    out = (colour + fuzz * colour.sqrt()) * matt + mirrored * (0.15 + shine[:, None])
    return Shaded(points=points, light=out, albedo=colour, normals=normal)


def _outlined(label: Tensor, points: Points, setting: Setting) -> Tensor:
    """Return labels whose borders on the skin follow the soft areas, not the edges of triangles."""
    own = label[points.pixel]
    columns = [REGIONS.index(name) for name in ("nose", "upper_lip", "lower_lip", "neck")]
    area = points.mix(setting.outfit.about.regions[:, columns].contiguous())
    most, which = area.max(dim=1)
    names = own.new_tensor([Label.NOSE, Label.UPPER_LIP, Label.LOWER_LIP, Label.NECK])
    found = torch.where(most > 0.5, names[which], int(Label.SKIN))
    changes = torch.isin(own, torch.cat([names, names.new_tensor([Label.SKIN])]))
    out = label.clone()
    out[points.pixel] = torch.where(changes, found, own).to(out.dtype)
    return out


def _under_hair(label: Tensor, points: Points, patch: skin.Patch, setting: Setting) -> Tensor:
    """Return labels with the skin between the hairs of a brow or a hairstyle counted as hair."""
    own = label[points.pixel]
    plain = own == Label.SKIN
    side = patch.rest[:, 0] > 0
    brow = torch.where(side, int(Label.LEFT_BROW), int(Label.RIGHT_BROW))
    is_brow = plain & (patch["brow"][:, 0] > BROW_SEEN) & (setting.person.hair.brow_density > 0.1)
    own = torch.where(is_brow, brow, own)
    own = torch.where(plain & (patch["scalp"][:, 0] > SCALP_SEEN), int(Label.HAIR), own)
    out = label.clone()
    out[points.pixel] = own.to(out.dtype)
    return out


def _added_up(parts: list[Shaded], found: Sorted, label: Tensor) -> Canvas:
    sums = torch.zeros(len(found.alpha), 9, device=found.alpha.device)
    for part in parts:
        if loops.ready(sums):
            given = (part.points.pixel, part.points.share, part.light, part.albedo, part.normals)
            sample_loops.add(*(loops.array(t) for t in given), sums.numpy())
            continue
        values = torch.cat([part.light, part.albedo, part.normals], dim=1) * part.points.share[:, None]
        sums.index_add_(0, part.points.pixel, values)
    return Canvas(
        light=sums[:, :3],
        albedo=sums[:, 3:6] / found.alpha.clamp(min=1e-6)[:, None],
        normals=shading.unit(sums[:, 6:]),
        alpha=found.alpha,
        depth=found.depth,
        labels=label,
    )
