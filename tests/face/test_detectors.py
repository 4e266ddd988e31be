"""Detectors are started by name; what is not installed is named with its remedy."""

from __future__ import annotations

import sys

import pytest

from phiz.errors import MissingError
from phiz.face import detectors
from phiz.face.candidates import Detector
from phiz.face.detect import BuiltInDetector


def test_without_a_name_it_is_our_own() -> None:
    with detectors.started() as found:
        assert isinstance(found, BuiltInDetector)
        assert isinstance(found, Detector)


@pytest.mark.parametrize(("name", "module"), [("mediapipe", "mediapipe"), ("opencv", "cv2")])
def test_one_that_is_not_installed_says_how_to_get_it(
    name: detectors.Name, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingError, match="pip install"), detectors.started(name):
        pass
