"""An encoder begins at the mean face and tells each thing by name; its cameras are the generator's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from phiz import trained
from phiz.avatar import encoder_network
from phiz.avatar.encoder_network import BUILTIN, ENCODER, ENCODERS, TINY, EncoderConfig, EncoderNet
from phiz.face import network_files
from phiz.face.landmarks import BUILTIN as LANDMARKS
from phiz.generator.config import BUILTIN_256, FFHQ_256
from phiz.generator.config import TINY as TINY_GENERATOR
from phiz.generator.generator import Generator
from phiz.layers.folding import folded
from phiz.world.portrait import view_camera


def _network(config: EncoderConfig = TINY) -> EncoderNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return EncoderNet(config).eval().requires_grad_(False)


def _pictures(count: int = 3, size: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_a_new_encoder_tells_nearly_the_mean_style_and_a_frontal_camera() -> None:
    network = _network()
    styles = torch.randn(200, TINY.w_size, generator=torch.Generator().manual_seed(2)) * 3 + 1
    network.begin(styles)
    told = network(_pictures())
    away = (told.styles - styles.mean(dim=0)) / styles.std(dim=0)
    assert float(away.abs().max()) < 0.5
    assert float(told.yaw.abs().max()) < 0.5
    assert float(told.background.abs().max()) < 0.5


def test_what_is_told_is_what_a_generator_draws_from() -> None:
    network, generator = _network(), Generator(TINY_GENERATOR).eval()
    told = network(_pictures())
    assert encoder_network.fits(TINY, TINY_GENERATOR)
    assert told.styles.shape == (3, TINY_GENERATOR.styles, TINY_GENERATOR.w_size)
    with torch.no_grad():
        made = generator.render(told.styles, told.camera, background=told.background).image
    assert made.shape == (3, 3, 32, 32)


def test_a_row_of_styles_stands_for_its_layers() -> None:
    first = TINY_GENERATOR.volume_styles
    network = _network(replace(TINY, rows=(first, TINY_GENERATOR.styles - first)))
    styles = network(_pictures()).styles
    assert torch.equal(styles[:, :first], styles[:, :1].expand(-1, first, -1))
    assert torch.equal(styles[:, first:], styles[:, -1:].expand(-1, styles.shape[1] - first, -1))
    assert not torch.equal(styles[:, 0], styles[:, -1])


def test_pictures_of_any_size_are_read_at_the_networks_own() -> None:
    network = _network()
    small = _pictures(size=TINY.size)
    large = small.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    torch.testing.assert_close(
        network(large).styles, network(encoder_network.resized(large, TINY.size)).styles
    )
    assert encoder_network.resized(small, TINY.size) is small


def test_an_encoder_made_ready_tells_the_same() -> None:
    network = _network()
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr]
            norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    with torch.no_grad():
        plain, ready = network(_pictures()), folded(network)(_pictures())
    for name, value in plain.__dict__.items():
        torch.testing.assert_close(getattr(ready, name), value, rtol=1e-4, atol=1e-5)


def test_a_part_of_what_is_told_is_that_of_some_pictures() -> None:
    told = _network()(_pictures())
    torch.testing.assert_close(told[1:].styles, told.styles[1:])
    torch.testing.assert_close(told[1:].camera.world_from_camera, told.camera.world_from_camera[1:])


def test_angles_of_cameras_are_those_they_were_made_of() -> None:
    yaw, pitch = torch.tensor([0.3, -0.8, 0.0]), torch.tensor([-0.2, 0.3, 0.1])
    found = encoder_network.angles_of(view_camera(yaw, pitch))
    torch.testing.assert_close(found, torch.stack([yaw, pitch], dim=1), rtol=1e-4, atol=1e-5)


def test_a_file_in_half_precision_holds_the_same_encoder(tmp_path: Path) -> None:
    network = _network()
    trained.save(tmp_path / "encoder.safetensors", ENCODER, network, is_half=True)
    found = trained.load(ENCODER, tmp_path / "encoder.safetensors")
    assert found.config == TINY
    told, again = network(_pictures()), found(_pictures())
    assert float((told.styles - again.styles).abs().max()) < 0.02 * float(told.styles.abs().max())


def test_the_built_in_encoder_is_small_and_its_first_layers_are_those_that_find_landmarks() -> None:
    with torch.device("meta"):
        networks = {name: EncoderNet(config) for name, config in ENCODERS.items()}
    count = sum(one.numel() for one in networks["BUILTIN"].state_dict().values())
    assert 2 * count < 4 * 2**20  # bytes, in half precision
    assert BUILTIN.widths[:-1] == LANDMARKS.widths
    assert BUILTIN.blocks[:-1] == LANDMARKS.blocks
    assert network_files.LANDMARKS.name == "landmarks"


def test_an_encoder_fits_the_generator_that_it_was_made_for_alone() -> None:
    made = encoder_network.config_for(FFHQ_256)
    assert encoder_network.fits(made, FFHQ_256)
    assert not encoder_network.fits(made, BUILTIN_256)
    assert encoder_network.fits(BUILTIN, replace(BUILTIN_256, background_latent=3))


@pytest.mark.parametrize(
    "wrong", [{"size": 100}, {"size": 16}, {"rows": ()}, {"rows": (0, 2)}, {"hidden": 0}, {"w_size": 0}]
)
def test_sizes_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"pixels|row|positive"):
        replace(TINY, **wrong)  # type: ignore[arg-type]
