"""``phiz measure avatars``: how well avatars talk, turn and blink, beside what the world would have painted.

A rendered person may be painted with any face and from any side, so all that an avatar does can be compared
with the truth. There are avatars of three kinds: `seed` (tuned to the painted person), `photo` (made of one
painted picture of them, as of any photo) and `plain` (what the generator makes of their code alone).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from phiz import checkpoint
from phiz.animate.animate import Look, Stage
from phiz.avatar import framing, invert, seeds, sittings
from phiz.avatar.avatar import Avatar
from phiz.avatar.invert import INVERT
from phiz.avatar.tune import TUNE
from phiz.console import Console
from phiz.face import align, closeup, landmarker, landmarks, warp
from phiz.face.coeffs import Motion, concatenate
from phiz.face.identity import store
from phiz.face.identity.networks import embed, unit
from phiz.face.points import lips_open
from phiz.generator.generator import Generator
from phiz.layers import filters
from phiz.media import image
from phiz.metrics import likeness, sync, talking
from phiz.metrics.truth import Sitter, Truth, cut, painted, resting, sitting
from phiz.options import option
from phiz.speech.speak import speak
from phiz.studio import Studio
from phiz.train.gan_watch import tiled

HELLO = Path(__file__).parent / "weights" / "hello.flac"
YAWS_DEG = (-30.0, -15.0, 0.0, 15.0, 30.0)
REACH_S = 0.4
"""By which a mouth is looked for as late or early."""
SHOWN = 9
"""Moments on a sheet."""
CROWD_FROM = 10_000
"""The first of the strangers among whom somebody has to be told."""
LOOKS = 2
EYES = talking.EYES[0] + talking.EYES[1]
QUIET = 12
"""Frames with a head that does not turn, in which is looked for what flickers."""

Kind = Literal["seed", "photo", "plain"]
Numbers = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class MeasureAvatarsConfig:
    """Whose avatars to measure."""

    seeds: tuple[int, ...] = (5, 7, 13)
    """People of the world."""
    kinds: tuple[Kind, ...] = ("seed", "photo", "plain")
    """How their avatars are made: tuned to the painted person, from one picture of them, by code alone."""
    seconds: float | None = None
    """How long to tune; as long as `phiz avatar` would without."""
    sound: Path = HELLO
    """What they say."""
    every: int = 3
    """Take every so-manieth frame of it."""
    crowd: int = 16
    """Strangers among whom they have to be told."""
    networks: Path | None = None
    """Folder of other networks than the built-in ones."""
    look: Look = field(default=Look())
    output: Path = option(Path("avatars"), "-o", "--output")
    """Folder for numbers and sheets."""

    def __post_init__(self) -> None:
        if not self.seeds or not self.kinds or min(self.seeds) < 0:
            raise ValueError("name people with --seeds 0 or more, and at least one of --kinds")
        if self.every < 1 or self.crowd < 1 or (self.seconds is not None and self.seconds <= 0):
            raise ValueError("--every, --crowd and --seconds must be positive")


class Drawn(NamedTuple):
    """An avatar's frames, and the truth as its camera would see it."""

    pictures: Float[Tensor, "t 3 s s"]
    truth: Truth


def measure_avatars(config: MeasureAvatarsConfig, console: Console) -> Mapping[str, object]:
    """Measure avatars of people of the world beside the truth: talking, turning and blinking.

    Examples:
        phiz measure avatars -o measured
        phiz measure avatars --seeds 7 --kinds photo --seconds 50 -o measured
    """
    studio = Studio.built_in() if config.networks is None else Studio.open(config.networks)
    judge = Judge(studio.drawing().config.resolution, config.crowd)
    told: dict[str, dict[str, Numbers]] = {kind: {} for kind in config.kinds}
    for seed in config.seeds:
        sitter = sitting(seed)
        motion = said(config, sitter, studio)
        for kind in config.kinds:
            console.say(f"person {seed}, {kind}:")
            begun = time.perf_counter()
            someone = made(kind, sitter, studio, config.seconds)
            seconds = time.perf_counter() - begun
            stage = Stage.of(someone, config.look, studio)
            numbers, sheet = judge.measured(stage, sitter, kind, motion)
            told[kind][str(seed)] = {"seconds to make": seconds, **numbers}
            image.write(config.output / f"{kind}_{seed}.png", sheet)
    return _told(config, told, console)


