"""Published StyleNeRF files in our terms: sizes from shapes, settings from key words, names from rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from torch import Tensor

from phiz.generator.config import DiscriminatorConfig, GeneratorConfig

Tensors = Mapping[str, Tensor]
Settings = Mapping[str, Any]
FULL_CHANNELS = 32768
UNLIMITED = 65504.0
"""What stands for no clamp: the largest number in half precision."""
WARPED_BOUND = 2.0
"""Half the width of the planes where far points are contracted."""
RULES = (
    (r"synthesis\.alpha|alpha", "progress"),
    (r"synthesis\.fg_nerf", "foreground"),
    (r"synthesis\.bg_nerf", "background"),
    (r"\.fc_in", ".layers.0"),
    (r"sigma_out", "density"),
    (r"feat_out", "features"),
    (r"to_?rgb", "colour"),
    (r"fromrgb", "from_rgb"),
    (r"conv0\.adapter", "adapter"),
    (r"conv0", "first"),
    (r"conv1", "second"),
    (r"affine", "style"),
    (r"noise_const", "noise"),
    (r"\.w_avg", ".magnitude"),
)
FIELD_BLOCK = r"synthesis\.fg_nerf\.blocks\.\d+\.weight"


def generator_tensors(published: Tensors) -> dict[str, Tensor]:
    """Return a published generator's tensors under our names."""
    large = _resolutions(r"synthesis\.b(\d+)\.", published)
    planes = _resolutions(r"synthesis\.in_b(\d+)\.", published)
    renamed: dict[str, Tensor] = {}
    for old, tensor in published.items():
        if old.endswith("resample_filter"):
            continue
        name = re.sub(r"mapping\.w_avg", "mapping.average", old)
        name = re.sub(r"mapping\.fc(\d+)", r"mapping.layers.\1", name)
        name = re.sub(r"_nerf\.blocks\.(\d+)", lambda m: f"_nerf.layers.{int(m[1]) + 1}", name)
        name = re.sub(r"synthesis\.in_b\d+\.const", "foreground.planes.constant", name)
        name = _numbered(name, r"synthesis\.in_b(\d+)\.", "foreground.planes.blocks.", planes)
        name = _numbered(name, r"synthesis\.b(\d+)\.", "upsampler.blocks.", large)
        _put(renamed, _by_rules(name), _without_kernel(tensor), old)
    return renamed


def discriminator_tensors(published: Tensors) -> dict[str, Tensor]:
    """Return a published discriminator's tensors under our names."""
    resolutions = [r for r in reversed(_resolutions(r"b(\d+)\.", published)) if r > 4]
    renamed: dict[str, Tensor] = {}
    for old, tensor in published.items():
        if old.endswith("resample_filter"):
            continue
        name = re.sub(r"^projector", "camera.projector", old)
        name = re.sub(r"^mapping\.embed", "camera.embed", name)
        name = re.sub(r"^mapping\.fc(\d+)", r"camera.layers.\1", name)
        name = re.sub(r"^b4\.fc", "last.dense", name)
        name = re.sub(r"^b4\.", "last.", name)
        name = _numbered(name, r"^b(\d+)\.", "blocks.", resolutions)
        _put(renamed, _by_rules(name), _without_kernel(tensor), old)
    return renamed


