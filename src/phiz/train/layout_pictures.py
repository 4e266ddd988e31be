"""Learning the 478-point layout: paint people, have them marked, look where the marks belong.

``phiz train layout`` needs MediaPipe once, to make the small file that phiz keeps; nothing else does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.console import Console
from phiz.errors import DataError
from phiz.face import head as heads
from phiz.face.coeffs import neutral
from phiz.face.head import Head
from phiz.graphics import rotation
from phiz.graphics.camera import Camera
from phiz.options import option
from phiz.train.layout import Sightings, detect_points, disagreement, learn_layout, write_layout
from phiz.world import people, scene
from phiz.world.expressions import MOODS, SOUNDS, Look, weights
from phiz.world.figure import dress
from phiz.world.lights import KeyLight, all_light, hemisphere
from phiz.world.paint import paint
from phiz.world.people import Person
from phiz.world.scene import Scene

TURNS = (0.0, 24.0, -24.0)
"""Degrees of yaw; one picture of each person for each."""
JITTER = 4.0
"""Standard deviation, in degrees, of yaw and pitch about them."""
HAIR = ("buzz", "short_crop", "swept_back")
FACES: tuple[tuple[Look, float], ...] = (
    ({}, 0.0),
    (SOUNDS["ah"], 0.5),
    (MOODS["smile"], 0.4),
    (SOUNDS["ee"], 0.9),
    (MOODS["surprise"], 0.3),
    ({}, 0.0),
    (SOUNDS["s"], 1.0),
)
"""Looks with a strength; parted lips tell marks on the upper lip from those on the lower one."""


@dataclass(frozen=True, kw_only=True)
class LayoutConfig:
    """How to learn the 478-point layout."""

    output: Path = option(Path("layout478.json"), "-o", "--output")
    """Where the learned layout goes."""
    head: Path = heads.BUILT_IN
    """The head on which to find the points."""
    people: int = 66
    """How many people to paint, three pictures each."""
    held_out: int = 14
    """How many others are kept for measuring."""
    size: int = 512
    """Width and height of the pictures in pixels."""
    seed: int = 0
    """Which people."""


def train_layout(config: LayoutConfig, console: Console) -> dict[str, object]:
    """Learn where the points of MediaPipe's 478-point layout lie on our head.

    Examples:
        phiz train layout -o layout478.json
        phiz train layout --people 20 --held-out 4 -o quick.json
    """
    head = heads.read(config.head)
    count = config.people + config.held_out
    numbers = console.progress(range(count), total=count, label="painting people")
    shots = [shot for n in numbers for shot in sightings(config.seed + n, head, config.size)]
    taken = [shot for shot in shots if shot[0] < config.seed + config.people]
    kept = [shot for shot in shots if shot[0] >= config.seed + config.people]
    if not taken:
        raise DataError("no face was found in any picture. Paint more or larger ones.")
    iris = float(np.mean([angle for _, angle, _ in taken]))
    layout = learn_layout(_stack([seen for _, _, seen in taken]), head, iris)
    write_layout(layout, config.output)
    scores = disagreement(_stack([seen for _, _, seen in kept]), head, layout) if kept else {}
    for name, value in scores.items():
        console.say(f"  {name}: {value}")
    console.say(f"Wrote {config.output}, learned from {len(taken)} pictures.")
    return {"output": str(config.output), "pictures": len(taken), **scores}


def sightings(number: int, head: Head, size: int) -> Iterator[tuple[int, float, Sightings]]:
    """Yield what was marked in the pictures of one person: who it is, how large the irises are, the marks."""
    person = bare_person(number, head)
    outfit = dress(person, head)
    rng = people.generator(number, "layout")
    for view, turn in enumerate(TURNS):
        shown = plain_scene(number, person, head, turn, FACES[(number + view) % len(FACES)], rng)
        marks = detect_points(paint(person, shown, head, size=size, outfit=outfit).image)
        if marks is not None:
            face = shown.coeffs
            turned = rotation.from_euler(face.rotation)
            world = head.vertices(face) @ turned.transpose(1, 2) + face.translation[:, None]
            seen = Sightings(points=marks[None], vertices=world, camera=shown.camera, size=size)
            yield number, person.eyes.iris_radius, seen


def bare_person(number: int, head: Head) -> Person:
    """Return somebody whose face nothing hides: no glasses, hat, beard or fringe, and brows that show."""
    person = people.sample_person(number, head, HAIR)
    brows = max(0.75, person.hair.brow_density)
    return replace(
        person,
        skin=replace(person.skin, melanin=0.6 * person.skin.melanin, age=0.4 * person.skin.age, moles=0),
        hair=replace(person.hair, beard="none", brow_density=brows, lash_length=0.35),
        glasses="none",
        hat="none",
        earrings=False,
    )


def plain_scene(
    number: int,
    person: Person,
    head: Head,
    turn_deg: float,
    look: tuple[Look, float],
    rng: np.random.Generator,
) -> Scene:
    """Return a sharp, evenly lit picture of somebody turned by about this much."""
    portrait = scene.portrait_scene(number, person, head)
    yaw, pitch = np.radians(np.array([turn_deg, 0.0]) + JITTER * people.normal(rng, 2))
    turn = torch.tensor([[float(pitch), float(yaw), 0.0]])
    gaze = torch.tensor([-0.8 * float(yaw), -float(pitch)]).expand(1, 2, 2)
    place = torch.einsum("bij,bj->bi", rotation.from_euler(turn), portrait.coeffs.translation)
    ambient, lamp = _soft_light()
    face = replace(
        neutral(head.sizes),
        identity=person.identity[None],
        expression=weights(look[0], head.expression_names, look[1])[None],
        rotation=turn,
        translation=place,
        gaze=gaze,
        light=all_light(ambient, (lamp,))[None],
    )
    film = replace(portrait.develop, exposure=0.76 + 0.48 * person.skin.melanin, vignette=0.0)
    wall = replace(portrait.background, brightness=0.8)
    return replace(portrait, coeffs=face, ambient=ambient, keys=(lamp,), develop=film, background=wall)


def _soft_light() -> tuple[Float[Tensor, "9 3"], KeyLight]:
    toward = torch.nn.functional.normalize(torch.tensor([0.25, 0.35, 1.0]), dim=0)
    lamp = KeyLight(direction=toward, colour=torch.full((3,), 0.45), softness=math.radians(29))
    return hemisphere(torch.full((3,), 0.62), torch.full((3,), 0.5)), lamp


def _stack(seen: list[Sightings]) -> Sightings:
    camera = Camera(
        world_from_camera=torch.cat([each.camera.world_from_camera for each in seen]),
        intrinsics=torch.cat([each.camera.intrinsics for each in seen]),
    )
    return Sightings(
        points=torch.cat([each.points for each in seen]),
        vertices=torch.cat([each.vertices for each in seen]),
        camera=camera,
        size=seen[0].size,
    )
