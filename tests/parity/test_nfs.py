"""Moved samples, cached depths and blended features against numbers of NeRFFaceSpeech's generator."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from parity.stylenerf_cases import Drawn, draw
from parity.stylenerf_fragile import MOST
from parity.stylenerf_sets import Recorded, camera_from
from torch import Tensor

from phiz.generator import geometry
from phiz.generator.generator import Depths, Edit, Features, Plan, Stage, Warp
from phiz.generator.volume import mix, to_depth
from phiz.graphics.rays import composite_weights, even_chances, finer_depths
from phiz.importers import stylenerf_names as names

Check = Callable[..., None]
RELATIVE = 1e-3
PLACED = 1e-5
"""Fine samples nearer than this to the recorded ones are the same."""
THINNED, PALED = 0.5, 0.9
"""What the recorder multiplied cached densities and features by before it handed them back."""
SEEN_AT = {"inpaint_mask": 0, "inpaint_mask_512": 512, "eye_and_mouth": 0}
"""Sizes at which features are blended; 0 is the mask's own."""
KNOWN = frozenset(
    "plain other_latent camera_RT deform deform_cached deform_cached_cam2 inpaint_full "
    "cached_sigma_feat grad".split()
) | frozenset(SEEN_AT)


def test_a_moved_face_matches(
    moved: tuple[Recorded, str], check: Check, few_nudged: Callable[[Recorded, Tensor], None]
) -> None:
    recorded, name = moved
    if name not in KNOWN:
        pytest.skip(f"this runner knows no case called {name}")
    if name == "grad":
        _gradients_match(recorded, check)
        return
    expected = recorded.part(name)
    with torch.no_grad():
        drawn = _drawn(recorded, name)
        few_nudged(recorded, drawn.nudged)
        found = _cached(recorded, drawn) if name == "cached_sigma_feat" else _pictures(drawn, recorded, name)
    for key in sorted(found.keys() & expected.keys()):
        # Densities reach 40; places in intervals that hold next to nothing are known to a few digits only.
        scale = max(1.0, float(expected[key].abs().max()) / 10) * (10 if key == "di_fine" else 1)
        if key == "sigma_raw_fine" and "di_fine" in found:
            # A place that rounding moves in an interval of next to nothing has another density.
            same = (found["di_fine"] - expected["di_fine"]).abs().reshape(1, -1, 1) < PLACED
            assert same.float().mean() > 1 - MOST
            found[key], expected[key] = found[key] * same, expected[key] * same
        allowed = recorded.tolerance * (scale if key.startswith(("sigma", "di_fine")) else 1.0)
        check(recorded, f"{name}/{key}", found[key], expected[key], tolerance=allowed)


def _drawn(recorded: Recorded, name: str) -> Drawn:
    inputs, generator = recorded.inputs, recorded.generator()
    generator.progress.fill_(recorded.config.get("alpha", 1.0))
    world = {"camera_RT": "camera_RT", "deform_cached_cam2": "world_mat2"}.get(name, "world_mat")
    camera = camera_from(inputs[world], inputs["camera_mat"])
    styles = inputs["ws2" if name == "other_latent" else "ws"]
    behind = inputs["z_shape_bg"] if generator.background is not None else None
    is_cached = name.startswith("deform_cached")
    seen = recorded.part("plain" if name == "cached_sigma_feat" else name)
    return draw(
        generator,
        generator.prepare(styles, behind),
        styles,
        camera,
        Plan(),
        seen=seen,
        depths=Depths(seen["di"], seen["di_fine"]) if is_cached else None,
        warp=_warp(recorded, is_cached=is_cached) if name.startswith("deform") else None,
        edit=_edit(recorded, name),
    )


def _warp(recorded: Recorded, *, is_cached: bool) -> Warp:
    """Return the shift of every point across the frontal view by that of the vertex nearest to it."""
    inputs = recorded.inputs
    rest = inputs["ref_vertices"]
    shift = rest - inputs["pred_vertices"]
    cached = {Stage.COARSE: inputs.get("nearest_indices"), Stage.FINE: inputs.get("nearest_indices_f")}

    def warp(points: Tensor, stage: Stage) -> Tensor:
        across = points[..., 1:]
        nearest = cached[stage] if is_cached else torch.cdist(across, rest).argmin(-1)
        assert nearest is not None
        own = shift.gather(1, nearest[..., None].expand(-1, -1, 2))
        return torch.cat([points[..., :1], across + own], dim=-1)

    return warp


