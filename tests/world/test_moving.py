"""Bundles of tensors on other devices."""

from __future__ import annotations

import torch

from phiz.world.drawn.moving import moved
from phiz.world.drawn.shading import Lamp, Light


def test_every_tensor_of_a_nested_bundle_moves() -> None:
    lamp = Lamp(direction=torch.ones(3), colour=torch.ones(3), softness=0.2, visible=torch.ones(4))
    light, number = moved((Light(ambient=torch.zeros(9, 3), open=torch.ones(4), lamps=(lamp,)), 5), "meta")
    assert number == 5
    assert {light.ambient.device.type, light.open.device.type, light.lamps[0].visible.device.type} == {"meta"}
    assert light.lamps[0].softness == 0.2
