"""Cuts around faces against numbers and pixels recorded from the published alignments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from phiz.face import align, warp
from phiz.media import image

COMMITTED = Path(__file__).parent / "goldens"
NOTHING = "no recorded alignments are at hand; name their folder with --goldens"
FILE = "io.safetensors"
CLOSE = 1e-6
"""Relative to the photo's size."""
PIXEL_SHADE = 1e-4
"""Of a resampled picture: the recorded one was made in float32 on a grid of its own."""


@dataclass(frozen=True)
class Alignments:
    """A folder of recorded alignments."""

    path: Path
    label: str

    @cached_property
    def names(self) -> frozenset[str]:
        with safe_open(self.path / FILE, framework="pt") as file:
            return frozenset(file.keys())

    def __getitem__(self, name: str) -> Tensor:
        with safe_open(self.path / FILE, framework="pt") as file:
            return file.get_tensor(name)

    def photo(self, case: str) -> Tensor | None:
        """Return the photo of a case as bytes; None where it was not kept."""
        found = next((name for name in (f"{case}/image", "image") if name in self.names), None)
        return None if found is None else self[found]

    def size(self, case: str) -> tuple[int, int]:
        """Return the height and width of a case's photo."""
        photo = self.photo(case)
        height, width = self["size"].tolist() if photo is None else photo.shape[:2]
        return height, width


def _alignments_in(root: Path, mark: str) -> list[Alignments]:
    """Return the recordings anywhere in a folder, known by what they hold."""
    found = [Alignments(file.parent, mark + file.parent.name) for file in sorted(root.rglob(FILE))]
    return [one for one in found if any(name.endswith(("/lm_y_up", "norm/M")) for name in one.names)]


def _cases(kind: str, recorded: Alignments) -> list[str]:
    mark = {"placed": "/lm_y_up", "turned": "/M", "warped": "/out112"}[kind]
    return sorted(name.removesuffix(mark) for name in recorded.names if name.endswith(mark))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test every recorded case of the kind that its argument names."""
    for kind in {"placed", "turned", "warped"} & set(metafunc.fixturenames):
        goldens: Path = metafunc.config.getoption("--goldens")
        sets = [*_alignments_in(COMMITTED, "committed/"), *_alignments_in(goldens, "")]
        found = [(one, case) for one in sets for case in _cases(kind, one)]
        marked = found or [pytest.param(None, marks=pytest.mark.skip(reason=NOTHING))]
        metafunc.parametrize(kind, marked, ids=[f"{one.label}:{case}" for one, case in found] or None)


def _downwards(upwards: Tensor, height: int) -> Tensor:
    """Return points as phiz counts them, of points counted from pixel centres with y up."""
    wide = upwards.double()
    return torch.stack([wide[:, 0] + 0.5, height - 1 - wide[:, 1] + 0.5], dim=1)


def _from_pixel_centres(matrix: Tensor) -> Tensor:
    """Return a map of pixel coordinates, of one between points counted from pixel centres."""
    half = warp.scaling(1, 1, 0.5, 0.5)
    return warp.join(half, warp.join(matrix.double(), warp.invert(half)))


def test_faces_are_placed_as_recorded(placed: tuple[Alignments, str], check: Callable[..., None]) -> None:
    recorded, case = placed
    height, width = recorded.size(case)
    face = _downwards(recorded[f"{case}/lm_y_up"], height)
    frame = align.regression_frame(face, height, width)
    found = torch.tensor([width, height, frame.scale, *frame.shift], dtype=torch.float64)
    allowed = CLOSE * max(height, width)
    pixels = max(frame.scale, 1.0) * allowed
    check(recorded, f"{case}/trans_params", found, recorded[f"{case}/trans_params"], tolerance=allowed)
    check(
        recorded,
        f"{case}/lm_aligned",
        frame.published(face),
        recorded[f"{case}/lm_aligned"],
        tolerance=pixels,
    )


def test_crops_have_the_recorded_pixels(placed: tuple[Alignments, str], check: Callable[..., None]) -> None:
    recorded, case = placed
    pixels = recorded.photo(case)
    if pixels is None or f"{case}/aligned" not in recorded.names:
        pytest.skip(f"{recorded.label} keeps no pictures of {case}")
    face = _downwards(recorded[f"{case}/lm_y_up"], pixels.shape[0])
    crop = align.regression(image.from_bytes(pixels), face)
    found = image.to_bytes(crop.picture).double()
    check(recorded, f"{case}/aligned", found, recorded[f"{case}/aligned"].double(), tolerance=1)
    assert (found != recorded[f"{case}/aligned"]).double().mean() < 1e-3


def test_similarities_match(turned: tuple[Alignments, str], check: Callable[..., None]) -> None:
    recorded, case = turned
    face = _downwards(recorded[f"{case}/lm68"], align.REGRESSION_SIZE)
    found = warp.invert(align.recognition_frame(face))
    expected = _from_pixel_centres(recorded[f"{case}/M"])
    check(recorded, f"{case}/M", found, expected, tolerance=CLOSE * align.REGRESSION_SIZE)


def test_warped_faces_match(warped: tuple[Alignments, str], check: Callable[..., None]) -> None:
    """Pictures run from 0 to 1 here, as recorded; the map is the case's own or the folder's."""
    recorded, case = warped
    own = f"{case}/M"
    crop_from_photo = _from_pixel_centres(recorded[own if own in recorded.names else "norm/M"])
    size = recorded[f"{case}/out112"].shape[-2:]
    found = warp.sample(
        recorded[f"{case}/image"][None],
        warp.invert(crop_from_photo)[None],
        (size[0], size[1]),
        fill=0.0,
        is_smooth=False,
    )
    check(recorded, f"{case}/out112", found, recorded[f"{case}/out112"], tolerance=PIXEL_SHADE)
