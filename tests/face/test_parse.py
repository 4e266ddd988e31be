"""Parsers name the parts of pictures of any size; their classes are those of the world."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phiz.face import parse
from phiz.face.parse import CLASSES_16, CLASSES_19, PARSERS, TINY, Parser
from phiz.face.parse_loops import plain_winners, winners
from phiz.layers.folding import folded
from phiz.world.surface import Label


@pytest.fixture(scope="module")
def parser() -> Parser:
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(0).get_state())
        network = Parser(TINY)
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.mul_(0.05)  # as if it had learned: otherwise hardly anything reaches the scores
    return network.eval().requires_grad_(False)


def pictures(height: int = 64, width: int = 64, count: int = 2) -> Tensor:
    small = torch.rand(count, 3, 9, 7, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.nn.functional.interpolate(small, size=(height, width), mode="bicubic").clamp(-1, 1)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (50, 200), (333, 40), (20, 20), (1, 9)])
def test_labels_have_the_size_of_the_picture(parser: Parser, height: int, width: int) -> None:
    labels = parse.parse(parser, pictures(height, width))
    assert labels.shape == (2, height, width)
    assert labels.dtype == torch.uint8
    assert int(labels.max()) < TINY.classes


def test_labels_are_the_best_scores(parser: Parser) -> None:
    shown = pictures(64, 64)
    scores = parser(parse.normalised(shown))
    labels = parse.parse(parser, shown)
    assert labels.unique().numel() > 2
    assert (labels != scores.argmax(1)).float().mean() < 1e-3


def test_a_picture_in_another_size_has_nearly_the_same_labels(parser: Parser) -> None:
    large = pictures(256, 256)
    small = torch.nn.functional.interpolate(large, size=(128, 128), mode="area")
    ours, theirs = parse.parse(parser, large)[:, ::2, ::2], parse.parse(parser, small)
    assert (ours == theirs).float().mean() > 0.9


def test_a_folded_parser_says_the_same(parser: Parser) -> None:
    ours, theirs = parse.parse(folded(parser), pictures()), parse.parse(parser, pictures())
    assert (ours != theirs).float().mean() < 1e-3


@pytest.mark.parametrize("size", [(40, 56), (16, 20), (17, 20), (300, 1)])
def test_winners_are_those_of_the_plain_twin(size: tuple[int, int]) -> None:
    scores = torch.randn(2, 5, 16, 20, generator=torch.Generator().manual_seed(0))
    found, plain = winners(scores, *size), plain_winners(scores, *size)
    assert found.shape == (2, *size)
    assert (found != plain).float().mean() < 2e-3  # where two classes are as good as each other


def test_the_first_of_equal_classes_wins() -> None:
    assert not winners(torch.zeros(1, 4, 3, 3), 8, 8).any()


def test_pictures_are_normalised_as_imagenet_was() -> None:
    grey = (torch.tensor(parse.MEAN) * 2 - 1)[None, :, None, None].expand(1, 3, 4, 4)
    assert float(parse.normalised(grey).abs().max()) < 1e-6
    white = parse.normalised(torch.ones(1, 3, 2, 2))[0, :, 0, 0]
    torch.testing.assert_close(white, (1 - torch.tensor(parse.MEAN)) / torch.tensor(parse.SPREAD))


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(512, 512, (512, 512)), (1024, 768, (512, 384)), (100, 300, (160, 512)), (10, 4000, (32, 512))],
)
def test_pictures_are_read_at_whole_steps(height: int, width: int, expected: tuple[int, int]) -> None:
    assert parse.read_size(height, width, 512) == expected


def test_classes_are_those_of_the_world() -> None:
    assert CLASSES_19.names == {int(label): label.name.lower() for label in Label}
    for table in (CLASSES_19, CLASSES_16):
        assert max(table.hair, *table.mouth, *table.torso) < table.count
    for left, right in CLASSES_19.mirrored:
        assert CLASSES_19.names[left].replace("left", "right") == CLASSES_19.names[right]
    assert sum("left" in name for name in CLASSES_19.names.values()) == len(CLASSES_19.mirrored)


def test_presets_have_the_sizes_that_they_promise() -> None:
    with torch.device("meta"):
        sizes = {name: sum(p.numel() for p in Parser(one).parameters()) for name, one in PARSERS.items()}
    assert sizes["PUBLISHED_19"] > 13_000_000
    assert 1.0 < sizes["BUILTIN"] * 2 / 2**20 < 1.5
    assert PARSERS["PUBLISHED_16"].table is CLASSES_16
    with pytest.raises(ValueError, match="nothing is known of what 7 classes are"):
        _ = replace(TINY, classes=7).table


def test_outputs_to_learn_by_have_the_size_of_the_picture(parser: Parser) -> None:
    shown = parse.normalised(pictures())
    first, *others = parser.all_scores(shown)
    assert torch.equal(first, parser(shown))
    assert [tuple(one.shape) for one in others] == [(2, 19, 64, 64)] * 2


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"widths": (4, 6, 8), "blocks": (1, 1, 1)}, {"size": 16}])
def test_sizes_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"parser"):
        replace(TINY, **wrong)
