"""How good a learned head is: distance to heads it has not seen, and parts that poke through others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phiz.console import Console
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.head import Head
from phiz.face.morphable import Part
from phiz.face.supplied import SuppliedHead
from phiz.graphics import rotation
from phiz.graphics.raster import rasterise
from phiz.train.template.build import Template
from phiz.train.template.chart import Floats, nearest_on
from phiz.train.template.register import Carrier, sample_people

NORMAL_WIDTH = 0.150
"""Head width, in metres, at which errors are quoted."""
VIEWS_DEG = ((0, 0), (30, 12), (-30, -12))
PIXEL = 0.0004
"""Side of a pixel, in metres, when looking for parts that poke through."""
WINDOW = (304, 304)
OUTER = (Part.SKIN, Part.NOSE, Part.UPPER_LIP, Part.LOWER_LIP)
HIDDEN = {
    "teeth": (Part.UPPER_TEETH, Part.LOWER_TEETH, Part.TONGUE),
    "eyes": (Part.LEFT_EYE, Part.RIGHT_EYE),
}


def surface_score(
    head: Head,
    source: SuppliedHead,
    carrier: Carrier,
    template: Template,
    count: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Return mean, 95th percentile and largest distance from unseen scans' skin to the fitted head, in mm."""
    drawn, people = sample_people(source, carrier, count, rng)
    people += template.points - carrier.carry(source.mean.numpy())
    skin = np.unique(template.triangles[template.piece == "skin"])
    modes = head.identity_modes[:, skin].flatten(1).numpy().astype(np.float64)
    mean = head.mean[skin].numpy().astype(np.float64)
    target = (people[:, skin] - mean).reshape(count, -1)
    fitted = np.linalg.solve(modes @ modes.T + 1e-9 * np.eye(len(modes)), modes @ target.T).T
    scanned = np.unique(source.triangles[source.parts <= Part.SHOULDERS].numpy())
    triangles = template.triangles[template.piece == "skin"]
    distances = []
    for coefficients, weights in zip(fitted, drawn, strict=True):
        ours = head.mean.numpy() + np.einsum("i,ivc->vc", coefficients, head.identity_modes.numpy())
        theirs = source.mean.numpy() + np.einsum("i,ivc->vc", weights, source.identity_modes.numpy())
        _, distance = nearest_on(theirs[scanned].astype(np.float64), ours.astype(np.float64), triangles)
        distances.append(distance * NORMAL_WIDTH / _width(head, ours))
    everything = np.concatenate(distances) * 1000
    return {
        "surface_mean_mm": round(float(everything.mean()), 3),
        "surface_p95_mm": round(float(np.quantile(everything, 0.95)), 3),
        "surface_worst_mm": round(float(everything.max()), 3),
    }


def _width(head: Head, points: Floats) -> float:
    """Return the width of the skull without its ears."""
    scalp = torch.unique(head.triangles[head.parts == Part.SCALP]).numpy()
    return float(np.ptp(points[scalp, 0]))


def speech_like(head: Head, count: int, generator: torch.Generator) -> FaceCoeffs:
    """Return faces in the middle of talking, blinking and smiling, of random people."""
    face = neutral(head.sizes, count)
    names = head.expression_names

    def draw() -> Float[Tensor, " n"]:
        return torch.rand(count, generator=generator)

    expression = torch.zeros(count, len(names))
    for name, most in (
        ("jawOpen", 0.7),
        ("mouthFunnel", 0.6),
        ("mouthPucker", 0.7),
        ("mouthClose", 0.7),
        ("mouthRollLower", 0.5),
        ("mouthRollUpper", 0.5),
        ("mouthShrugLower", 0.4),
        ("browInnerUp", 1.0),
    ):
        # Most are near zero at any moment: the square keeps them there.
        expression[:, names.index(name)] = most * draw() ** 2
    for name, most in (
        ("mouthSmile", 0.8),
        ("mouthStretch", 0.5),
        ("mouthPress", 0.5),
        ("mouthUpperUp", 0.5),
        ("mouthLowerDown", 0.5),
        ("eyeBlink", 1.0),
        ("eyeSquint", 0.6),
    ):
        both = most * draw() ** 2
        for side in ("Left", "Right"):
            expression[:, names.index(name + side)] = both
    identity = torch.randn(count, head.sizes.identity, generator=generator).mul(0.8).clamp(-2, 2)
    return replace(face, expression=expression, identity=identity)


