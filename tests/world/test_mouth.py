"""Inside the mouth: dark at the back, red where it is deep, and no brighter than its light."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from phiz.world import lights
from phiz.world.body import mouth
from phiz.world.body.mouth import MouthPoints
from phiz.world.drawn.shading import Lamp, Light

COUNT = 64
ONES, NOTHING = torch.ones(COUNT, 1), torch.zeros(COUNT, 1)
KINDS = ((ONES, NOTHING), (NOTHING, ONES), (NOTHING, NOTHING))
"""Teeth, tongue, gums."""


def points(seed: int = 0) -> MouthPoints:
    random = torch.Generator().manual_seed(seed)
    rest = 0.03 * torch.rand(COUNT, 3, generator=random)
    towards = torch.tensor([0.0, 0.0, 1.0]).expand(COUNT, 3)
    return MouthPoints(
        place=rest,
        normal=towards,
        rest=rest,
        view=towards,
        behind=torch.full((COUNT,), 0.01),
        open=torch.full((COUNT,), 0.6),
    )


def light(strength: float = 1.0, lamps: int = 1) -> Light:
    lamp = Lamp(
        direction=torch.tensor([0.0, 0.6, 0.8]),
        colour=torch.full((3,), strength),
        softness=0.2,
        visible=torch.ones(COUNT),
    )
    white = torch.full((3,), 0.5 * strength)
    return Light(ambient=lights.hemisphere(white, white), open=torch.ones(COUNT), lamps=(lamp,) * lamps)


def shaded(
    at: MouthPoints, *, tooth: Float[Tensor, "n 1"] = NOTHING, tongue: Float[Tensor, "n 1"] = NOTHING,
    by: Light | None = None, whiteness: float = 0.5,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    return mouth.shade(at, light() if by is None else by, tooth, tongue, whiteness)


def test_without_light_a_mouth_is_black() -> None:
    out, albedo = shaded(points(), by=light(0.0))
    assert out.abs().max() == 0
    assert albedo.min() > 0


def test_twice_the_light_is_twice_as_bright() -> None:
    one, _ = shaded(points(), tongue=ONES, by=light(1.0))
    two, _ = shaded(points(), tongue=ONES, by=light(2.0))
    torch.testing.assert_close(two, 2 * one, rtol=1e-4, atol=1e-6)


def test_it_gets_darker_and_redder_towards_the_throat() -> None:
    front, back = points(), replace(points(), behind=torch.full((COUNT,), 0.05))
    for tooth, tongue in KINDS:
        near, albedo = shaded(front, tooth=tooth, tongue=tongue)
        far, same = shaded(back, tooth=tooth, tongue=tongue)
        assert torch.equal(albedo, same)
        assert bool((far < near).all())
        assert bool((far[:, 0] / far[:, 2] > near[:, 0] / near[:, 2]).all())


def test_what_lies_before_the_lips_is_lit_like_the_lips() -> None:
    at, before = (replace(points(), behind=torch.full((COUNT,), d)) for d in (0.0, -0.01))
    torch.testing.assert_close(shaded(before)[0], shaded(at)[0])


def test_narrow_places_get_less_light() -> None:
    wide, narrow = (replace(points(), open=torch.full((COUNT,), o)) for o in (1.0, 0.1))
    assert bool((shaded(narrow)[0] < shaded(wide)[0]).all())


def test_teeth_are_paler_than_tongue_and_gums() -> None:
    _, teeth = shaded(points(), tooth=ONES)
    _, tongue = shaded(points(), tongue=ONES)
    _, gums = shaded(points())
    saturation = [(a[:, 0] - a[:, 2]).mean() / a.mean() for a in (teeth, tongue, gums)]
    assert saturation[0] < 0.5 * min(saturation[1:])
    assert teeth.mean() > 2 * max(tongue.mean(), gums.mean())


def test_whiteness_whitens_teeth_and_nothing_else() -> None:
    dull, white = (shaded(points(), tooth=ONES, whiteness=w)[1] for w in (0.0, 1.0))
    assert bool((white > dull).all())
    assert (white[:, 2] / white[:, 0]).mean() > (dull[:, 2] / dull[:, 0]).mean()
    assert torch.equal(shaded(points(), whiteness=0.0)[1], shaded(points(), whiteness=1.0)[1])


def test_matt_parts_send_back_no_more_than_arrives() -> None:
    for tooth, tongue in KINDS:
        out, albedo = shaded(points(), by=light(1.0, lamps=0), tooth=tooth, tongue=tongue)
        assert albedo.min() >= 0.01
        assert albedo.max() <= 0.9
        assert out.min() >= 0
        assert out.max() < 0.5  # the surroundings' irradiance


def test_detail_sticks_to_what_it_grows_on() -> None:
    moved = replace(points(), place=points().place + 0.01)
    assert torch.equal(shaded(points(), tongue=ONES)[1], shaded(moved, tongue=ONES)[1])
    assert shaded(points(), tongue=ONES)[1].std(dim=0).min() > 0.005
