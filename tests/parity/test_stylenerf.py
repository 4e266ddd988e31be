"""Pictures, and everything on the way to them, against numbers recorded from the published StyleNeRF."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from parity import stylenerf_cases as cases
from parity.stylenerf_cases import Drawn
from parity.stylenerf_rounding import Doubt
from parity.stylenerf_sets import CLOSE, Recorded
from torch import Tensor

from phiz.generator import geometry
from phiz.generator.volume import to_depth
from phiz.graphics.rays import points_along
from phiz.layers.modulated import apply
from phiz.layers.resample import grow_image

Check = Callable[..., None]
Case = tuple[Recorded, str]
POSE = 1e-6


def _map(rays: Tensor, size: int) -> Tensor:
    return rays.transpose(1, 2).unflatten(2, (size, size))


def test_pictures_match(still: Case, check: Check, few_nudged: Callable[[Recorded, Tensor], None]) -> None:
    recorded, name = still
    drawn = cases.drawn(recorded, name)
    few_nudged(recorded, drawn.nudged)
    expected = recorded.part(name)
    stride = recorded.cases[name].get("stride", 1)

    def pictures(drawn: Drawn) -> dict[str, Tensor]:
        return {
            "img": drawn.rendering.image,
            "img_strided": drawn.rendering.image[..., ::stride, ::stride],
            "img_nerf": drawn.rendering.small,
            "vr.img": drawn.rendering.small,
            "vr.x": drawn.rendering.features,
        }

    _compare(recorded, name, drawn, pictures, expected, check)


def _compare(
    recorded: Recorded,
    name: str,
    drawn: Drawn,
    numbers: Callable[[Drawn], dict[str, Tensor]],
    expected: Mapping[str, Tensor],
    check: Check,
) -> None:
    """Check all of a drawing's numbers that were recorded."""
    found = numbers(drawn)
    doubt = Doubt(lambda rounding: numbers(drawn.again(rounding)))
    for key in sorted(found.keys() & expected.keys()):
        # Densities reach 40; octaves of the encoding magnify the last digit of a sample's place.
        scale = max(1.0, float(expected[key].abs().max()) / 10) if "nerf." in key else 1.0
        allowed = recorded.tolerance * scale
        check(recorded, f"{name}/{key}", found[key], expected[key], tolerance=allowed, doubt=doubt, key=key)


def test_cameras_match(still: Case, check: Check) -> None:
    recorded, name = still
    expected = recorded.part(name)
    if "world_mat" not in expected:
        pytest.skip("no camera was recorded")
    # The published network turns the pixels of a rolled camera, we turn the camera: hence no roll here.
    camera = cases.camera_of(recorded, name, recorded.generator().config)
    batch = len(expected["world_mat"])
    world = camera.world_from_camera.expand(batch, -1, -1)
    check(recorded, f"{name}/world_mat", world, expected["world_mat"], tolerance=POSE)
    inverse = torch.diag_embed(1 / camera.intrinsics.diagonal(dim1=-2, dim2=-1)[:, :2]).expand(batch, -1, -1)
    check(recorded, f"{name}/camera_mat", inverse, expected["camera_mat"][:, :2, :2], tolerance=POSE)


def test_styles_match(truncated: Case, check: Check) -> None:
    recorded, name = truncated
    psi, _, cutoff = name.removeprefix("ws_psi").partition("_cut")
    strength = float(psi) if psi == "1" or "." in psi else int(psi) / 10 ** (len(psi) - 1)
    found = recorded.generator().styles(
        recorded.inputs["z"], psi=strength, cutoff=int(cutoff) if cutoff else None
    )
    check(recorded, name, found, recorded.outputs[f"mapping/{name}"], tolerance=CLOSE)


def test_what_happens_along_rays_matches(inside: Case, check: Check) -> None:
    recorded, name = inside
    drawn = cases.drawn_at_recorded(recorded, name)
    expected = recorded.part(name)
    if "ws" in expected:
        expected["ws"] = expected["ws"][: len(drawn.styles)]
    if "vr.bg_weights" in expected and "vr.bg_lambda" in expected:
        expected["vr.bg_weights"] = expected["vr.bg_weights"] * expected["vr.bg_lambda"][..., None]

    def numbers(drawn: Drawn) -> dict[str, Tensor]:
        found = {"ws": drawn.styles} | _rays(drawn) | _behind(drawn)
        return found | _foreground(drawn) if drawn.rays.samples is not None else found

    if not numbers(drawn).keys() & expected.keys():
        pytest.skip("nothing along the rays was recorded of this case")
    _compare(recorded, name, drawn, numbers, expected, check)


def test_fine_samples_lie_where_they_belong(inside: Case, check: Check) -> None:
    recorded, name = inside
    expected = recorded.part(name)
    drawn = cases.drawn_at_recorded(recorded, name)
    if "vr.di" not in expected or drawn.rays.depths.fine is None:
        pytest.skip("no places of fine samples were recorded")
    cases.check_places(recorded, name, drawn, check)


