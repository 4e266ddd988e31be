"""The FID network: published names and shapes, its oddities, its way of resizing, strict loading."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from phiz.errors import CheckpointError
from phiz.layers import inception
from phiz.layers.inception import Inception, Mixed


def _plan() -> Inception:
    with torch.device("meta"):
        return Inception().eval()


def test_the_network_has_the_published_names_shapes_and_number_of_weights() -> None:
    state = _plan().state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    # 23 834 568 with a classifier of 1000 things, which is 2 049 000 of them
    assert sum(p.numel() for p in _plan().parameters()) == 23_834_568 - 2_049_000
    assert sum(name.endswith("conv.weight") for name in shapes) == 94
    published = {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Conv2d_4a_3x3.bn.running_var": (192,),
        "Mixed_5b.branch5x5_2.conv.weight": (64, 48, 5, 5),
        "Mixed_5b.branch_pool.conv.weight": (32, 192, 1, 1),
        "Mixed_6a.branch3x3dbl_3.conv.weight": (96, 96, 3, 3),
        "Mixed_6b.branch7x7_2.conv.weight": (128, 128, 1, 7),
        "Mixed_6e.branch7x7dbl_5.conv.weight": (192, 192, 1, 7),
        "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
        "Mixed_7b.branch3x3dbl_1.conv.weight": (448, 1280, 1, 1),
        "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
    }
    assert published.items() <= shapes.items()


def test_stages_have_the_published_sizes_and_pictures_of_any_size_give_2048_features() -> None:
    network = _plan()
    sizes: dict[str, tuple[int, ...]] = {}
    for name in (
        "Conv2d_2b_3x3",
        "Conv2d_4a_3x3",
        "Mixed_5d",
        "Mixed_6a",
        "Mixed_6e",
        "Mixed_7a",
        "Mixed_7c",
    ):
        network.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: sizes.update({name: tuple(out.shape[1:])})
        )
    with torch.device("meta"):
        assert network(torch.zeros(2, 3, 64, 80)).shape == (2, 2048)
    assert sizes == {
        "Conv2d_2b_3x3": (64, 147, 147),
        "Conv2d_4a_3x3": (192, 71, 71),
        "Mixed_5d": (288, 35, 35),
        "Mixed_6a": (768, 17, 17),
        "Mixed_6e": (768, 17, 17),
        "Mixed_7a": (1280, 8, 8),
        "Mixed_7c": (2048, 8, 8),
    }


def _filled(block: Mixed, seed: int) -> Mixed:
    generator = torch.Generator().manual_seed(seed)
    for tensor in block.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(0.5 + 0.2 * torch.rand(tensor.shape, generator=generator))
    return block.eval()


@pytest.mark.parametrize("by_maximum", [False, True])
def test_neighbours_beyond_the_edge_do_not_count(by_maximum: bool) -> None:
    block = _filled(Mixed(2, (inception.one("a", 1),), pooled=2, by_maximum=by_maximum), 0)
    x = torch.rand(1, 2, 5, 4, generator=torch.Generator().manual_seed(1))
    pooled = torch.empty_like(x)
    for i in range(5):
        for j in range(4):
            near = x[0, :, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].flatten(1)
            pooled[0, :, i, j] = near.amax(1) if by_maximum else near.mean(1)
    with torch.no_grad():
        torch.testing.assert_close(block(x)[:, 1:], block.branch_pool(pooled))
        torch.testing.assert_close(block(x)[:, :1], block.get_submodule("a")(x))


def test_only_the_last_block_pools_by_the_maximum() -> None:
    blocks = {name: block for name, block in _plan().named_children() if isinstance(block, Mixed)}
    assert [name for name, block in blocks.items() if block.by_maximum] == ["Mixed_7c"]
    assert [name for name, block in blocks.items() if block.is_halving] == ["Mixed_6a", "Mixed_7a"]


def test_a_unit_normalises_by_recorded_statistics() -> None:
    unit = inception.Unit(1, 1, (1, 1)).eval()
    values = {
        "conv.weight": 2.0,
        "bn.weight": 3.0,
        "bn.bias": 0.5,
        "bn.running_mean": 1.0,
        "bn.running_var": 4.0,
    }
    for name, value in values.items():
        unit.state_dict()[name].fill_(value)
    expected = 3 * (2 * 0.7 - 1) / math.sqrt(4 + 0.001) + 0.5
    with torch.no_grad():
        assert float(unit(torch.full((1, 1, 1, 1), 0.7))) == pytest.approx(expected, rel=1e-5)


def test_resizing_is_that_of_tensorflow() -> None:
    line = torch.tensor([[[[0.0, 1.0]]]]).expand(1, 1, 2, 2)
    assert inception.tensorflow_resize(line, 4)[0, 0, 0].tolist() == [0, 0.5, 1, 1]
    picture = torch.rand(1, 2, 6, 9, generator=torch.Generator().manual_seed(2))
    slow = torch.empty(1, 2, 5, 5)
    for i in range(5):
        for j in range(5):
            y, x = i * 6 / 5, j * 9 / 5
            r, c = int(y), int(x)
            corner = picture[:, :, r : r + 2, c : c + 2]
            corner = functional.pad(
                corner, (0, 2 - corner.shape[3], 0, 2 - corner.shape[2]), mode="replicate"
            )
            weight = torch.tensor([[1 - (y - r)], [y - r]]) * torch.tensor([[1 - (x - c), x - c]])
            slow[:, :, i, j] = (corner * weight).sum((-2, -1))
    torch.testing.assert_close(inception.tensorflow_resize(picture, 5), slow, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(inception.tensorflow_resize(picture[..., :6], 6), picture[..., :6])


def _published() -> dict[str, Tensor]:
    """Return all the published names; tensors are views of a few numbers, so that nothing takes time."""
    tensors = {}
    for name, tensor in _plan().state_dict().items():
        if tensor.is_floating_point():
            value = 1 / math.prod(tensor.shape[1:]) if tensor.ndim == 4 else float("bias" not in name)
            tensors[name] = torch.full((1,), 0.0 if name.endswith("mean") else value).expand(tensor.shape)
    return tensors | {"fc.weight": torch.zeros(1).expand(1008, 2048), "fc.bias": torch.zeros(1008)}


def test_published_weights_load_and_features_flow() -> None:
    network = inception.from_published(_published())
    assert not any(p.requires_grad for p in network.parameters())
    with torch.no_grad():
        low, high = (network.pooled(torch.full((1, 3, 75, 75), v)) for v in (0.25, 0.5))
    assert low.shape == (1, 2048)
    assert bool((low > 0).all())
    torch.testing.assert_close(high, 2 * low)  # without biases twice the light is twice the answer


def test_what_is_missing_foreign_or_of_another_shape_is_refused(tmp_path: Path) -> None:
    whole = _published()
    with pytest.raises(CheckpointError, match=r"lack Mixed_7c\.branch1x1\.conv\.weight"):
        inception.from_published({n: t for n, t in whole.items() if n != "Mixed_7c.branch1x1.conv.weight"})
    with pytest.raises(CheckpointError, match=r"AuxLogits\.conv"):
        inception.from_published(whole | {"AuxLogits.conv": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="of shape"):
        inception.from_published(whole | {"Conv2d_1a_3x3.bn.bias": torch.zeros(7)})
    save_file({"something.else": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"something\.else"):
        inception.load_inception(tmp_path / "other.safetensors")
