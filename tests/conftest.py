"""What all tests share: checked shapes, one thread, the golden numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch
from jaxtyping import install_import_hook

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCE = REPOSITORY / "src"
GOLDENS = REPOSITORY.parent / "shared" / "goldens"


def _checked_modules() -> list[str]:
    """Return the modules whose shapes are checked: all but those that numba has to compile as they are.

    A module with compiled functions is checked as well once it hands numba the plain functions.
    """
    checked = []
    for path in sorted((SOURCE / "phiz").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        is_ready = "numba" not in text or "no_type_check" in text or "inspect.unwrap" in text
        if is_ready and path.name != "__init__.py":
            checked.append(".".join(path.relative_to(SOURCE).with_suffix("").parts))
    return checked


# Before anything imports phiz: wrong shapes and types are errors in tests, and cost nobody else anything.
install_import_hook(_checked_modules(), "shape_check.check")
torch.set_num_threads(1)
hypothesis.settings.register_profile("phiz", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("phiz")

pytest_plugins = ["head_fixtures", "avatar_fixtures"]


@pytest.fixture(autouse=True, scope="session")
def _own_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sign films with a key of the tests, not with that of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHIZ_KEYS", str(tmp_path_factory.mktemp("keys")))
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--goldens",
        type=Path,
        default=GOLDENS,
        help="folder of numbers recorded from the published networks (default: ../shared/goldens)",
    )


@pytest.fixture(scope="session")
def goldens(request: pytest.FixtureRequest) -> Path:
    """Return the folder of golden numbers; skip the test where it is not at hand."""
    folder: Path = request.config.getoption("--goldens")
    if not folder.is_dir():
        pytest.skip(f"no golden numbers in {folder}; name their folder with --goldens")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the repository."""
    return REPOSITORY
