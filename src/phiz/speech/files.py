"""Kinds of networks of speech, as `phiz.trained` keeps them in files."""

from __future__ import annotations

from phiz.speech.expression import ExpressionConfig, ExpressionNet
from phiz.speech.mouth_network import MouthConfig, MouthNet
from phiz.speech.pose_network import PoseConfig, PoseNet
from phiz.trained import Kind, about, load, save

__all__ = ["EXPRESSION", "MOUTH", "POSE", "Kind", "about", "load", "save"]

EXPRESSION = Kind(
    name="speech_expression", config=ExpressionConfig, make=ExpressionNet, trainer="phiz train speech"
)
MOUTH = Kind(name="speech_mouth", config=MouthConfig, make=MouthNet, trainer="phiz train speech")
POSE = Kind(name="speech_pose", config=PoseConfig, make=PoseNet, trainer="phiz train pose")