def test_features_of_every_block_match(inside: Case, check: Check) -> None:
    recorded, name = inside
    drawn = cases.drawn(recorded, name)
    expected = recorded.part(name)
    keys = [key for key in expected if key.startswith("b") and ".0." in key and "nerf" not in key]
    if not keys:
        pytest.skip("no features of blocks were recorded")

    def numbers(drawn: Drawn) -> dict[str, Tensor]:
        found = _blocks(drawn)
        return {key: _reduced(key, found[key.split(".")[0], key.split(".")[2]]) for key in keys}

    _compare(recorded, name, drawn, numbers, expected, check)


def test_shapes_match(early: Case, check: Check) -> None:
    recorded, name = early
    drawn = cases.drawn(recorded, name)
    option = recorded.cases[name]["render_option"]
    expected = {"early": recorded.outputs[f"{name}/early"]}
    _compare(recorded, name, drawn, lambda drawn: {"early": _shape(drawn, option)}, expected, check)


def _shape(drawn: Drawn, option: str) -> Tensor:
    """Return the map that a case of this option asks for."""
    size = drawn.config.volume_resolution
    if "gradient" in option:
        points = geometry.sample_points(drawn.config, drawn.rays, drawn.origins, drawn.directions)
        found = geometry.density_normals(drawn.generator, drawn.prepared, drawn.rays, points)
        return _map(found, size)
    points = _map(geometry.positions(drawn.rays, drawn.origins, drawn.directions), size)
    # The published normals look away from the camera.
    return -geometry.normals(points) if "normal" in option else points


def _rays(drawn: Drawn) -> dict[str, Tensor]:
    uv = drawn.generator.pixels(drawn.config.volume_resolution)
    pixels = (uv * uv.new_tensor([1.0, -1.0])).expand(len(drawn.origins), -1, -1)
    start = drawn.origins[:, None].expand_as(drawn.directions)
    return {
        "rays.0.pixels": pixels,
        "rays.0.ray_vector": drawn.directions,
        "rays.0.camera_world": start,
        "rays.0.pixels_world": start + drawn.directions,
    }


def _foreground(drawn: Drawn) -> dict[str, Tensor]:
    rays, config = drawn.rays, drawn.config
    assert rays.samples is not None
    assert rays.weights is not None
    count = rays.depths.coarse.shape[-1]
    points = points_along(drawn.origins, drawn.directions, to_depth(config, rays.samples.places))
    outputs = apply(drawn.prepared.field.outputs, rays.samples.hidden.flatten(1, 2))
    outputs = outputs.unflatten(1, rays.samples.places.shape[1:])
    found: dict[str, Tensor] = {}
    for call, part in (("0", slice(-count, None)), ("1", slice(None, -count))):
        found[f"fg_nerf.{call}.points"] = points[:, :, part].flatten(1, 2)
        found[f"fg_nerf.{call}.feat"] = outputs[:, :, part].flatten(1, 2)
        found[f"fg_nerf.{call}.sigma_raw"] = rays.samples.density[:, :, part].flatten(1, 2)[..., None]
    places, order = rays.samples.places.sort(dim=-1)
    found["vr.di"] = places
    found["vr.di_trs"] = to_depth(config, places)
    found["vr.fg_weights"] = rays.weights.gather(-1, order)
    found["vr.feat.0"] = (rays.weights[..., None] * outputs).sum(2)
    if drawn.prepared.behind is not None and drawn.scene.plan.shows == "both":
        found["vr.bg_lambda"] = 1 - rays.opacity
    return found


def _behind(drawn: Drawn) -> dict[str, Tensor]:
    rays, behind, config = drawn.rays, drawn.prepared.behind, drawn.config
    if behind is None or rays.background_hidden is None or rays.background_weights is None:
        return {}
    hidden = rays.background_hidden.flatten(1, 2)
    outputs = apply(behind.outputs, hidden)
    shown = rays.background_weights[..., None] * outputs.unflatten(1, rays.background_weights.shape[1:])
    inverse = torch.linspace(-1, 0, config.background_samples) * config.background_start
    return {
        "bg_nerf.0.sigma_raw": apply(behind.density, hidden),
        "bg_nerf.0.feat": outputs,
        "vr.bg_weights": rays.background_weights,
        "vr.bg_depths": inverse.expand_as(rays.background_weights),
        "vr.feat.1": shown.sum(2),
    }


def _blocks(drawn: Drawn) -> dict[tuple[str, str], Tensor]:
    """Return features and picture of every block by its published name."""
    upsampler, rendering = drawn.generator.upsampler, drawn.rendering
    found = {}
    x, image = rendering.features.permute(0, 2, 3, 1), rendering.small
    for block, ready in zip(upsampler.blocks, drawn.prepared.blocks, strict=True):
        x = block(ready, x)
        image = grow_image(image) + upsampler.coloured(ready, x).permute(0, 3, 1, 2)
        found[f"b{x.shape[1]}", "x"] = x.permute(0, 3, 1, 2)
        found[f"b{x.shape[1]}", "img"] = image
    return found


def _reduced(key: str, value: Tensor) -> Tensor:
    """Return what full-size recordings keep of a feature map: a corner, or three numbers."""
    if key.endswith("mean_std_absmax"):
        return torch.stack([value.mean(), value.std(), value.abs().max()])
    return value[..., :8, :8] if key.endswith("crop8") else value
