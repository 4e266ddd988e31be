"""What is wrong about mouths: nothing where styles are right, and the light of before is kept."""

from __future__ import annotations

import pytest
import torch
from plain_head import plain_head

from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.graphics.camera import project
from phiz.train import lipaint_losses
from phiz.train.lipaint_stream import Acts
from phiz.world import portrait


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def generator() -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Generator(TINY).eval().requires_grad_(False)


def test_adding_nothing_costs_one_and_what_is_right_costs_nothing() -> None:
    w, true = drawn(5, 10), drawn(5, 10, seed=1)
    assert float(lipaint_losses.style_loss(true, true, w)) == 0
    assert float(lipaint_losses.style_loss(w, true, w)) == pytest.approx(1)
    assert float(lipaint_losses.style_loss((w + true) / 2, true, w)) == pytest.approx(0.25)


def test_mouths_are_below_the_middle_of_the_picture() -> None:
    place = lipaint_losses.mouth_place(plain_head())
    front = portrait.view_camera(torch.zeros(1), torch.zeros(1))
    u, v, _ = project(front, place[None, None])[0, 0].tolist()
    assert abs(u) < 0.05
    assert abs(v) < 1


def test_squares_lie_about_the_mouth_from_all_sides() -> None:
    place = torch.tensor([0.06, 0.0, -0.05])
    camera = lipaint_losses.cameras(6, torch.Generator().manual_seed(0))
    uv = lipaint_losses.mouth_points(place, camera, 0.25, 32)
    assert uv.shape == (6, 64, 2)
    middle = project(camera, place.expand(6, 1, 3))[:, 0, :2]
    torch.testing.assert_close(uv.mean(1), middle)
    torch.testing.assert_close(uv[:, 1, 0] - uv[:, 0, 0], torch.full((6,), 2 / 32))
    assert (uv.amax(1) - uv.amin(1)).max() < 0.5


def test_mouths_are_what_whole_pictures_show_there(generator: Generator) -> None:
    w = drawn(1, TINY.w_size)
    camera = portrait.view_camera(torch.tensor([0.2]), torch.tensor([0.1]))
    colour, features = lipaint_losses.mouths(generator, w, camera, generator.pixels(8)[None, 20:30])
    styles = w[:, None].expand(-1, TINY.styles, -1)
    prepared = generator.prepare(styles)._replace(behind=None)
    whole = generator.render(prepared, camera)
    torch.testing.assert_close(colour[0], whole.small[0].flatten(1).T[20:30])
    torch.testing.assert_close(features[0], whole.features[0].flatten(1).T[20:30])


def test_right_styles_draw_right_mouths_and_wrong_ones_learn(generator: Generator) -> None:
    w, true = drawn(2, TINY.w_size), drawn(2, TINY.w_size, seed=1)
    camera = lipaint_losses.cameras(2, torch.Generator().manual_seed(0))
    uv = lipaint_losses.mouth_points(torch.tensor([0.06, 0.0, -0.05]), camera, 0.5, 8)
    same = Acts(true, drawn(2, 52), true)  # who did not move has the light of before
    for value in lipaint_losses.mouth_loss(generator, true, same, camera, uv).values():
        assert float(value) == pytest.approx(0, abs=1e-6)
    made = w.clone().requires_grad_(True)
    found = lipaint_losses.mouth_loss(generator, made, Acts(w, drawn(2, 52), true), camera, uv)
    torch.autograd.backward(found["colours"] + found["features"])
    assert made.grad is not None
    assert made.grad.norm(dim=1).min() > 0


def test_another_light_is_taken_off_but_the_dark_stays_dark() -> None:
    before = torch.rand(1, 40, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    after = before - 0.2
    after[:, 20:25] = -1
    light = (after.mean(-1) + 1).clamp(min=0)
    light[:, :20] = light[:, 25:] = 0.8
    found = lipaint_losses.as_before(after, before, light)
    torch.testing.assert_close(found[:, :20], before[:, :20])
    torch.testing.assert_close(found[:, 20:25], torch.full((1, 5, 3), -1.0))
    torch.testing.assert_close(found[:, 25:], before[:, 25:])
