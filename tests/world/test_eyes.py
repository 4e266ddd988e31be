"""Eyes: where they look, and that a lit eye is alive."""

from __future__ import annotations

import torch

from phiz.graphics import rotation
from phiz.world.body import eyes
from phiz.world.body.eyes import EyePoints, Socket
from phiz.world.drawn.shading import Lamp, Light
from phiz.world.people import Eyes

LOOK = Eyes(colour=(0.12, 0.2, 0.3), inner=(0.3, 0.2, 0.1), iris_radius=0.5, pupil=0.35, redness=0.1, seed=4)
LIDS = torch.tensor([[-14.0, 0, 7], [-5, 6, 11], [5, 6, 11], [14, 0, 7], [5, -5, 11], [-5, -5, 11]]) / 1000


def _ball(count: int = 400) -> torch.Tensor:
    points = torch.randn(count, 3, generator=torch.Generator().manual_seed(2))
    return torch.nn.functional.normalize(points, dim=-1)


def _socket() -> Socket:
    return Socket(centre=torch.zeros(3), axes=torch.eye(3), head=torch.eye(3), lids=LIDS)


def _light(count: int, bright: float = 1.0) -> Light:
    direction = torch.nn.functional.normalize(torch.tensor([0.3, 0.25, 1.0]), dim=0)
    lamp = Lamp(
        direction=direction, colour=torch.full((3,), bright), softness=0.15, visible=torch.ones(count)
    )
    return Light(ambient=torch.zeros(9, 3), open=torch.ones(count), lamps=(lamp,))


def _front(spread: float = 0.55) -> torch.Tensor:
    steps = torch.linspace(-spread, spread, 41)
    y, x = torch.meshgrid(steps * 0.5, steps, indexing="ij")
    return torch.nn.functional.normalize(torch.stack([x, y, torch.ones_like(x)], -1).reshape(-1, 3), dim=-1)


def _seen(local: torch.Tensor) -> EyePoints:
    view = torch.tensor([0.0, 0.0, 1.0]).expand_as(local)
    return EyePoints(place=local * 0.012, local=local, view=view, footprint=1e-4)


def test_orientation_is_found_from_the_vertices_alone() -> None:
    local = _ball()
    turn = rotation.from_euler(torch.tensor([0.2, -0.4, 0.1]))
    centre = torch.tensor([0.03, 0.04, 0.08])
    found, axes = eyes.socket_axes(local @ turn.T * 0.012 + centre, local)
    torch.testing.assert_close(axes, turn, atol=1e-4, rtol=0)
    torch.testing.assert_close(found, centre, atol=1e-5, rtol=0)


def test_the_pupil_is_dark_and_the_white_is_white() -> None:
    middle = torch.tensor([[0.0, 0, 1], [0.62, -0.05, 0.78]])
    _, albedo = eyes.shade(_seen(torch.nn.functional.normalize(middle, dim=-1)), _socket(), LOOK, _light(2))
    assert float(albedo[0].max()) < 0.02
    assert float(albedo[1].min()) > 0.25


def test_a_lamp_shows_as_a_small_bright_spot() -> None:
    local = _front()
    lit, _ = eyes.shade(_seen(local), _socket(), LOOK, _light(len(local)))
    bright = lit.mean(1) > 0.7
    assert 0 < int(bright.sum()) < 0.1 * len(local)
    dark, _ = eyes.shade(_seen(local), _socket(), LOOK, _light(len(local), 0.0))
    assert float(dark.abs().max()) < 1e-6


def test_the_upper_lid_shades_the_eye() -> None:
    local = torch.nn.functional.normalize(torch.tensor([[0.45, 0.28, 1.0], [0.45, 0.05, 1.0]]), dim=-1)
    lit, albedo = eyes.shade(_seen(local), _socket(), LOOK, _light(2))
    share = lit / albedo
    assert float(share[0].mean()) < float(share[1].mean())