def said(config: MeasureAvatarsConfig, sitter: Sitter, studio: Studio) -> Motion:
    """Return frames, not all, of somebody who says the sound."""
    motion = speak(config.sound, sitter.who.scene.coeffs, studio)
    return replace(motion[:: config.every], fps=motion.fps / config.every)


def made(kind: Kind, sitter: Sitter, studio: Studio, seconds: float | None) -> Avatar:
    """Return somebody's avatar."""
    generator = studio.drawing()
    if kind == "seed":
        config = TUNE if seconds is None else replace(TUNE, seconds=seconds)
        return sittings.of_seed(generator, sitter.seed, config=config)
    if kind == "photo":
        size = generator.config.resolution
        photo = painted(sitter, resting(sitter, 1), size, is_photo=True).pictures[0]
        wish = INVERT if seconds is None else replace(INVERT, seconds=seconds)
        return invert.of_photo(photo, generator, wish, encoder=studio.encoder, parser=studio.parser)
    return by_code(sitter, generator)


def by_code(sitter: Sitter, generator: Generator) -> Avatar:
    """Return somebody as a generator draws their code, nothing tuned."""
    code = seeds.at_rest(sitter.who.code, sitter.head)
    return seeds.of_code(generator, code, sitter.who.background_code[None], sitter.head)