def generator_config(settings: Settings, image: int, published: Tensors) -> GeneratorConfig:
    """Return the config of a published generator: `settings` are its key words, flat ones included."""
    synthesis = settings["synthesis_kwargs"]
    camera = synthesis.get("camera_kwargs") or synthesis
    renderer = synthesis.get("renderer_kwargs") or synthesis
    first = published["synthesis.fg_nerf.fc_in.weight"]
    has_background = "synthesis.bg_nerf.fc_in.weight" in published
    large = {
        r: len(published[f"synthesis.b{r}.conv0.weight"])
        for r in _resolutions(r"synthesis\.b(\d+)\.", published)
    }
    base, most = _channels(large)
    features = published[f"synthesis.b{min(large)}.conv0.weight"].shape[1]
    kind = synthesis.get("upsample_mode", "default")
    near, far = camera.get("depth_range", (0.5, 6.0))
    spacing = _spacing(camera)
    if first.ndim == 2:
        half = far - near if spacing == "depth" else WARPED_BOUND
        extra: dict[str, Any] = {**_planes(published), "planes_span": 2 * half}
    else:
        extra = {"frequencies": first.shape[1] // 6}
    extra |= _background(published, synthesis) if has_background else {"background": "none"}
    return GeneratorConfig(
        resolution=image,
        z_size=settings["z_dim"],
        w_size=settings["w_dim"],
        mapping_rate=(settings.get("mapping_kwargs") or {}).get("lr_multiplier", 0.01),
        mapping_layers=len({n for n in published if re.fullmatch(r"mapping\.fc\d+\.weight", n)}),
        hidden=len(first),
        field_layers=1
        + len({n for n in published if re.fullmatch(r"synthesis\.fg_nerf\.blocks\.\d+\.weight", n)}),
        features=features,
        colour="predicted" if "synthesis.fg_nerf.to_rgb.weight" in published else "extra",
        volume_resolution=synthesis.get("resolution_vol", 32),
        samples=renderer.get("n_ray_samples", 14),
        background_samples=renderer.get("n_bg_samples", 4),
        background_start=camera.get("bg_start", 1.0),
        is_hierarchical=renderer.get("hierarchical", True),
        near=near,
        far=far,
        spacing=spacing,
        is_corner_aligned=camera.get("ray_align_corner", True),
        is_length_relative=camera.get("dists_normalized", False),
        upsampling=_upsampling(kind),
        is_blurred="noblur" not in kind,
        kernel=published[f"synthesis.b{min(large)}.conv0.weight"].shape[-1],
        channel_base=base,
        channel_most=most,
        clamp=_clamp(synthesis),
        magnitude_rate=synthesis.get("magnitude_ema_beta", -1),
        path_samples=synthesis.get("n_reg_samples", 0),
        azimuth=tuple(camera.get("range_u", (0.0, 0.0))),
        polar=tuple(camera.get("range_v", (0.25, 0.25))),
        radius=tuple(camera.get("range_radius", (2.732, 2.732))),
        fov_deg=camera.get("fov", 49.13),
        is_gaussian=camera.get("gaussian_camera", False),
        **extra,
    )


def discriminator_config(settings: Settings, published: Tensors) -> DiscriminatorConfig:
    """Return the config of a published discriminator."""
    resolutions = [r for r in _resolutions(r"b(\d+)\.", published) if r > 4]
    channels = {r: len(published[f"b{r}.fromrgb.weight"]) for r in resolutions}
    base, most = _channels(channels | {4: len(published["b4.conv.weight"])})
    camera: Literal["none", "matrix", "angles"] = "none"
    if "projector.weight" in published:
        camera = "matrix" if len(published["projector.weight"]) == 16 else "angles"
    return DiscriminatorConfig(
        resolution=max(resolutions),
        channel_base=base,
        channel_most=most,
        clamp=_clamp(settings),
        group=settings.get("epilogue_kwargs", {}).get("mbstd_group_size", 4),
        camera=camera,
        lowest_head=settings.get("lowres_head") or 32,  # without one, it does not grow
    )


def _planes(published: Tensors) -> dict[str, Any]:
    resolutions = _resolutions(r"synthesis\.in_b(\d+)\.", published)
    sizes = {r: len(published[f"synthesis.in_b{r}.conv1.weight"]) for r in resolutions}
    base, most = _channels(sizes)
    return {
        "source": "planes",
        "planes_channels": len(published[f"synthesis.in_b{max(resolutions)}.torgb.weight"]) // 3,
        "planes_resolution": max(resolutions),
        "planes_base": base,
        "planes_most": most,
    }


def _background(published: Tensors, synthesis: Settings) -> dict[str, Any]:
    first = published["synthesis.bg_nerf.fc_in.weight"]
    layers = {n for n in published if re.fullmatch(r"synthesis\.bg_nerf\.blocks\.\d+\.weight", n)}
    latent = synthesis.get("z_dim_bg", 128)
    return {
        "background_latent": latent,
        "background_hidden": len(first),
        "background_layers": 1 + len(layers),
        "background_frequencies": (first.shape[1] - latent) // 8,
    }


def _channels(sizes: Mapping[int, int]) -> tuple[float, int]:
    """Return the base and the cap that give the channels of every resolution."""
    return sizes[max(sizes)] * max(sizes) / FULL_CHANNELS, max(sizes.values())


def _spacing(camera: Settings) -> Literal["depth", "inverse"]:
    return "inverse" if camera.get("depth_transform") == "InverseWarp" else "depth"


def _clamp(settings: Settings) -> Any:
    """Return the largest value of a feature; the published classes have no limit unless told."""
    found = settings.get("conv_clamp")
    return UNLIMITED if found is None else found


def _upsampling(kind: str) -> Any:
    for known in ("nn_cat", "pixelshuffle", "nearest", "bilinear"):
        if known in kind:
            return known
    return "fir"


def _resolutions(pattern: str, names: Iterable[str]) -> list[int]:
    return sorted({int(found[1]) for name in names if (found := re.match(pattern, name))})


def _numbered(name: str, pattern: str, block: str, resolutions: list[int]) -> str:
    """Return the name with a block's number in place of its resolution."""
    return re.sub(pattern, lambda found: f"{block}{resolutions.index(int(found[1]))}.", name)


def _put(renamed: dict[str, Tensor], name: str, tensor: Tensor, old: str) -> None:
    """Add a tensor under our name, which has to be free."""
    if name in renamed:
        raise ValueError(f"{old} and another of its tensors are for the same place, {name}")
    renamed[name] = tensor


def _by_rules(name: str) -> str:
    for old, new in RULES:
        name = re.sub(old, new, name)
    return name


def _without_kernel(tensor: Tensor) -> Tensor:
    return tensor[:, :, 0, 0] if tensor.ndim == 4 and tensor.shape[-1] == 1 else tensor
