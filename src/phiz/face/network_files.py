"""Kinds of networks that see faces, as `phiz.trained` keeps them in files."""

from __future__ import annotations

from phiz.face.closeup import CloseupConfig, CloseupNet
from phiz.face.detect_network import DetectConfig, FaceFinder
from phiz.face.landmarks import LandmarkConfig, LandmarkNet
from phiz.face.parse import ParseConfig, Parser
from phiz.face.regress import RegressConfig, Regressor
from phiz.trained import Kind, about, load, save

__all__ = ["CLOSEUP", "DETECTOR", "LANDMARKS", "PARSER", "REGRESSOR", "Kind", "about", "load", "save"]

PARSER = Kind(name="parser", config=ParseConfig, make=Parser, trainer="phiz train parse")
DETECTOR = Kind(name="detector", config=DetectConfig, make=FaceFinder, trainer="phiz train detector")
LANDMARKS = Kind(name="landmarks", config=LandmarkConfig, make=LandmarkNet, trainer="phiz train landmarks")
CLOSEUP = Kind(name="closeup", config=CloseupConfig, make=CloseupNet, trainer="phiz train closeup")
REGRESSOR = Kind(name="regressor", config=RegressConfig, make=Regressor, trainer="phiz train regress")