class Judge:
    """Compares frames with the truth; a class because networks are read and a crowd is painted once."""

    def __init__(self, size: int, crowd: int) -> None:
        self.size = size
        finder = landmarker.built_in()
        self.finder, self.closer = finder.network, finder.closer
        self.looks = looks()
        faces = [self.face_of(sitting(CROWD_FROM + number)) for number in range(crowd)]
        self.crowd = [torch.cat(same) for same in zip(*faces, strict=True)]

    def face_of(self, sitter: Sitter) -> list[Float[Tensor, "1 _"]]:
        """Return what tells somebody's true face at rest from others, in each way of looking."""
        truth = painted(sitter, resting(sitter, 1), self.size)
        points = self.found(truth.pictures, truth.points)
        return [look(truth.pictures, points) for look in self.looks.values()]

    def found(
        self, pictures: Float[Tensor, "t 3 s s"], near: Float[Tensor, "t 68 2"]
    ) -> Float[Tensor, "t 68 2"]:
        """Return the landmarks that our network finds near others."""
        frames = landmarks.frame_around(near)
        seen = landmarks.locate(self.finder, pictures, frames, looks=LOOKS)
        return closeup.refined(self.closer, pictures, seen).sparse

    def measured(
        self, stage: Stage, sitter: Sitter, kind: Kind, motion: Motion
    ) -> tuple[Numbers, Float[Tensor, "3 h w"]]:
        """Return all numbers of an avatar, and a sheet: the truth above, what is drawn below."""
        talk = self.talk(stage, sitter, kind, motion)
        blink = self.talk(stage, sitter, kind, _blinking(sitter))
        turn = self.turn(stage, sitter, kind)
        middle = max((len(motion) - QUIET) // 2, 0)
        quiet = _held(motion[middle : middle + QUIET])
        numbers = {
            **self.pictures(talk),
            **self.shapes(talk, motion.fps),
            **flickering(self.talk(stage, sitter, kind, quiet)),
            **self.lids(blink),
            **self.sameness(talk, self.face_of(sitter)),
            **_turned(turn),
        }
        moments = sorted({round(k * (len(motion) - 1) / (SHOWN - 1)) for k in range(SHOWN)})
        return numbers, sheet(talk, moments, blink, turn)

    def talk(self, stage: Stage, sitter: Sitter, kind: Kind, motion: Motion) -> Drawn:
        """Return somebody's avatar moving, and the truth as their camera sees it."""
        batch = stage.look.batch
        starts = range(0, len(motion), batch)
        shown = torch.cat([stage.draw(motion[start : start + batch]) for start in starts])
        truth = painted(sitter, motion, self.size, is_photo=kind == "photo")
        frame = stage.avatar.photo_from_crop
        if kind == "photo" and frame is not None:
            truth = cut(truth, frame.expand(len(motion), -1, -1), self.size)
        return Drawn(shown, truth)

    def turn(self, stage: Stage, sitter: Sitter, kind: Kind) -> Drawn:
        """Return somebody at rest from several sides, and the truth.

        How near a head in a photo was to the lens nobody knows, so there the truth is laid under what is
        drawn by the landmarks of both.
        """
        yaws = [math.radians(yaw) for yaw in YAWS_DEG]
        one = resting(sitter, 1)
        # A camera that goes to a head's left sees it turned to its right.
        cameras = [invert.beside(stage.avatar.camera, -yaw, 0.0) for yaw in yaws]
        shown = torch.cat([stage.draw(one, camera) for camera in cameras])
        truth = painted(sitter, resting(sitter, len(yaws)), self.size, yaws, is_photo=kind == "photo")
        frame = stage.avatar.photo_from_crop
        if kind == "photo" and frame is not None:
            whole = frame.double().expand(len(yaws), -1, -1)
            points = self.found(shown, warp.apply(warp.invert(whole), truth.points)).double()
            pairs = zip(points, truth.points.double(), strict=True)
            truth = cut(truth, torch.stack([framing.similarity(*pair) for pair in pairs]), self.size)
        return Drawn(shown, truth)

    def pictures(self, talk: Drawn) -> Numbers:
        """Return how alike pictures are, about the mouth and on the whole face."""
        drawn, truth = talk
        mouth = talking.box_around(truth.points[:, list(talking.MOUTH)], self.size)
        return {
            "mouth PSNR, dB": _mean(likeness.psnr(drawn, truth.pictures, mouth)),
            "mouth SSIM": _mean(likeness.ssim(drawn, truth.pictures, mouth)),
            "mouth's inside too bright, steps of 255": _mean(
                talking.brighter(drawn, truth.pictures, truth.inside)
            ),
            "face PSNR, dB": _mean(likeness.psnr(drawn, truth.pictures, truth.face)),
            "face SSIM": _mean(likeness.ssim(drawn, truth.pictures, truth.face)),
        }

    def shapes(self, talk: Drawn, fps: float) -> Numbers:
        """Return how far points are off, and how the mouth follows the true one."""
        drawn, truth = talk
        ours, seen = self.found(drawn, truth.points), self.found(truth.pictures, truth.points)
        told: Numbers = {
            "landmarks off, % of eyes": 100 * _mean(talking.points_off(ours, seen)),
            "mouth's landmarks off, % of eyes": 100 * _mean(talking.points_off(ours, seen, talking.MOUTH)),
            "eyes' landmarks off, % of eyes": 100 * _mean(talking.points_off(ours, seen, EYES)),
        }
        true = lips_open(truth.points)
        reach = max(round(REACH_S * fps), 1)
        for name, points in {"mouth": ours, "mouth of the truth, as found": seen}.items():
            opening = lips_open(points)
            follows = sync.following(opening, true, reach)
            told[f"{name} r"] = follows.correlation
            told[f"{name} late, ms"] = 1000 * follows.lag / fps
            told[f"{name} opens, of the true"] = float(opening.std() / true.std())
        return told

    def lids(self, blink: Drawn) -> Numbers:
        """Return how far lids close: by points, and by how much of what changes in truth changes here."""
        drawn, truth = blink
        told: Numbers = {}
        for name, points in {
            "lids left open": self.found(drawn, truth.points),
            "lids left open in truth, as found": self.found(truth.pictures, truth.points),
            "lids left open in truth": truth.points,
        }.items():
            rest, shut = talking.lids_open(points).tolist()
            told[name] = shut / rest
        eyes = sum(talking.box_around(truth.points[:1, list(eye)], self.size) for eye in talking.EYES)
        assert isinstance(eyes, Tensor)
        change = talking.followed(drawn.diff(dim=0), truth.pictures.diff(dim=0), eyes)
        return {
            **told,
            "blink's change, of the true": float(change.share[0]),
            "blink's change r": float(change.correlation[0]),
        }

    def sameness(self, talk: Drawn, own: list[Float[Tensor, "1 _"]]) -> Numbers:
        """Return whether somebody stays themselves, by the built-in features of a face and by the recogniser.

        Features are no recogniser's: they tell faces apart by light and colour too.
        """
        told: Numbers = {}
        for name, pictures in {"": talk.pictures, " in truth": talk.truth.pictures}.items():
            points = self.found(pictures, talk.truth.points)
            for (what, look), mine, others in zip(self.looks.items(), own, self.crowd, strict=True):
                known = talking.known(look(pictures, points), torch.cat([mine, others]), 0)
                told[f"{what} nearest to their own{name}"] = _mean(known.nearest.float())
                told[f"{what}' likeness to their own{name}"] = _mean(known.likeness)
        return told


def looks() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Return ways to tell faces apart: pictures and their landmarks to numbers, by what these are called."""
    ways: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"features": features}
    if store.BUILT_IN.is_file():
        network = store.load()

        def recognised(pictures: Tensor, points: Tensor) -> Tensor:
            crops = functional.interpolate(
                faces_of(pictures, points), network.config.size, mode="bilinear", antialias=True
            )
            return unit(embed(network, crops, is_mirrored=True))

        ways["embeddings"] = recognised
    return ways


def features(pictures: Float[Tensor, "t 3 s s"], points: Float[Tensor, "t 68 2"]) -> Float[Tensor, "t n"]:
    """Return features of faces, cut out upright and at one size."""
    return filters.picture_features(faces_of(pictures, points))


def faces_of(
    pictures: Float[Tensor, "t 3 s s"], points: Float[Tensor, "t 68 2"]
) -> Float[Tensor, "t 3 112 112"]:
    """Return faces as recognisers see them."""
    side = align.RECOGNITION_SIZE
    return warp.sample(pictures, align.recognition_frame(points), (side, side))


def sheet(talk: Drawn, moments: list[int], blink: Drawn, turn: Drawn) -> Float[Tensor, "3 h w"]:
    """Return the truth above what is drawn: moments of speech; then a blink, and all sides."""
    above = [*talk.truth.pictures[moments]], [*talk.pictures[moments]]
    below = (
        [*blink.truth.pictures, *turn.truth.pictures],
        [*blink.pictures, *turn.pictures],
    )
    columns = max(len(above[0]), len(below[0]))
    blank = torch.ones_like(talk.pictures[0])
    rows = [row + [blank] * (columns - len(row)) for row in (*above, *below)]
    return tiled(torch.stack([one for row in rows for one in row]), columns)


def flickering(quiet: Drawn) -> Numbers:
    """Return how much flickers of what should rest, of a head that does not turn."""
    drawn, truth = quiet
    on_person = talking.flicker(drawn, truth.pictures, (truth.person > 0.99).float())
    everywhere = talking.flicker(drawn, truth.pictures)
    return {
        "flicker of what rests, steps of 255": _mean(everywhere.change),
        "the same on the person": _mean(on_person.change),
        "share of the person that rests": _mean(on_person.resting),
    }


def _turned(turn: Drawn) -> Numbers:
    person = likeness.psnr(turn.pictures, turn.truth.pictures, turn.truth.person)
    return {
        f"person PSNR at {yaw:+.0f} degrees, dB": float(value)
        for yaw, value in zip(YAWS_DEG, person, strict=True)
    }


def _held(motion: Motion) -> Motion:
    """Return the same on a head that does not turn."""
    nothing = torch.zeros_like(motion.rotation)
    return replace(motion, rotation=nothing, translation=nothing)


def _blinking(sitter: Sitter) -> Motion:
    """Return a frame with open eyes and one with closed ones."""
    one = resting(sitter, 1)
    return concatenate([one, replace(one, blink=torch.ones_like(one.blink))])


def _mean(values: Float[Tensor, " n"]) -> float:
    return float(values.nanmean())


def _told(
    config: MeasureAvatarsConfig, told: dict[str, dict[str, Numbers]], console: Console
) -> Mapping[str, object]:
    """Write all numbers, and show their means over people."""
    for people in told.values():
        names = next(iter(people.values()))
        people["mean"] = {name: _mean(torch.tensor([one[name] for one in people.values()])) for name in names}
    with checkpoint.atomic(config.output / "numbers.json") as path:
        path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    rows = next(iter(told.values()))["mean"]
    console.table(
        ["measure", *told], [[name, *(f"{told[kind]['mean'][name]:.4g}" for kind in told)] for name in rows]
    )
    console.say(f"Sheets and numbers are in {config.output}.")
    return {"output": str(config.output), **{kind: people["mean"] for kind, people in told.items()}}
