"""What is told of rendered people costs nothing where it is true, and something where it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import regress_fixtures
import seeing_fixtures
import torch
from torch import Tensor

from phiz.face.coeffs import FaceCoeffs
from phiz.face.head import Head
from phiz.train import photo_changes
from phiz.train.regress_config import TruthWeights
from phiz.train.regress_sources import open_world
from phiz.train.regress_stream import STILL, cropped, joined
from phiz.train.regress_told import Crops, truth_losses
from phiz.train.regress_truth import Truth, Yardstick, project, stand, truth_of, yardstick


@pytest.fixture(scope="module")
def head() -> Head:
    return regress_fixtures.own_head()


@pytest.fixture(scope="module")
def stick(head: Head) -> Yardstick:
    return yardstick(head, 200)


@pytest.fixture(scope="module")
def known(head: Head, stick: Yardstick, tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, Crops]:
    """Return the truth about two people, and crops that the fixed camera could have taken."""
    folder = seeing_fixtures.write_people(tmp_path_factory.mktemp("people") / "shards", count=2)
    source, rng = open_world(folder), np.random.default_rng(0)
    batch = joined(
        [cropped(source.read(k), STILL, photo_changes.NONE, 64, None, rng) for k in range(source.count)]
    )
    assert batch.face is not None
    assert batch.seen is not None
    truth = truth_of(head, batch.face, batch.seen, stick.vertices)
    marks = stick.at(truth.face.identity, truth.face.expression)[:, :68]
    crops = Crops(
        pictures=batch.pictures.float() / 255,
        skin=batch.skin[:, None].float() / 255,
        landmarks=project(stand(marks, truth.face)),
        counts=batch.counts,
    )
    return truth, crops


def found(
    head: Head, stick: Yardstick, known: tuple[Truth, Crops], told: FaceCoeffs, **weights: float
) -> dict[str, Tensor]:
    return truth_losses(head, stick, told, *known, TruthWeights(**weights))


def test_the_truth_costs_nothing_but_its_colours(
    head: Head, stick: Yardstick, known: tuple[Truth, Crops]
) -> None:
    losses = found(head, stick, known, known[0].face)
    assert float(losses.pop("colours")) > 0.1  # light and texture are not known beforehand
    for name, value in losses.items():
        assert float(value) == pytest.approx(0, abs=1e-4), name


@pytest.mark.parametrize(
    ("part", "losses"),
    [
        ("identity", {"identity", "vertices", "landmarks"}),
        ("expression", {"expression", "vertices", "landmarks"}),
        ("rotation", {"rotation", "landmarks"}),
        ("translation", {"translation", "landmarks"}),
        ("gaze", {"gaze"}),
        ("jaw", {"jaw"}),
        ("light", {"gamma", "colours"}),
        ("texture", {"texture", "colours"}),
    ],
)
def test_what_is_wrong_is_what_costs(
    head: Head, stick: Yardstick, known: tuple[Truth, Crops], part: str, losses: set[str]
) -> None:
    face = known[0].face
    off = 0.1 * torch.randn(getattr(face, part).shape, generator=torch.Generator().manual_seed(0))
    before = found(head, stick, known, face)
    after = found(head, stick, known, replace(face, **{part: getattr(face, part) + off}))
    changed = {name for name in after if abs(float(after[name] - before[name])) > 1e-4}
    assert changed == losses


def test_light_and_texture_are_found_from_the_colours_of_the_crop(
    head: Head, stick: Yardstick, known: tuple[Truth, Crops]
) -> None:
    face = known[0].face
    light, texture = face.light.clone().requires_grad_(), face.texture.clone().requires_grad_()
    adam = torch.optim.Adam([light, texture], lr=0.06)
    values = []
    for _ in range(25):
        adam.zero_grad()
        colours = found(head, stick, known, replace(face, light=light, texture=texture))["colours"]
        torch.autograd.backward(colours)
        adam.step()
        values.append(float(colours.detach()))
    assert values[-1] < 0.6 * values[0]


def test_closed_eyes_look_nowhere(head: Head, stick: Yardstick, known: tuple[Truth, Crops]) -> None:
    truth, crops = known
    names = list(head.expression_names)
    shut = truth.face.expression.clone()
    shut[:, [names.index("eyeBlinkLeft"), names.index("eyeBlinkRight")]] = 1
    face = replace(truth.face, expression=shut)
    told = replace(face, gaze=face.gaze + 0.3)
    assert float(found(head, stick, (replace(truth, face=face), crops), told)["gaze"]) == 0


def test_weights_scale_losses_and_zero_leaves_them_out(
    head: Head, stick: Yardstick, known: tuple[Truth, Crops]
) -> None:
    told = replace(known[0].face, gaze=known[0].face.gaze + 0.1)
    one, two = (found(head, stick, known, told, gaze=weight, colours=0) for weight in (1.0, 2.0))
    assert float(two["gaze"]) == pytest.approx(2 * float(one["gaze"]))
    assert "colours" not in one
