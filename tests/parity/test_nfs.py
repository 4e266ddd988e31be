"""Moved samples, cached depths and blended features against numbers of NeRFFaceSpeech's generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from parity.stylenerf_cases import Drawn, Scene, check_places, draw, given, settled_on
from parity.stylenerf_fragile import MOST
from parity.stylenerf_rounding import Doubt, in_double
from parity.stylenerf_sets import Recorded, camera_from
from torch import Tensor

from phiz.generator import geometry
from phiz.generator.generator import Depths, Edit, Features, Generator, Stage, Warp
from phiz.generator.volume import mix, to_depth
from phiz.graphics.rays import composite_weights, even_chances, finer_depths
from phiz.importers import stylenerf_names as names

Agree = Callable[..., None]
Check = Callable[..., None]
PLACED = 1e-4
"""Fine samples nearer than this to the recorded ones are the same."""
EQUALLY_NEAR = 1e-8
"""Squared distances that differ by less are the same."""
THINNED, PALED = 0.5, 0.9
"""What the recorder multiplied cached densities and features by before it handed them back."""
SEEN_AT = {"inpaint_mask": 0, "inpaint_mask_512": 512, "eye_and_mouth": 0}
"""Sizes at which features are blended; 0 is the mask's own."""
KNOWN = frozenset(
    "plain other_latent camera_RT deform deform_cached deform_cached_cam2 inpaint_full "
    "cached_sigma_feat grad".split()
) | frozenset(SEEN_AT)


def test_a_moved_face_matches(
    moved: tuple[Recorded, str],
    check: Check,
    agree: Agree,
    few_nudged: Callable[[Recorded, Tensor], None],
) -> None:
    recorded, name = moved
    if name not in KNOWN:
        pytest.skip(f"this runner knows no case called {name}")
    if name == "grad":
        _gradients_match(recorded, agree)
        return
    expected = recorded.part(name)
    with torch.no_grad():
        drawn = _drawn(recorded, name, check)
    few_nudged(recorded, drawn.nudged)

    def numbers(drawn: Drawn) -> dict[str, Tensor]:
        with torch.no_grad():
            return _cached(recorded, drawn) if name == "cached_sigma_feat" else _seen(drawn, recorded, name)

    found = numbers(drawn)
    doubt = Doubt(lambda rounding: _within(rounding, drawn, numbers))
    for key in sorted(found.keys() & expected.keys()):
        scale = max(1.0, float(expected[key].abs().max()) / 10) if key.startswith("sigma") else 1.0
        allowed = recorded.tolerance * scale
        check(recorded, f"{name}/{key}", found[key], expected[key], tolerance=allowed, doubt=doubt, key=key)


