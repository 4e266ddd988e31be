"""What the tests of the trainer of regressors share."""

from __future__ import annotations

import pytest

from phiz.face import head as heads
from phiz.face.head import Head


def own_head() -> Head:
    """Return our own head; skip the test where it is not at hand."""
    if not heads.BUILT_IN.is_file():
        pytest.skip("no head model")
    return heads.built_in()
