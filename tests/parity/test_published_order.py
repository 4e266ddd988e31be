"""The published rig and the published blend, as we run them, against numbers of NeRFFaceSpeech's generator.

`test_nfs` holds the generator to the recordings, with functions of its own; here are those that make frames.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
import torch
from parity.stylenerf_cases import Drawn, Scene, draw, given, settled_on
from parity.stylenerf_rounding import Doubt
from parity.stylenerf_sets import Recorded, camera_from
from torch import Tensor
from torch.nn import functional

from phiz.animate import published_blend
from phiz.avatar import published_rig
from phiz.avatar.published_quirks import PUBLISHED
from phiz.avatar.published_rig import PublishedRig
from phiz.generator.generator import Depths, Edit, Features, Stage, Warp

Check = Callable[..., None]
EQUALLY_NEAR = 1e-8
"""Squared distances that differ by less are the same."""
BLENDED = {"inpaint_mask": 64, "inpaint_mask_512": 512}
"""Cases with features of a mouth, and the size at which those are blended."""


def recorded_case(moved: tuple[Recorded, str], *kinds: str) -> tuple[Recorded, str]:
    recorded, name = moved
    if not name.startswith(kinds):
        pytest.skip("another kind of case")
    return recorded, name


def tied(recorded: Recorded, name: str) -> PublishedRig:
    """Return a rig of the recorded vertices at the recorded depths; its tables are found by ours."""
    seen, rest = recorded.part(name), recorded.inputs["ref_vertices"][0]
    depths = Depths(seen["di"], seen["di_fine"])
    coarse, fine = published_rig.frontal_samples(recorded.generator(), depths)
    assert fine is not None
    return PublishedRig(
        used=torch.arange(len(rest)),
        vertices=rest,
        pinned=rest[:0],
        depths=depths,
        coarse=published_rig.nearest(coarse, rest),
        fine=published_rig.nearest(fine, rest),
        frontal=torch.zeros(3, 1, 1),
    )


def scene(recorded: Recorded, name: str, *, warp: Warp | None = None, edit: Edit | None = None) -> Scene:
    inputs = recorded.inputs
    return Scene(
        generator=recorded.generator(),
        styles=given(inputs["ws"]),
        behind=inputs["z_shape_bg"],
        camera=camera_from(
            inputs["world_mat2" if name.endswith("cam2") else "world_mat"], inputs["camera_mat"]
        ),
        warp=warp,
        edit=edit,
    )


def check_pictures(recorded: Recorded, name: str, found: Drawn, check: Check) -> None:
    """Compare pictures with the recorded ones; what rounding alone makes may deviate."""

    def pictures(one: Drawn) -> dict[str, Tensor]:
        return {"img": one.rendering.image, "img_nerf": one.rendering.small}

    def within(rounding: AbstractContextManager[Any]) -> dict[str, Tensor]:
        again = found.again(rounding)
        with torch.no_grad(), rounding:
            return pictures(again)

    doubt, seen = Doubt(within), recorded.part(name)
    for key, picture in pictures(found).items():
        told = f"{name}/{key}"
        check(recorded, told, picture, seen[key], tolerance=recorded.tolerance, doubt=doubt, key=key)


def test_tables_hold_the_recorded_neighbours(moved: tuple[Recorded, str]) -> None:
    recorded, name = recorded_case(moved, "deform")
    if name != "deform":
        pytest.skip("its tables were handed in")
    rig, seen = tied(recorded, name), recorded.part(name)
    samples = published_rig.frontal_samples(recorded.generator(), rig.depths)
    for found, points, key in zip(
        (rig.coarse, rig.fine), samples, ("nearest_indices", "nearest_indices_f"), strict=True
    ):
        assert found is not None
        assert points is not None
        ours, theirs = ((points - rig.vertices[k]).square().sum(-1) for k in (found, seen[key][0]))
        assert float((ours - theirs).abs().max()) < EQUALLY_NEAR
        assert float((found != seen[key][0]).float().mean()) < 0.01


def test_samples_and_pictures_match(moved: tuple[Recorded, str], check: Check) -> None:
    recorded, name = recorded_case(moved, "deform")
    seen, rig = recorded.part(name), tied(recorded, name)
    told = seen if name == "deform" else recorded.inputs
    rig = replace(rig, coarse=told["nearest_indices"][0], fine=told["nearest_indices_f"][0])
    warp, asked = published_rig.warp(rig, recorded.inputs["pred_vertices"][0]), {}

    def kept(points: Tensor, stage: Stage) -> Tensor:
        found = warp(points.float(), stage) - points.float()  # the rig stays in single precision
        asked.setdefault(stage, points + found)
        return points + found

    with torch.no_grad():
        found = draw(scene(recorded, name, warp=kept), depths=rig.depths)
    check(recorded, f"{name}/p_i", asked[Stage.COARSE], seen["p_i"], tolerance=1e-6)
    check(recorded, f"{name}/p_f", asked[Stage.FINE], seen["p_f"], tolerance=1e-6)
    check_pictures(recorded, name, found, check)


@pytest.mark.parametrize("enlarges_all", [False, True], ids=["picked", "enlarged"])
def test_mouths_are_blended_as_recorded(
    moved: tuple[Recorded, str], check: Check, enlarges_all: bool
) -> None:
    recorded, name = recorded_case(moved, "inpaint_mask")
    if name not in BLENDED:
        pytest.skip(f"this runner knows no case called {name}")
    inputs, size = recorded.inputs, (BLENDED[name], BLENDED[name])
    share = functional.interpolate(inputs["inpaint_mask"], size=size, mode="bicubic", align_corners=False)

    def edit(own: Features) -> Features:
        mouth = Features(inputs["inpaint_feat"].to(own.map), torch.zeros_like(own.image))
        quirks = replace(PUBLISHED, enlarges_all=enlarges_all)
        return published_blend.blended(own, mouth, (1 - share).to(own.map), quirks)

    with torch.no_grad():
        found = settled_on(draw(scene(recorded, name, edit=edit)), recorded.part(name))
    check_pictures(recorded, name, found, check)


def test_the_camera_is_the_recorded_frontal_one(moved: tuple[Recorded, str]) -> None:
    recorded, _ = recorded_case(moved, "plain")
    ours = published_rig.frontal_camera(recorded.generator().config)
    theirs = camera_from(recorded.inputs["world_mat"], recorded.inputs["camera_mat"])
    torch.testing.assert_close(ours.world_from_camera, theirs.world_from_camera, atol=1e-6, rtol=0)
    torch.testing.assert_close(ours.intrinsics, theirs.intrinsics, atol=1e-5, rtol=0)