def _within(
    rounding: AbstractContextManager[Any], drawn: Drawn, numbers: Callable[[Drawn], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Return a drawing's numbers in double precision."""
    again = drawn.again(rounding)
    with rounding:
        return numbers(again)


def _drawn(recorded: Recorded, name: str, check: Check) -> Drawn:
    """Return a case, drawn with its samples where they were recorded; where they were not, with ours."""
    is_cached = name.startswith("deform_cached")
    seen = recorded.part("plain" if name == "cached_sigma_feat" else name)
    scene = _scene(recorded, name)
    placed = Depths(seen["di"], seen["di_fine"]) if "di_fine" in seen else None
    if is_cached or placed is None:
        return settled_on(draw(scene, depths=placed), seen)
    ours = draw(scene).rays.depths
    assert ours.fine is not None
    is_there = (ours.fine - seen["di_fine"]).abs() < PLACED
    assert is_there.float().mean() > 1 - MOST, f"only {int(is_there.sum())} of {is_there.numel()} samples fit"
    drawn = draw(scene, depths=Depths(ours.coarse, seen["di_fine"]))
    check_places(recorded, name, drawn, check)
    return drawn


def _scene(recorded: Recorded, name: str) -> Scene:
    inputs, generator = recorded.inputs, recorded.generator()
    generator.progress.fill_(recorded.config.get("alpha", 1.0))
    world = {"camera_RT": "camera_RT", "deform_cached_cam2": "world_mat2"}.get(name, "world_mat")
    return Scene(
        generator=generator,
        styles=given(inputs["ws2" if name == "other_latent" else "ws"]),
        behind=inputs["z_shape_bg"] if generator.background is not None else None,
        camera=camera_from(inputs[world], inputs["camera_mat"]),
        warp=_warp(recorded, name) if name.startswith("deform") else None,
        edit=_edit(recorded, name),
    )


def _warp(recorded: Recorded, name: str) -> Warp:
    """Return the shift of every point across the frontal view by that of the vertex nearest to it.

    Of two vertices that are equally near, the recorded one is taken.
    """
    inputs = recorded.inputs
    rest = inputs["ref_vertices"]
    shift = rest - inputs["pred_vertices"]
    found = recorded.part(name) if name == "deform" else inputs
    known = {Stage.COARSE: found.get("nearest_indices"), Stage.FINE: found.get("nearest_indices_f")}

    def warp(points: Tensor, stage: Stage) -> Tensor:
        across, corners = points[..., 1:], rest.to(points)
        nearest = known[stage]
        if name == "deform":
            nearest = _nearest(across, corners, nearest)
        assert nearest is not None
        own = shift.to(points).gather(1, nearest[..., None].expand(-1, -1, 2))
        return torch.cat([points[..., :1], across + own], dim=-1)

    return warp


def _nearest(points: Tensor, corners: Tensor, known: Tensor | None) -> Tensor:
    """Return which corner is nearest to each point: the known one, if none is nearer than it."""
    nearest = torch.cdist(points, corners).argmin(-1)
    if known is None:
        return nearest

    def distance(numbers: Tensor) -> Tensor:
        return (points - corners.gather(1, numbers[..., None].expand(-1, -1, 2))).square().sum(-1)

    return torch.where(distance(known) - distance(nearest) < EQUALLY_NEAR, known, nearest)


def _edit(recorded: Recorded, name: str) -> Edit | None:
    inputs = recorded.inputs
    if name == "inpaint_full":
        return lambda seen: seen._replace(map=inputs["inpaint_feat"].to(seen.map))
    if name not in SEEN_AT:
        return None

    def edit(seen: Features) -> Features:
        given_maps = {k: v.to(seen.map) for k, v in inputs.items() if "inpaint" in k}
        mixed = _blended(seen.map, given_maps["inpaint_feat"], given_maps["inpaint_mask"], SEEN_AT[name])
        if name == "eye_and_mouth":
            others, mask = given_maps["eye_inpaint_feat"], given_maps["eye_inpaint_mask"]
            mixed = _blended(mixed, others, mask, SEEN_AT[name])
        return seen._replace(map=mixed)

    return edit


def _blended(features: Tensor, others: Tensor, mask: Tensor, size: int) -> Tensor:
    """Return features where the mask is 1 and the others where it is 0, blended at a larger size."""
    size = size or mask.shape[-1]
    own, other, share = (_resized(x, size) for x in (features, others, mask))
    return _resized(own * share + other * (1 - share), features.shape[-1])


def _resized(x: Tensor, size: int) -> Tensor:
    return torch.nn.functional.interpolate(x, size=(size, size), mode="bicubic", align_corners=False)


def _seen(drawn: Drawn, recorded: Recorded, name: str) -> dict[str, Tensor]:
    """Return what was recorded of a case, as we have it."""
    rendering, rays = drawn.rendering, drawn.rays
    found = {"img": rendering.image, "img_nerf": rendering.small, "world_mat": drawn.camera.world_from_camera}
    # Where features were handed in, the recorder kept those, not what they were blended to.
    found["inpaint_feat"] = (
        recorded.inputs["inpaint_feat"].to(rendering.features) if name in SEEN_AT else rendering.features
    )
    if rays.samples is None or rays.depths.fine is None:
        return found
    count = rays.depths.coarse.shape[-1]
    points = geometry.sample_points(drawn.config, rays, drawn.origins, drawn.directions)
    found["di"] = rays.depths.coarse
    for suffix, sigma, stage, part in (
        ("p_i", "sigma_raw_coarse", Stage.COARSE, slice(-count, None)),
        ("p_f", "sigma_raw_fine", Stage.FINE, slice(None, -count)),
    ):
        flat = points[:, :, part].flatten(1, 2)
        if name.startswith("deform"):
            flat = _warp(recorded, name)(flat, stage)
        found[suffix] = flat
        found[sigma] = rays.samples.density[:, :, part].flatten(1, 2)[..., None]
    return found


def _cached(recorded: Recorded, drawn: Drawn) -> dict[str, Tensor]:
    """Return what given densities and outputs make, on our rays and our background."""
    rays, config = drawn.rays, drawn.config
    plain = {k: v.to(drawn.styles) for k, v in recorded.part("plain").items()}
    shape = rays.depths.coarse.shape
    coarse, fine = (THINNED * plain[f"sigma_raw_{part}"].view(shape) for part in ("coarse", "fine"))
    outputs = [PALED * plain[f"feat_{part}"].unflatten(1, shape[1:]) for part in ("fine", "coarse")]
    stretch = drawn.directions.norm(dim=-1)
    places = rays.depths.coarse
    weights, _ = composite_weights(torch.relu(coarse), to_depth(config, places), stretch, opaque=False)
    chances = even_chances(places[..., 1:], shape[-1])
    both, order = torch.cat([finer_depths(places, weights, chances), places], dim=-1).sort(dim=-1)
    density = torch.cat([fine, coarse], dim=-1).gather(-1, order)
    weights, passing = composite_weights(torch.relu(density), to_depth(config, both), stretch, opaque=False)
    sorted_outputs = torch.cat(outputs, dim=2).take_along_dim(order[..., None], dim=2)
    shown = (weights[..., None] * sorted_outputs).sum(2)
    behind = drawn.prepared.behind
    if behind is not None and rays.background_weights is not None and rays.background_hidden is not None:
        through = rays.background_weights * (passing / (1 - rays.opacity))[..., None]
        shown = shown + mix(behind.outputs, through, rays.background_hidden)
    size = config.volume_resolution
    seen = Features(*(x.transpose(1, 2).unflatten(2, (size, size)) for x in (shown[..., 3:], shown[..., :3])))
    image = drawn.generator.upsampler(drawn.prepared.blocks, seen.map, seen.image, 1.0)
    return {"img": image, "img_nerf": seen.image, "inpaint_feat": seen.map}


def _gradients_match(recorded: Recorded, agree: Agree) -> None:
    expected = recorded.part("grad")
    theirs = {k: v for k, v in expected.items() if k.startswith(("synthesis.", "mapping."))}
    others = {k: v for k, v in expected.items() if k in ("loss", "ws", "z_shape_bg")}
    renamed = names.generator_tensors(theirs) | others
    generator = recorded.generator()
    generator.progress.fill_(recorded.config.get("alpha", 1.0))

    def again(rounding: AbstractContextManager[Any]) -> Mapping[str, Tensor]:
        twin = in_double(generator)
        with rounding:
            return _gradients(recorded, twin)

    found = _gradients(recorded, generator)
    assert not renamed.keys() - found.keys(), f"no gradient of {renamed.keys() - found.keys()}"
    agree(recorded, "grad", {k: found[k] for k in renamed}, renamed, Doubt(again))


def _gradients(recorded: Recorded, generator: Generator) -> dict[str, Tensor]:
    """Return the loss and all gradients, in the precision of the generator."""
    inputs = {k: v.to(generator.progress) for k, v in recorded.inputs.items()}
    leaves = {k: inputs[k].clone().requires_grad_() for k in ("ws", "z_shape_bg")}
    generator.requires_grad_(True)
    try:
        camera = camera_from(inputs["world_mat"], inputs["camera_mat"])
        image = generator.render(leaves["ws"], camera, background=leaves["z_shape_bg"]).image
        loss = torch.nn.functional.mse_loss(image, inputs["grad.target"])
        leaves = dict(generator.named_parameters()) | leaves
        steepest = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    finally:
        generator.requires_grad_(False)
    found = dict(zip(leaves, steepest, strict=True))
    return {k: v for k, v in found.items() if v is not None} | {"loss": loss.detach()}
