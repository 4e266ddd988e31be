"""Learning our own head from scanned ones: ``phiz train head --from DIR``.

The topology is laid out on the scan's mean (`phiz.train.template`), carried along with sampled people
and expressions, and summed up as a mean and modes (principal components). Everything ends up in one
file of a few megabytes: modes as small whole numbers with a scale each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phiz import checkpoint
from phiz.console import Console
from phiz.errors import UsageError
from phiz.face import supplied
from phiz.face.contact import FacingEdges
from phiz.face.head import Head
from phiz.face.morphable import ARKIT_NAMES, PLAIN_SKIN
from phiz.face.points import MIRROR_68
from phiz.options import option
from phiz.train.colours import learn_colours
from phiz.train.head_score import contact_score, surface_score
from phiz.train.layout import place_layout, read_layout
from phiz.train.template import anatomy, register
from phiz.train.template.build import Template, build
from phiz.train.template.chart import Floats, Ints
from phiz.train.template.mouth import tongue_out

STILL = 3e-5
"""A vertex that no expression moves further than this, in metres, is left out of their modes."""
TONGUE_JAW, TONGUE_FUNNEL = 0.42, 0.18
"""How much of jawOpen and mouthFunnel goes with a tongue that is put out, so that it has room."""


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """How to learn the head."""

    from_: Path | None = option(None, "--from")
    """Folder with head.npz: scanned mean, identity and expression modes."""
    output: Path = option(Path("head.safetensors"), "-o", "--output")
    """Where the learned head goes."""
    people: int = 512
    """How many people are sampled to learn from."""
    held_out: int = 50
    """How many others are kept for measuring."""
    modes: int = 70
    """Identity modes to keep."""
    colour_modes: int = 12
    """Colour modes to keep; they are learned from the world's skins."""
    colour_people: int = 200
    """How many skins to learn the colours from."""
    mixes: int = 500
    """Random speech-like expressions to look for interpenetration in."""
    seed: int = 0
    """Which people, and how the vertices are strewn."""


TINY = HeadConfig(people=24, held_out=4, modes=12, mixes=8, colour_modes=3, colour_people=6)
FULL = HeadConfig()


def train_head(config: HeadConfig, console: Console) -> dict[str, object]:
    """Learn our own head's shape and expressions from a folder of scanned ones.

    Examples:
        phiz train head --from heads -o head.safetensors
        phiz train head --from heads --people 64 --modes 30 -o small.safetensors
    """
    if config.from_ is None:
        raise UsageError("say where the scanned heads are: phiz train head --from DIR")
    if config.modes > 2 * config.people - 1:
        raise UsageError(f"{config.people} people cannot tell {config.modes} modes apart; sample more people")
    if config.colour_modes >= config.colour_people:
        raise UsageError(
            f"{config.colour_people} skins cannot tell {config.colour_modes} colour modes apart; sample more"
        )
    arrays = supplied.read_arrays(config.from_)
    source = supplied.SuppliedHead(arrays)
    part, triangles = arrays["part"], np.asarray(arrays["tri"], np.int64)
    scan = register.to_scan(source, part, triangles)
    console.say("Laying out the topology ...")
    template = build(scan, np.random.default_rng(config.seed))
    carrier = register.attach(template, scan, part, triangles)
    rng = np.random.default_rng(config.seed + 1)
    console.say(f"{len(template.points)} vertices, {len(template.triangles)} triangles. Sampling people ...")
    _, people = register.sample_people(source, carrier, config.people, rng)
    people += template.points - carrier.carry(source.mean.numpy())
    mean, identity = register.principal_modes(people, template.mirror, config.modes)
    about, tensors = describe(source, template, carrier, mean, identity)
    console.say("Learning colours ...")
    tensors |= learn_colours(Head(about, tensors), config.colour_people, config.colour_modes, console)
    checkpoint.save(config.output, kind="head", config=about, tensors=tensors)
    head = Head(about, tensors)
    scores = surface_score(head, source, carrier, template, config.held_out, rng)
    scores |= contact_score(head, config.mixes, config.seed, console)
    for name, value in scores.items():
        console.say(f"  {name}: {value}")
    console.say(f"Wrote {config.output}, {config.output.stat().st_size / 2**20:.1f} MiB.")
    return {
        "output": str(config.output),
        "vertices": len(mean),
        "triangles": len(template.triangles),
        **scores,
    }


