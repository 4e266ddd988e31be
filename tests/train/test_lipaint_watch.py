"""What is looked at: a network that is right has no error, one that adds nothing has all of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from lipaint_fixtures import coded
from plain_head import plain_head
from torch import nn

from phiz.animate import lipaint_network
from phiz.animate.lipaint_network import LipaintNet
from phiz.face import models
from phiz.train import lipaint_stream, lipaint_watch
from phiz.train.lipaint_config import PRESETS, PeopleConfig
from phiz.train.lipaint_stream import Stage
from phiz.world import code
from phiz.world.grown.hair_cards import styles_for

HEAD = plain_head()


@pytest.fixture(scope="module")
def stage() -> Stage:
    generator = coded(code.code_layout(HEAD, styles_for(HEAD)))
    return lipaint_stream.open_stage(generator, HEAD, PeopleConfig(faces=10))


@pytest.fixture
def nothing() -> LipaintNet:
    """Return a network that adds nothing."""
    network = LipaintNet(lipaint_network.TINY).eval().requires_grad_(False)
    nn.init.zeros_(network.fc4.weight)
    nn.init.zeros_(network.fc4.bias)
    return network


def test_adding_nothing_has_all_of_the_error(stage: Stage, nothing: LipaintNet) -> None:
    errors = lipaint_watch.style_errors(PRESETS["DEBUG"], nothing, stage)
    assert errors == {"of codes": pytest.approx(1), "of others": pytest.approx(1)}
    drawn = lipaint_watch.mouth_errors(nothing, stage, HEAD, 1, 0.36)
    assert drawn["before"] == pytest.approx(drawn["after"])
    assert drawn["before"] > 0


def test_a_network_that_is_right_draws_the_truth(
    stage: Stage, nothing: LipaintNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = lipaint_watch.looks(HEAD)
    w, true, _ = lipaint_watch.faces_of(nothing, stage, HEAD, 0)

    def added(self: LipaintNet, styles: torch.Tensor, expression: torch.Tensor) -> torch.Tensor:
        assert torch.equal(expression, faces)
        torch.testing.assert_close(styles, w[:, 0].expand(len(faces), -1))
        return true[:, 0] - w[:, 0]

    monkeypatch.setattr(LipaintNet, "added", added)
    drawn = lipaint_watch.mouth_errors(nothing, stage, HEAD, 1, 0.36)
    assert drawn["after"] < 1e-5 < drawn["before"]


def test_only_styles_of_the_volume_have_the_look(stage: Stage, nothing: LipaintNet) -> None:
    w, true, made = lipaint_watch.faces_of(nothing, stage, HEAD, 0)
    volume = stage.generator.config.volume_styles
    for styles in (true, made):
        assert torch.equal(styles[:, volume:], w[:, volume:].expand(len(styles), -1, -1))
    torch.testing.assert_close(true[:1], w)
    assert not torch.allclose(true[3], w[0])


def test_sheets_have_a_row_of_truth_and_one_of_ours(stage: Stage, nothing: LipaintNet) -> None:
    size, count = stage.generator.config.resolution, len(lipaint_watch.LOOKS)
    sheet: Callable[..., torch.Tensor] = lipaint_watch.sheet
    both = sheet(nothing, stage.generator, HEAD, stage, 2)
    assert both.shape == (3, 4 * size, count * size)
    alone = sheet(nothing, stage.generator, HEAD, None, 2)
    assert alone.shape == (3, 2 * size, count * size)
    first = both[:, size : 2 * size].unflatten(2, (count, size))  # ours: nobody's mouth moves
    torch.testing.assert_close(first, first[:, :, :1].expand_as(first))


def test_squares_stay_inside_the_picture() -> None:
    camera = lipaint_watch.front(torch.device("cpu"))
    rows, columns = lipaint_watch.square(camera, torch.tensor([0.0, 0.0, -0.05]), 0.5, 32)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (16, 16)
    assert columns.start == 8
    assert rows.start > 8  # z is up
    rows, _ = lipaint_watch.square(camera, torch.tensor([0.0, 0.0, -0.2]), 0.5, 32)
    assert rows == slice(16, 32)


def test_looks_open_the_mouth_of_the_built_in_head() -> None:
    head = models.open_model(models.BUILT_IN)
    opened = lipaint_watch.looks(head)[:, head.expression_names.index("jawOpen")]
    assert opened[:4].tolist() == pytest.approx([0.0, 0.3, 0.6, 1.0])
