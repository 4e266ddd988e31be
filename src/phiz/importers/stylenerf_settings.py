"""Settings of a published network that change what it draws, but none of its tensors.

Where our networks can do the same, `stylenerf_names` takes them over. The others stand here with the values
that we know, so that no file is taken for another network than it is. Settings that change a tensor's name
or shape need no place here: such a tensor is found missing, left over or of the wrong shape.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]
Known = Mapping[str, tuple[object, ...]]

RECTIFIER: Known = {"activation": ("lrelu",)}
SYNTHESIS: Known = {
    **RECTIFIER,
    "upsample_mode": (
        "default",
        "bilinear",
        "nearest",
        "nn_cat",
        "nn_cat_noblur",
        "pixelshuffle",
        "pixelshuffle_noblur",
    ),
    "margin": (0,),
    "rectangular": (None,),
}
CAMERA: Known = {"depth_transform": (None, "None", "InverseWarp"), "angular_camera": (True,)}
RENDERER: Known = {"sigma_type": ("relu",), "white_background": (False,), "bound": (None,)}
FIELD: Known = {
    "downscale_p_by": (1,),
    "use_sdf": (None,),
    "normalized_feat": (False,),
    "final_sigmoid_act": (False,),
}
"""The background's layers have a rectifier of their own, whatever the settings say."""
UPSAMPLER: Known = {"no_residual_img": (False,), "shared_rgb_style": (False,)}
INPUT: Known = {"output_mode": ("none", "tri_plane_reshape")}
JUDGE_MAPPING: Known = {**RECTIFIER, "lr_multiplier": (0.01,)}


def check_generator(settings: Settings, progress: float) -> None:
    """Refuse a generator that draws in a way that ours cannot; `progress` is how far it has grown."""
    synthesis = settings["synthesis_kwargs"]
    _check("synthesis_kwargs", synthesis, SYNTHESIS)
    # Old files have no groups of their own for these, but everything in one.
    _check("camera_kwargs", synthesis.get("camera_kwargs") or synthesis, CAMERA)
    _check("renderer_kwargs", synthesis.get("renderer_kwargs") or synthesis, RENDERER)
    _check("upsampler_kwargs", {**synthesis, **_group(synthesis, "upsampler_kwargs")}, UPSAMPLER)
    _check("foreground_kwargs", _group(synthesis, "foreground_kwargs"), {**FIELD, **RECTIFIER})
    _check("background_kwargs", _group(synthesis, "background_kwargs"), FIELD)
    _check("input_kwargs", _group(synthesis, "input_kwargs"), INPUT)
    _check("mapping_kwargs", _group(settings, "mapping_kwargs"), RECTIFIER)
    volume = synthesis.get("resolution_vol", 32)
    grows_from_volume = synthesis.get("progressive", True) and volume == (
        synthesis.get("resolution_start") or volume
    )
    if 0 <= progress < 1 and not grows_from_volume:
        raise ValueError(f"it was saved while it grew (at {progress:.2f}), in a way that ours does not grow")


def check_discriminator(settings: Settings) -> None:
    """Refuse a discriminator that judges in a way that ours cannot."""
    _check("block_kwargs", _group(settings, "block_kwargs"), RECTIFIER)
    _check("epilogue_kwargs", _group(settings, "epilogue_kwargs"), RECTIFIER)
    _check("mapping_kwargs", _group(settings, "mapping_kwargs"), JUDGE_MAPPING)


def _group(settings: Settings, name: str) -> Settings:
    found: Settings = settings.get(name) or {}
    return found


def _check(where: str, values: Settings, known: Known) -> None:
    for name, allowed in known.items():
        if name in values and values[name] not in allowed:
            shown = ", ".join(map(repr, allowed))
            raise ValueError(f"{name} in its {where} is {reprlib.repr(values[name])}; phiz knows {shown}")