def _edit(recorded: Recorded, name: str) -> Edit | None:
    inputs = recorded.inputs
    if name == "inpaint_full":
        return lambda seen: seen._replace(map=inputs["inpaint_feat"])
    if name not in SEEN_AT:
        return None

    def edit(seen: Features) -> Features:
        mixed = _blended(seen.map, inputs["inpaint_feat"], inputs["inpaint_mask"], SEEN_AT[name])
        if name == "eye_and_mouth":
            mixed = _blended(mixed, inputs["eye_inpaint_feat"], inputs["eye_inpaint_mask"], SEEN_AT[name])
        return seen._replace(map=mixed)

    return edit


def _blended(features: Tensor, others: Tensor, mask: Tensor, size: int) -> Tensor:
    """Return features where the mask is 1 and the others where it is 0, blended at a larger size."""
    size = size or mask.shape[-1]
    own, other, share = (_resized(x, size) for x in (features, others, mask))
    return _resized(own * share + other * (1 - share), features.shape[-1])


def _resized(x: Tensor, size: int) -> Tensor:
    return torch.nn.functional.interpolate(x, size=(size, size), mode="bicubic", align_corners=False)


def _pictures(drawn: Drawn, recorded: Recorded, name: str) -> dict[str, Tensor]:
    """Return what was recorded of a case, as we have it."""
    rendering, rays = drawn.rendering, drawn.rays
    found = {"img": rendering.image, "img_nerf": rendering.small, "world_mat": drawn.camera.world_from_camera}
    # Where features were handed in, the recorder kept those, not what they were blended to.
    found["inpaint_feat"] = recorded.inputs["inpaint_feat"] if name in SEEN_AT else rendering.features
    if rays.samples is None or rays.depths.fine is None:
        return found
    count = rays.depths.coarse.shape[-1]
    points = geometry.sample_points(drawn.config, rays, drawn.origins, drawn.directions)
    found |= {"di": rays.depths.coarse, "di_fine": rays.depths.fine}
    for suffix, sigma, stage, part in (
        ("p_i", "sigma_raw_coarse", Stage.COARSE, slice(-count, None)),
        ("p_f", "sigma_raw_fine", Stage.FINE, slice(None, -count)),
    ):
        flat = points[:, :, part].flatten(1, 2)
        if name.startswith("deform"):
            flat = _warp(recorded, is_cached=name != "deform")(flat, stage)
        found[suffix] = flat
        found[sigma] = rays.samples.density[:, :, part].flatten(1, 2)[..., None]
    return found


def _cached(recorded: Recorded, drawn: Drawn) -> dict[str, Tensor]:
    """Return what given densities and outputs make, on our rays and our background."""
    rays, config, plain = drawn.rays, drawn.config, recorded.part("plain")
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


def _gradients_match(recorded: Recorded, check: Check) -> None:
    inputs, generator = recorded.inputs, recorded.generator()
    expected = recorded.part("grad")
    styles = inputs["ws"].clone().requires_grad_()
    behind = inputs["z_shape_bg"].clone().requires_grad_()
    generator.progress.fill_(recorded.config.get("alpha", 1.0))
    generator.requires_grad_(True)
    try:
        camera = camera_from(inputs["world_mat"], inputs["camera_mat"])
        image = generator.render(styles, camera, background=behind).image
        loss = torch.nn.functional.mse_loss(image, inputs["grad.target"])
        parameters = dict(generator.named_parameters())
        leaves = {**parameters, "ws": styles, "z_shape_bg": behind}
        steepest = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    finally:
        generator.requires_grad_(False)
    check(recorded, "grad/loss", loss, expected["loss"], tolerance=RELATIVE, is_relative=True)
    theirs = {k: v for k, v in expected.items() if k.startswith(("synthesis.", "mapping."))}
    renamed = names.generator_tensors(theirs) | {
        k: expected[k] for k in ("ws", "z_shape_bg") if k in expected
    }
    found = dict(zip(leaves, steepest, strict=True))
    for key, value in renamed.items():
        gradient = found[key]
        assert gradient is not None, f"{key} has no gradient"
        check(recorded, f"grad/{key}", gradient, value, tolerance=RELATIVE, is_relative=True)
