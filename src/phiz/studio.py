"""All networks, loaded once. So far those of speech: what hears a face, and what turns a head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from phiz.checkpoint import SUFFIX
from phiz.errors import MissingError
from phiz.speech import files
from phiz.speech.expression import ExpressionNet
from phiz.speech.head_motion import HEAD
from phiz.speech.head_network import HeadNet
from phiz.speech.mouth_network import MouthNet
from phiz.speech.pose_network import PoseNet

TRAINERS = "phiz train speech"


@dataclass(frozen=True, kw_only=True)
class Studio:
    """Networks that are ready to be used; None stands for one that is not there."""

    expression: MouthNet | ExpressionNet | None = None
    pose: HeadNet | PoseNet | None = None

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
        return Studio.open(files.MOUTH.built_in.parent)

    @staticmethod
    def open(folder: Path) -> "Studio":
        """Return the networks in a folder: ours, or the published ones as they were imported.

        Where both are there, ours are taken.
        """
        mouth, published = _file(folder, files.MOUTH.name), _file(folder, files.EXPRESSION.name)
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
        return Studio(expression=expression, pose=_pose(folder))


def _pose(folder: Path) -> HeadNet | PoseNet | None:
    ours, published = _file(folder, HEAD.name), _file(folder, files.POSE.name)
    if ours.exists():
        return files.load(HEAD, ours)
    return files.load(files.POSE, published) if published.exists() else None


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}{SUFFIX}"
