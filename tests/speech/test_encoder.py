"""The audio encoder: thirteen convolutions down to one column of numbers, plain, folded, few at a time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from phiz.layers.folding import folded
from phiz.speech import encoder
from phiz.speech.encoder import STEPS, audio_encoder, heard


@pytest.fixture(scope="module")
def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return audio_encoder(encoder.TINY).eval().requires_grad_(False)


def windows(count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 1, 80, 16, generator=torch.Generator().manual_seed(seed))


def test_maps_shrink_as_published() -> None:
    with torch.device("meta"):
        x, sizes = torch.empty(1, 1, 80, 16), []
        for block in audio_encoder(encoder.PUBLISHED).eval():
            x = block(x)
            sizes.append(tuple(x.shape[1:]))
    expected = [*[(32, 80, 16)] * 3, *[(64, 27, 16)] * 3, *[(128, 9, 6)] * 3, *[(256, 3, 3)] * 2]
    assert sizes == [*expected, (512, 1, 1), (512, 1, 1)]


def test_names_and_number_of_values_are_the_published_ones() -> None:
    with torch.device("meta"):
        made = audio_encoder(encoder.PUBLISHED)
    values = made.state_dict()
    assert len(values) == 13 * 7
    assert {"0.conv_block.0.weight", "12.conv_block.1.running_var"} <= set(values)
    assert sum(v.numel() for name, v in values.items() if "tracked" not in name) == 2_817_088


def test_what_goes_in_is_added_where_sizes_stay() -> None:
    assert [number for number, step in enumerate(STEPS) if step.is_residual] == [1, 2, 4, 5, 7, 8, 10]
    block = encoder.Block(2, 2, STEPS[1]).eval()
    nn.init.zeros_(block.conv_block[0].weight)
    nn.init.zeros_(block.conv_block[0].bias)
    x = torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    assert torch.equal(block(x), x.clamp(min=0))


def test_few_at_a_time_hear_the_same_as_all_at_once(network: nn.Sequential) -> None:
    together = network(windows(23)).flatten(1)
    torch.testing.assert_close(heard(network, windows(23)), together, atol=1e-6, rtol=0)
    assert heard(network, windows(0)).shape == (0, 6)


def test_folded_hears_the_same(network: nn.Sequential) -> None:
    plain = heard(network, windows(5))
    torch.testing.assert_close(heard(folded(network), windows(5)), plain, atol=1e-5, rtol=0)
    half = heard(folded(network, dtype=torch.bfloat16), windows(5))
    assert half.dtype == torch.float32
    assert (half - plain).norm() < 0.03 * plain.norm()


def test_while_it_learns_all_windows_are_one_batch() -> None:
    learning = audio_encoder(encoder.TINY).train()
    torch.testing.assert_close(heard(learning, windows(23)), learning(windows(23)).flatten(1))


def test_sizes_that_make_no_encoder_are_refused() -> None:
    with pytest.raises(ValueError, match="five widths"):
        audio_encoder((1, 2, 3))
