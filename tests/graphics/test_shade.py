"""Light in nine numbers: the published basis, exact turns, and the light that it stands for."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from phiz.graphics import rotation, shade


def some_normals(count: int = 200, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    normals = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(normals, dim=-1)


def some_light(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_basis_is_the_published_one_written_out() -> None:
    x, y, z = 0.36, -0.48, 0.8
    a = (math.pi, 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8))
    c = (
        1 / math.sqrt(4 * math.pi),
        math.sqrt(3) / math.sqrt(4 * math.pi),
        3 * math.sqrt(5) / math.sqrt(12 * math.pi),
    )
    p, q, r = a[0] * c[0], a[1] * c[1], a[2] * c[2]
    curve = r / (2 * math.sqrt(3)) * (3 * z * z - 1)
    expected = [p, -q * y, q * z, -q * x, r * x * y, -r * y * z, curve, -r * x * z, r / 2 * (x * x - y * y)]
    basis = shade.sh_basis(torch.tensor([x, y, z], dtype=torch.float64))
    torch.testing.assert_close(basis, torch.tensor(expected, dtype=torch.float64))


def test_light_and_surface_that_turn_together_look_the_same() -> None:
    normals, light = some_normals(), some_light(9, 3)
    for angles in ([0.3, -1.2, 2.0], [math.pi, 0.0, 0.0], [0.0, 0.0, math.pi / 2]):
        turn = rotation.from_euler(torch.tensor(angles, dtype=torch.float64))
        turned = shade.irradiance(normals @ turn.T, shade.rotate_light(light, turn))
        torch.testing.assert_close(turned, shade.irradiance(normals, light))


def test_two_turns_of_the_light_are_one() -> None:
    light = some_light(4, 9, 3)
    angles = some_light(2, 4, 3, seed=2)
    first, second = rotation.from_euler(angles).unbind(0)
    twice = shade.rotate_light(shade.rotate_light(light, first), second)
    torch.testing.assert_close(twice, shade.rotate_light(light, second @ first))
    back = shade.rotate_light(twice, rotation.invert(second @ first))
    torch.testing.assert_close(back, light)


def test_batches_of_light_shade_their_own_normals() -> None:
    normals, light = some_normals(10).reshape(2, 5, 3), some_light(2, 9, 3)
    both = shade.irradiance(normals, light)
    for k in range(2):
        torch.testing.assert_close(both[k], shade.irradiance(normals[k], light[k]))
    assert shade.irradiance(some_normals(12).reshape(3, 4, 3), light[0]).shape == (3, 4, 3)


def test_published_light_gets_its_ambient_part() -> None:
    lit = shade.irradiance(some_normals(5), shade.with_ambient(torch.zeros(9, 3, dtype=torch.float64)))
    torch.testing.assert_close(lit, torch.full((5, 3), 0.8 * shade.C0, dtype=torch.float64))


def test_even_surroundings_light_everything_by_one() -> None:
    directions, angles = shade.panorama_directions(32, 64)
    assert angles.sum().item() == pytest.approx(4 * math.pi, rel=1e-5)
    radiance = torch.ones(32 * 64, 3)
    light = shade.light_from_environment(directions.reshape(-1, 3), radiance, angles.reshape(-1))
    lit = shade.irradiance(some_normals().float(), light)
    torch.testing.assert_close(lit, torch.ones(200, 3), atol=2e-3, rtol=0)


def test_light_from_surroundings_is_near_the_irradiance_summed_up() -> None:
    directions, angles = (t.reshape(-1, *t.shape[2:]) for t in shade.panorama_directions(32, 64))
    radiance = (1.5 + directions[:, :1] - directions[:, 1:2] * directions[:, 2:]).expand(-1, 3)
    light = shade.light_from_environment(directions, radiance, angles)
    normals = some_normals(50).float()
    cosine = (normals @ directions.T).clamp(min=0)
    exact = (cosine * angles) @ radiance / math.pi
    torch.testing.assert_close(shade.irradiance(normals, light), exact, atol=5e-3, rtol=0)


def test_a_lamp_in_nine_numbers_is_near_the_lamp_itself() -> None:
    direction = torch.nn.functional.normalize(torch.tensor([0.3, 0.8, 0.5], dtype=torch.float64), dim=0)
    colour = torch.tensor([1.0, 0.5, 0.2], dtype=torch.float64)
    normals = some_normals(1000)
    smooth = shade.irradiance(normals, shade.directional_light(direction, colour))
    sharp = shade.key_light(normals, direction, colour)
    assert (smooth - sharp).abs().max() < 0.1
    straight = shade.irradiance(direction[None], shade.directional_light(direction, colour))[0]
    torch.testing.assert_close(straight, 1.0625 * colour)


def test_a_turned_lamp_is_a_lamp_in_the_turned_direction() -> None:
    direction, colour = some_normals(1)[0], torch.ones(3, dtype=torch.float64)
    turn = rotation.from_euler(torch.tensor([0.5, 0.2, -1.0], dtype=torch.float64))
    turned = shade.rotate_light(shade.directional_light(direction, colour), turn)
    torch.testing.assert_close(turned, shade.directional_light(turn @ direction, colour))


def test_fitting_finds_the_light_that_shaded_the_surface() -> None:
    normals, light = some_normals(500), some_light(9, 3)
    shading = shade.irradiance(normals, light)
    torch.testing.assert_close(shade.fit_light(normals, shading, ridge=1e-12), light, atol=1e-6, rtol=1e-6)
    spoilt = torch.cat([shading[:100] * 0, shading[100:]])
    weights = torch.cat([torch.zeros(100), torch.ones(400)]).double()
    fitted = shade.fit_light(normals, spoilt, weights, ridge=1e-12)
    torch.testing.assert_close(fitted, light, atol=1e-6, rtol=1e-6)


def test_a_key_light_leaves_the_far_side_dark() -> None:
    normals = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    lit = shade.key_light(normals, torch.tensor([0.0, 0.0, 1.0]), torch.ones(3))
    assert lit.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_shading_has_the_gradients_of_finite_differences() -> None:
    normals, light = some_normals(3).requires_grad_(), some_light(9, 2).requires_grad_()
    turn = rotation.from_euler(torch.tensor([0.5, 0.2, -1.0], dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(shade.irradiance, (normals, light))
    assert torch.autograd.gradcheck(shade.rotate_light, (light, turn))