def contact_score(head: Head, mixes: int, seed: int, console: Console) -> dict[str, float]:
    """Return how much teeth, tongue and eyeballs show through skin, in mm2, and how far lips overlap, in mm.

    Each face is drawn twice from several sides: whole, and without what should be hidden. A pixel that
    shows a tooth where the outer skin should be is one that pokes through.
    """
    generator = torch.Generator().manual_seed(seed)
    singles = replace(neutral(head.sizes, head.sizes.expression), expression=torch.eye(head.sizes.expression))
    score: dict[str, float] = {}
    for title, faces in (("single", singles), ("mixes", speech_like(head, mixes, generator))):
        worst = {"teeth": 0.0, "eyes": 0.0}
        total = {"teeth": 0.0, "eyes": 0.0}
        for i in console.progress(range(faces.batch), label=f"looking for parts that poke through ({title})"):
            points = head.vertices(faces[i : i + 1])[0]
            tongue = float(faces.expression[i, head.expression_names.index("tongueOut")]) > 0.05
            for kind, area in poking(head, points, tongue).items():
                worst[kind] = max(worst[kind], area)
                total[kind] += area / faces.batch
        gaps = torch.cat(
            [head.lips.gaps(head.vertices(faces[i : i + 16])) for i in range(0, faces.batch, 16)]
        )
        score |= {f"{title}_{kind}_mm2_worst": round(value, 2) for kind, value in worst.items()}
        score |= {f"{title}_{kind}_mm2_mean": round(value, 3) for kind, value in total.items()}
        score[f"{title}_lip_overlap_mm"] = round(max(0.0, -float(gaps.min())) * 1000, 3)
    return score


def poking(head: Head, points: Float[Tensor, "v 3"], tongue_is_out: bool) -> dict[str, float]:
    """Return the area, in mm2 of the worst view, where hidden parts are seen in front of the outer skin."""
    hidden = torch.isin(head.parts, torch.tensor([int(p) for parts in HIDDEN.values() for p in parts]))
    area = dict.fromkeys(HIDDEN, 0.0)
    for yaw, pitch in VIEWS_DEG:
        turn = rotation.from_euler(torch.tensor([pitch, yaw, 0.0]) * torch.pi / 180)
        screen = _screen(points @ turn.T)
        whole = rasterise(screen, head.triangles, *WINDOW).triangle.long()
        cover = head.triangles[~hidden]
        skin = rasterise(screen, cover, *WINDOW).triangle.long()
        parts_seen = torch.where(whole >= 0, head.parts[whole.clamp_min(0)], -1)
        behind = torch.where(skin >= 0, head.parts[~hidden][skin.clamp_min(0)], -1)
        corner = screen[cover]
        edge1, edge2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
        front = (edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]) < 0
        outer = torch.isin(behind, torch.tensor([int(p) for p in OUTER])) & front[skin.clamp_min(0)]
        for kind, parts in HIDDEN.items():
            wanted = [int(p) for p in parts if not (tongue_is_out and p == Part.TONGUE)]
            bad = torch.isin(parts_seen, torch.tensor(wanted)) & outer
            area[kind] = max(area[kind], float(bad.sum()) * (PIXEL * 1000) ** 2)
    return area


def _screen(points: Float[Tensor, "v 3"]) -> Float[Tensor, "v 3"]:
    """Return parallel-projected corners in pixels, the face in the middle of the window."""
    height, width = WINDOW
    x = points[:, 0] / PIXEL + width / 2
    y = -(points[:, 1] + 0.005) / PIXEL + height / 2
    return torch.stack([x, y, 1 - points[:, 2]], dim=1)
