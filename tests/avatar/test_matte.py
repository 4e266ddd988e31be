from dataclasses import replace

import torch
from sitter_fixtures import CONFIG, sitter

from phiz.avatar import matte
from phiz.face import head
from phiz.face.parse import TINY, Parser


def test_wavering_pixels_go_with_their_colour() -> None:
    picture = torch.zeros(1, 3, 32, 32)
    picture[..., 16:] = 1
    person = torch.full((1, 1, 32, 32), 0.5)
    person[..., :10], person[..., 22:] = 0.1, 0.95
    found = matte.by_colour(person, picture, torch.ones(1, 1, 32, 32))
    assert float(found[..., :15].max()) < 0.5 < float(found[..., 17:].min())


def test_sure_pixels_stay_what_they_are_whatever_their_colour() -> None:
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    person = torch.zeros(1, 1, 32, 32)
    person[..., 8:24, 8:24] = 1
    found = matte.by_colour(person, picture, torch.ones(1, 1, 32, 32))
    assert torch.equal(found > 0.5, person > 0.5)


def test_thin_pieces_are_no_part_of_the_person() -> None:
    person = torch.zeros(1, 1, 64, 64)
    person[..., 20:50, 20:50] = 1
    ragged = person.clone()
    ragged[..., 30:32, :] = 1
    ragged[..., 5:9, 5:9] = 1
    whole = matte.without_rags(ragged)
    assert float(whole[..., 21:49, 21:49].min()) == 1
    assert float(whole[..., :18].max()) == 0


def test_left_and_right_change_places() -> None:
    shares = torch.arange(6.0).reshape(1, 6, 1, 1)
    assert matte.swapped(shares, ((2, 3),)).flatten().tolist() == [0, 1, 3, 2, 4, 5]


def test_a_mirrored_photo_gives_a_mirrored_outline() -> None:
    torch.manual_seed(0)
    parser = Parser(TINY).eval()
    found = sitter(head.built_in()).found
    flipped = replace(found, crop=found.crop.flip(-1), photo=found.photo.flip(-1), seen=found.seen.flip(-1))
    one, other = (matte.parsed(parser, each) for each in (found, flipped))
    assert one.matte.shape == (1, 1, CONFIG.resolution, CONFIG.resolution)
    assert torch.allclose(one.is_feature, other.is_feature.flip(-1), atol=1e-3)
