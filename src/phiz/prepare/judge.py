"""Whether a picture is fit to learn from: what is measured, what is asked for, why pictures are dropped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz.face import warp
from phiz.face.align import Crop
from phiz.face.candidates import FoundFace
from phiz.face.landmarks import SPARSE, FacePoints

LUMA = (0.299, 0.587, 0.114)
MIDDLE = 0.2
"""Share of a crop's side that is left out on each side where light and sharpness are measured."""
BLUR = 9
"""Pixels of the average that a picture is held against to see how sharp it is."""
HASH_SIDE = 16
"""A picture's hash has the square of this many bits."""
EVEN = 0.005
"""Differences in brightness below this are none to the hash."""
BLACK, WHITE = 0.02, 0.98
EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a picture must be like."""

    small: float = 0.5
    """Least width of a pixel of the crop in pixels of the picture; 0.5 enlarges it to twice its size."""
    sharp: float = 0.3
    """Least sharpness, from 0 to 1, at half the crop's size."""
    dark: float = 0.12
    """Least mean brightness of the face, from 0 to 1."""
    bright: float = 0.88
    """Greatest mean brightness of the face."""
    clipped: float = 0.35
    """Greatest share of the face that is purely black or white."""
    seen: float = 0.6
    """Least share of the crop that the picture shows; the rest lies beyond its edges."""
    outside: float = 0.02
    """Greatest share of the face's points that lie beyond the edges."""
    second_face: float = 0.4
    """Greatest size of another face, as a share of the largest one's."""
    sure: float = 0.5
    """Least confidence in the points, from 0 to 1."""
    yaw_deg: float = 60.0
    """Greatest turn to a side."""
    pitch_deg: float = 40.0
    """Greatest turn up or down."""
    agreeing: float = 0.5
    """Least share of points that agree with the fitted head."""
    duplicate: int = 8
    """Pictures of a person whose hashes (256 bits) differ in no more bits are the same; -1 keeps all."""

    def __post_init__(self) -> None:
        shares = ("sharp", "dark", "bright", "clipped", "seen", "outside", "second_face", "sure", "agreeing")
        wrong = [name for name in shares if not 0 <= getattr(self, name) <= 1]
        if wrong:
            raise ValueError(f"--limits.{wrong[0].replace('_', '-')} lies between 0 and 1")
        if self.small < 0 or self.yaw_deg < 0 or self.pitch_deg < 0:
            raise ValueError("--limits.small, --limits.yaw-deg and --limits.pitch-deg are not negative")


class Reason(NamedTuple):
    """Why something is dropped."""

    meaning: str
    advice: str


REASONS: Mapping[str, Reason] = {
    "unreadable": Reason("no picture, damaged, or too large", "save it anew as JPEG or PNG"),
    "no face": Reason("no face was found", "cut it closer, or try another --detector"),
    "several faces": Reason("another large face is in it", "cut out one of them: phiz align --face"),
    "points unsure": Reason("the face is hidden, or it is none", "look at it"),
    "too small": Reason("the face has too few pixels for --size", "take a smaller --size"),
    "cut by the edge": Reason("a part of the face lies beyond the edge", "use the uncut picture"),
    "too dark": Reason("the face is nearly black", "brighten it, or lower --limits.dark"),
    "too bright": Reason("the face is nearly white", "darken it, or raise --limits.bright"),
    "blurred": Reason(
        "the face is out of focus, moved or enlarged", "take a smaller --size, or sharper ones"
    ),
    "extreme pose": Reason("the head is turned too far", "raise --limits.yaw-deg or --limits.pitch-deg"),
    "no fit": Reason("no head fits the points", "look at it"),
    "duplicate": Reason("the person has the same picture already", "lower --limits.duplicate to keep it"),
    "film unreadable": Reason("the film is damaged or of an unknown kind", "convert it to mp4"),
    "sound unreadable": Reason("the sound is damaged or of an unknown kind", "convert it to wav"),
    "sound silent": Reason("nothing is to be heard", "check the microphone or the export"),
    "sound of nobody": Reason("none of the person's pictures was kept", "mend the pictures"),
}
"""In the order in which they are looked for."""


def wrong_with_faces(faces: Sequence[FoundFace], limits: Limits) -> str:
    """Return why the faces of a picture are not one face; nothing if they are."""
    if not faces:
        return "no face"
    largest, *others = sorted((face.size for face in faces), reverse=True)
    return "several faces" if others and others[0] > limits.second_face * largest else ""


