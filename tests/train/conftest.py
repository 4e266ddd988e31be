"""What the tests of trainers share."""

from __future__ import annotations

from gan_fixtures import begin, faces, few_portraits, whole

__all__ = ["begin", "faces", "few_portraits", "whole"]
