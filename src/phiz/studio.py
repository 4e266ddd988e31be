"""All networks, loaded once: what hears a face, what turns a head, what draws people, what fills mouths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import nn

from phiz.animate.lipaint_network import LIPAINT, LipaintNet
from phiz.avatar.encoder_network import ENCODER, EncoderNet
from phiz.checkpoint import SUFFIX
from phiz.errors import MissingError
from phiz.face.network_files import PARSER, REGRESSOR
from phiz.face.parse import Parser
from phiz.face.regress import Regressor
from phiz.generator import store
from phiz.generator.generator import Generator
from phiz.speech import files
from phiz.speech.expression import ExpressionNet
from phiz.speech.head_motion import HEAD
from phiz.speech.head_network import HeadNet
from phiz.speech.mouth_network import MouthNet
from phiz.speech.pose_network import PoseNet
from phiz.trained import WEIGHTS, Kind, load

N = TypeVar("N", bound=nn.Module)

TRAINERS = "phiz train speech"
FACEMODEL = f"facemodel{SUFFIX}"
"""The head model of imported networks, in their folder."""


@dataclass(frozen=True, kw_only=True)
class Studio:
    """Networks that are ready to be used; None stands for one that is not there."""

    expression: MouthNet | ExpressionNet | None = None
    pose: HeadNet | PoseNet | None = None
    generator: Generator | None = None
    lipaint: LipaintNet | None = None
    encoder: EncoderNet | None = None
    parser: Parser | None = None
    regressor: Regressor | None = None
    sources: tuple[Path, ...] = ()
    """The files that the networks of speech came from."""
    facemodel: Path | None = None
    """The head model that the networks speak of, where it is not the built-in one."""

    @property
    def basis(self) -> str:
        """Return the head model whose expressions are heard, nothing without a network."""
        return self.expression.config.basis if self.expression is not None else ""

    @property
    def names(self) -> tuple[str, ...]:
        """Return what the modes of that head are called, nothing where they have no names."""
        return self.expression.config.names if self.expression is not None else ()

    @staticmethod
    def built_in() -> "Studio":
        """Return the networks that came with phiz."""
        if not files.MOUTH.built_in.exists():
            raise MissingError(
                "this copy of phiz has no built-in network that hears expressions. Train one with "
                f"{TRAINERS!r}, or name a folder that holds one."
            )
        return Studio.open(WEIGHTS)

    @staticmethod
    def of(folder: Path | None) -> "Studio":
        """Return the networks in a folder, those that came with phiz without one."""
        return Studio.built_in() if folder is None else Studio.open(folder)

    @staticmethod
    def open(folder: Path) -> "Studio":
        """Return the networks in a folder: ours, or the published ones as they were imported.

        Where both are there, ours are taken. A network of speech has to be among them.
        """
        mouth, published = _file(folder, files.MOUTH.name), _file(folder, files.EXPRESSION.name)
        sources = [path for path in (mouth, published) if path.exists()][:1]
        sources += [path for path in (_file(folder, HEAD.name),) if path.exists()]
        expression: MouthNet | ExpressionNet
        if mouth.exists():
            expression = files.load(files.MOUTH, mouth)
        elif published.exists():
            expression = files.load(files.EXPRESSION, published)
        else:
            raise MissingError(
                f"{folder} holds neither {mouth.name} nor {published.name}. Train one with {TRAINERS!r}, or "
                "import the published ones: phiz import sadtalker"
            )
        drawn, head = _file(folder, store.GENERATOR), folder / FACEMODEL
        return Studio(
            expression=expression,
            pose=_pose(folder),
            sources=tuple(sources),
            generator=store.load(drawn) if drawn.exists() else None,
            lipaint=_network(LIPAINT, folder),
            encoder=_network(ENCODER, folder),
            parser=_network(PARSER, folder),
            regressor=_network(REGRESSOR, folder),
            facemodel=head if head.exists() else None,
        )

    def drawing(self) -> Generator:
        """Return what draws people; the built-in generator where the studio has none of its own."""
        return self.generator if self.generator is not None else store.load()


def _pose(folder: Path) -> HeadNet | PoseNet | None:
    ours = _network(HEAD, folder)
    return ours if ours is not None else _network(files.POSE, folder)


def _network(kind: Kind[N], folder: Path) -> N | None:
    path = _file(folder, kind.name)
    return load(kind, path) if path.exists() else None


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}{SUFFIX}"
