"""Our own head, read once for all tests of this folder."""

from __future__ import annotations

import pytest
from torch import Tensor

from phiz.face.coeffs import neutral
from phiz.face.head import Head, built_in


@pytest.fixture(scope="session")
def head() -> Head:
    return built_in()


@pytest.fixture(scope="session")
def resting(head: Head) -> Tensor:
    """Return the neutral face."""
    return head.vertices(neutral(head.sizes))[0]