def describe(
    source: supplied.SuppliedHead,
    template: Template,
    carrier: register.Carrier,
    mean: Floats,
    identity: Floats,
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the config and the tensors of the head's file."""
    moves = register.expressions(source, carrier, template.mirror)
    regions = anatomy.even_regions(np.clip(carrier.carry(source.regions.numpy()), 0, 1), template.mirror)
    regions[np.setdiff1d(np.arange(len(mean)), anatomy.own(template, "skin"))] = 0
    normals = anatomy.vertex_normals_of(mean, template.triangles)
    zones = anatomy.lip_zones(template, mean, normals, regions)
    zones |= anatomy.blink_zones(template, mean, moves["eyeBlinkLeft"])
    mean = _close_lips(mean, zones)
    hinge, jaw = anatomy.jaw_joint(moves["jawOpen"], mean, template)
    moves["tongueOut"] = _tongue_mode(moves, mean, template)
    names = tuple(name for name in ARKIT_NAMES if name in moves)
    expression = np.stack([moves[name] for name in names])
    moving = np.flatnonzero(np.linalg.norm(expression, axis=2).max(axis=0) > STILL)
    corners, weights = anatomy.landmark_spots(_even_landmarks(source), mean, template)
    shade = carrier.carry(source.occlusion.numpy())
    about = {
        "name": "phiz",
        "expression_names": names,
        "jaw_hinge": hinge.tolist(),
        "neck_pivot": anatomy.NECK_PIVOT,
        "cornea": anatomy.cornea(template, mean),
        "upper_arch": anatomy.arch_shape(template, mean, "upper_teeth"),
        "lower_arch": anatomy.arch_shape(template, mean, "lower_teeth"),
    }
    floats = {
        "mean": mean,
        "jaw_weight": jaw,
        "neck_weight": anatomy.neck_weight(mean),
        "landmark_weights": weights,
    }
    whole: dict[str, Ints] = {
        "triangles": template.triangles,
        "mirror": template.mirror,
        "moving": moving,
        "landmark_corners": corners,
        "anchors": _anchors(template),
        **zones,
    }
    for name, value in (anatomy.eyes(template, mean) | anatomy.lid_zones(template, mean)).items():
        if value.dtype.kind == "f":
            floats[name] = np.asarray(value, np.float64)
        else:
            whole[name] = np.asarray(value, np.int64)
    tensors = {name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in floats.items()}
    tensors |= {name: torch.from_numpy(np.asarray(value, np.int16)) for name, value in whole.items()}
    parts = anatomy.label_triangles(template, mean, regions)
    tensors |= _bytes(parts, regions, shade)
    tensors |= _quantised("identity", identity, 127, torch.int8)
    tensors |= _quantised("expression", expression[:, moving], 32767, torch.int16)
    return about, tensors | _texture(len(mean)) | _dense(mean, template, parts)


def _even_landmarks(source: supplied.SuppliedHead) -> Floats:
    """Return the scan's landmarks, each the mean of itself and its partner's mirror image."""
    points = source.mean[source.landmark_vertices].numpy().astype(np.float64)
    return np.asarray((points + points[list(MIRROR_68)] * np.array([-1.0, 1.0, 1.0])) / 2)


def _close_lips(mean: Floats, zones: dict[str, Ints]) -> Floats:
    """Return the mean with its lips just touching; scans rest with a slit between them."""
    points = torch.from_numpy(mean)
    lips = FacingEdges(points, *(torch.from_numpy(zones[f"lip_{n}"]) for n in ("pairs", "upper", "lower")))
    shut = points[None]
    for _ in range(8):
        shut = lips.spread(shut, lambda gap: -0.6 * gap.clamp(max=0.0016))
    return np.asarray(shut[0].numpy())


def _tongue_mode(moves: dict[str, Floats], mean: Floats, template: Template) -> Floats:
    mode = TONGUE_JAW * moves["jawOpen"] + TONGUE_FUNNEL * moves["mouthFunnel"]
    tongue = anatomy.own(template, "tongue")
    mode[tongue] += tongue_out(mean[tongue])
    return mode


def _anchors(template: Template) -> Ints:
    """Return equally many vertices of the upper and of the lower teeth."""
    upper, lower = anatomy.own(template, "upper_teeth"), anatomy.own(template, "lower_teeth")
    count = min(len(upper), len(lower))
    return np.stack([upper[:count:7], lower[:count:7]])


def _bytes(parts: Ints, regions: Floats, shade: Floats) -> dict[str, Tensor]:
    found = {
        "parts": parts,
        "regions": np.rint(regions * 255),
        "occlusion": np.rint(np.clip(shade, 0, 1) * 255),
    }
    return {name: torch.from_numpy(np.asarray(value, np.uint8)) for name, value in found.items()}


def _quantised(name: str, modes: Floats, largest: int, kind: torch.dtype) -> dict[str, Tensor]:
    """Return modes as whole numbers with one scale each."""
    scale = np.maximum(np.abs(modes).max(axis=(1, 2)), 1e-12) / largest
    whole = torch.from_numpy(np.rint(modes / scale[:, None, None])).to(kind)
    return {name: whole, f"{name}_scale": torch.from_numpy(scale.astype(np.float32))}


def _texture(vertices: int) -> dict[str, Tensor]:
    plain = torch.tensor(PLAIN_SKIN).mul(255).round().to(torch.uint8).repeat(vertices, 1)
    return {
        "texture_mean": plain,
        "texture": torch.zeros(0, vertices, 3, dtype=torch.int8),
        "texture_scale": torch.zeros(0),
    }


def _dense(mean: Floats, template: Template, parts: Ints) -> dict[str, Tensor]:
    """Return where the points of the 478-point layout lie."""
    corners, weights = place_layout(read_layout(), mean, template.triangles, parts, template.mirror)
    return {
        "dense_corners": torch.from_numpy(corners.astype(np.int16)),
        "dense_weights": torch.from_numpy(weights.astype(np.float32)),
    }