def measured(
    picture: Float[Tensor, "3 h w"], points: FacePoints, crop: Crop, shrunk: float = 1.0
) -> dict[str, float]:
    """Return what can be measured of a face's crop; `shrunk` is what the picture was shrunk by before."""
    height, width = picture.shape[1:]
    dense = points.xy[0, SPARSE:]
    edge = dense.new_tensor([width, height])
    outside = ((dense < 0) | (dense > edge)).any(dim=1).float().mean()
    side = crop.picture.shape[-1]
    margin = round(MIDDLE * side)
    face = grey(crop.picture)[margin : side - margin, margin : side - margin]
    clipped = ((face <= BLACK) | (face >= WHITE)).float().mean()
    return {
        "sure": float(points.score[0]),
        "small": float(warp.size_of(crop.photo_from_crop)) / shrunk,
        "outside": float(outside),
        "seen": float(crop.seen.mean()),
        "brightness": float(face.mean()),
        "clipped": float(clipped),
        "sharp": sharpness(crop.picture),
    }


def wrong_with_crop(found: Mapping[str, float], limits: Limits) -> tuple[str, str]:
    """Return why a crop is dropped, and by how much it misses; nothing twice if it is fit."""
    if found["sure"] < limits.sure:
        return "points unsure", f"confidence {found['sure']:.2f}"
    if found["small"] < limits.small:
        return "too small", f"{found['small']:.2f} pixels for one of the crop"
    if found["outside"] > limits.outside:
        return "cut by the edge", f"{found['outside']:.0%} of the points lie outside"
    if found["seen"] < limits.seen:
        return "cut by the edge", f"the picture shows {found['seen']:.0%} of the crop"
    if found["brightness"] < limits.dark:
        return "too dark", f"brightness {found['brightness']:.2f}"
    if found["brightness"] > limits.bright:
        return "too bright", f"brightness {found['brightness']:.2f}"
    if found["clipped"] > limits.clipped:
        kind = "too dark" if found["brightness"] < 0.5 else "too bright"
        return kind, f"{found['clipped']:.0%} are purely black or white"
    if found["sharp"] < limits.sharp:
        return "blurred", f"sharpness {found['sharp']:.2f}"
    return "", ""


def wrong_with_fit(pitch: float, yaw: float, agreeing: float, limits: Limits) -> tuple[str, str]:
    """Return why a fitted head (angles in radians) is dropped, and the detail; nothing twice if it is fit."""
    if agreeing < limits.agreeing:
        return "no fit", f"{agreeing:.0%} of the points agree"
    up, across = math.degrees(abs(pitch)), math.degrees(abs(yaw))
    if across > limits.yaw_deg:
        return "extreme pose", f"turned {across:.0f} degrees to a side"
    if up > limits.pitch_deg:
        return "extreme pose", f"turned {up:.0f} degrees up or down"
    return "", ""


def sharpness(crop: Float[Tensor, "3 s s"]) -> float:
    """Return how sharp the middle of a crop is at half its size, from 0 (blurred) to 1.

    How much of the differences between neighbours a blur takes away ("The Blur Effect", Crete et al., 2007),
    along the axis where it takes less: a moved camera blurs one of them. Half the size, because few photos
    are sharp to the last pixel. Measured on portraits: 0.43 to 0.7, below 0.3 once details are lost.
    """
    side = max(crop.shape[-1] // 2, 2 * BLUR)
    half = _smaller(crop, side, side)
    margin = round(MIDDLE * side)
    middle = half[margin : side - margin, margin : side - margin]
    return min(_lost(middle), _lost(middle.mT))


def perceptual_hash(crop: Float[Tensor, "3 s s"]) -> str:
    """Return 256 bits as hexadecimal digits: which of 16 x 16 areas are darker than their right neighbours.

    Copies at other sizes and qualities differ in a few bits, other pictures of a person in dozens. Even areas
    are not compared: noise would decide.
    """
    areas = _smaller(crop, HASH_SIDE, HASH_SIDE + 1)
    bits = (areas.diff(dim=1) > EVEN).flatten().tolist()
    number = int("".join("1" if bit else "0" for bit in bits), 2)
    return f"{number:0{HASH_SIDE * HASH_SIDE // 4}x}"


def grey(picture: Float[Tensor, "3 h w"]) -> Float[Tensor, "h w"]:
    """Return the brightness of each pixel, from 0 to 1."""
    weights = picture.new_tensor(LUMA)
    return (picture * weights[:, None, None]).sum(dim=0) / 2 + 0.5


def _smaller(crop: Float[Tensor, "3 s s"], height: int, width: int) -> Float[Tensor, "h2 w2"]:
    return functional.interpolate(grey(crop)[None, None], (height, width), mode="area")[0, 0]


def _lost(lines: Float[Tensor, "h w"]) -> float:
    """Return the share of differences along the lines that averaging over neighbours takes away."""
    soft = functional.avg_pool2d(lines[None, None], (1, BLUR), stride=1)[0, 0]
    lines = lines[:, BLUR // 2 : lines.shape[1] - BLUR // 2]
    differences, left = lines.diff(dim=1).abs(), soft.diff(dim=1).abs()
    total = float(differences.sum())
    return float((differences - left).clamp(min=0).sum()) / total if total > EPSILON else 0.0
