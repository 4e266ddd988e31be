"""Judges look at pictures: gradients reach the network, and only the mouth may change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from plain_head import plain_head

from phiz.animate import lipaint_network
from phiz.animate.lipaint_network import LipaintNet
from phiz.errors import UsageError
from phiz.face import align, models, network_files
from phiz.face import regress as regressors
from phiz.face.identity import config as identity
from phiz.face.identity import networks, store
from phiz.face.network_files import LANDMARKS, REGRESSOR
from phiz.face.points import FIVE_FROM_68
from phiz.face.regress import Regressor
from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.train import lipaint_alone
from phiz.train.lipaint_alone import Judges
from phiz.train.lipaint_config import AloneConfig, PeopleConfig
from phiz.train.lipaint_stream import chance_at

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def generator() -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Generator(TINY).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def judges() -> Judges:
    """Return judges of whom two have learned nothing, but whose answers depend on what they see."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        regressor = Regressor(regressors.TINY)
        for head in regressor.final_layers:
            torch.nn.init.normal_(head.weight, std=0.1)
    recogniser = networks.begin(identity.TINY, torch.Generator().manual_seed(0))
    for network in (regressor, recogniser):
        network.eval().requires_grad_(False)
    return Judges(
        head=models.open_model(models.BUILT_IN),
        finder=network_files.load(LANDMARKS),
        regressor=regressor,
        recogniser=recogniser,
    )


def made() -> LipaintNet:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return LipaintNet(lipaint_network.TINY)


def faces(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 52, generator=torch.Generator().manual_seed(2))


def test_everything_that_judges_say_reaches_the_network(generator: Generator, judges: Judges) -> None:
    config = AloneConfig(identity_weight=1.0)
    some = lipaint_alone.asked(generator, faces(), chance_at(0, 0, 0))
    for name in ("mouth", "keep", "small", "identity"):
        network = made()
        found = lipaint_alone.losses(config, generator, network, judges, some)
        assert list(found) == ["mouth", "keep", "small", "identity"]
        found[name].backward()
        assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters()), name


def test_adding_nothing_keeps_everything_but_the_mouth_wrong(generator: Generator, judges: Judges) -> None:
    network = made()
    torch.nn.init.zeros_(network.fc4.weight)
    torch.nn.init.zeros_(network.fc4.bias)
    some = lipaint_alone.asked(generator, faces(), chance_at(0, 0, 0))
    network.requires_grad_(False)
    found = lipaint_alone.losses(AloneConfig(identity_weight=1.0), generator, network, judges, some)
    assert float(found["keep"]) == float(found["small"]) == 0
    assert float(found["identity"]) == pytest.approx(0, abs=1e-5)
    heavy = lipaint_alone.losses(AloneConfig(expression_weight=2.0), generator, network, judges, some)
    torch.testing.assert_close(heavy["mouth"], 2 * found["mouth"])


def test_people_follow_from_the_chance_and_have_one_style(generator: Generator) -> None:
    one, same, other = (lipaint_alone.asked(generator, faces(), chance_at(0, k, 0)) for k in (0, 0, 1))
    assert torch.equal(one.styles, same.styles)
    assert torch.equal(one.camera.world_from_camera, same.camera.world_from_camera)
    assert not torch.equal(one.styles, other.styles)
    assert torch.equal(one.styles[:, 0], one.styles[:, -1])


def test_the_box_holds_the_mouth_and_room_to_open() -> None:
    lips = torch.tensor([[[12.0, 20.0], [20.0, 20.0], [16.0, 18.0], [16.0, 22.0]]])
    box = lipaint_alone.mouth_box(lips, 48)[0, 0]
    assert float(box[20, 16]) > 0.95
    assert float(box[26, 16]) > 0.8
    assert float(box[20, 40]) < 0.01
    assert float(box[2, 16]) < 0.01
    torch.testing.assert_close(box[:40], box[:40].flip(0))


def test_crops_are_those_of_the_published_way_but_for_rounding() -> None:
    picture = torch.nn.functional.interpolate(
        torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1,
        size=(224, 224),
        mode="bicubic",
    ).clamp(-1, 1)
    five = torch.tensor([[80.0, 90.0], [140.0, 90.0], [110.0, 130.0], [85.0, 160.0], [135.0, 160.0]])
    points = torch.zeros(68, 2)
    for at, group in zip(five, FIVE_FROM_68, strict=True):
        points[list(group)] = at
    crop = lipaint_alone.regressed(picture, points[None], 224)[0]
    expected = align.regression(picture[0], points).picture
    assert float((crop - expected).abs().mean()) < 0.02


def test_what_the_mouth_does_is_measured_in_metres() -> None:
    head = models.open_model(models.BUILT_IN)
    still, opened = torch.zeros(2, 1, 52)
    opened = opened.clone()
    opened[0, head.expression_names.index("jawOpen")] = 1
    apart = (lipaint_alone.lips(head, opened) - lipaint_alone.lips(head, still)).norm(dim=-1)
    assert 0.01 < float(apart.max()) < 0.06


def test_faces_of_heads_without_names_are_chance() -> None:
    config = PeopleConfig(faces=5)
    named = plain_head()
    assert lipaint_alone.all_faces(named, config).shape == (6, 52)
    other = replace(named, expression_names=tuple(f"mode {k}" for k in range(52)))
    found = lipaint_alone.all_faces(other, config)
    assert found.shape == (5, 52)
    assert float(found.min()) < 0


def test_judges_of_another_head_are_refused(judges: Judges, tmp_path: Path) -> None:
    other = Regressor(replace(regressors.TINY, expression=7))
    network_files.save(tmp_path / "other.safetensors", REGRESSOR, other)
    config = AloneConfig(regressor=tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="belong together"):
        lipaint_alone.open_judges(config, plain_head(), CPU)
    network_files.save(tmp_path / "mine.safetensors", REGRESSOR, judges.regressor)
    assert judges.recogniser is not None
    store.save(tmp_path / "who.safetensors", judges.recogniser)
    asked = AloneConfig(
        regressor=tmp_path / "mine.safetensors", recogniser=tmp_path / "who.safetensors", identity_weight=1.0
    )
    found = lipaint_alone.open_judges(asked, plain_head(), CPU)
    assert found.recogniser is not None
    assert (
        lipaint_alone.open_judges(replace(asked, identity_weight=0.0), plain_head(), CPU).recogniser is None
    )
