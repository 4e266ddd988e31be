"""A seed is always the same person, whose head is known without fitting it."""

from __future__ import annotations

import pytest
import torch

from phiz.avatar import seeds
from phiz.avatar.avatar import Avatar
from phiz.errors import UsageError
from phiz.face.head import Head
from phiz.generator import store
from phiz.generator.config import TINY
from phiz.generator.generator import Generator
from phiz.graphics import camera as cameras
from phiz.graphics import frames, raster
from phiz.world import code as codes
from phiz.world.grown.hair_cards import styles_for


def test_the_same_seed_is_the_same_person_and_another_is_not(someone: Avatar) -> None:
    again, other = (seeds.from_seed(someone.generator, seed) for seed in (1, 2))
    assert torch.equal(again.w, someone.w)
    assert not torch.allclose(other.w, someone.w, atol=0.1)
    assert not torch.allclose(other.rest.identity, someone.rest.identity, atol=0.1)


def test_the_head_lies_where_the_generator_draws_it(someone: Avatar, our_head: Head) -> None:
    surface = frames.transform(someone.generator_from_head, our_head.vertices(someone.rest))
    screen = cameras.to_screen(someone.camera, surface, 64, 64)[0]
    hits = raster.rasterise(screen, our_head.triangles, 64, 64, cull=True)
    with torch.no_grad():
        seen = someone.generator.render(someone.prepare(), someone.camera)
    face = hits.covered.clone()
    face[:20] = False  # below the hair
    face[50:] = False
    assert float((seen.depth[0] - hits.depth)[face].abs().median()) < 0.012
    assert float(seen.opacity[0][face].mean()) > 0.95


def test_a_code_at_rest_makes_no_face_and_keeps_its_choices(our_head: Head) -> None:
    layout = codes.code_layout(our_head, styles_for(our_head))
    code = torch.randn(layout.size, generator=torch.Generator().manual_seed(0))
    quiet = seeds.at_rest(code, our_head, psi=0.5)
    assert codes.decode_categories(layout, quiet) == codes.decode_categories(layout, code)
    neutral = codes.with_expression(
        quiet, torch.zeros(our_head.sizes.expression), our_head, styles_for(our_head)
    )
    assert torch.equal(neutral, quiet)
    assert torch.allclose(quiet[layout.where("light")], 0.5 * code[layout.where("light")])
    assert codes.identity_of(layout, quiet).abs().max() < 4


def test_generators_with_other_codes_are_refused(our_head: Head) -> None:
    assert seeds.is_coded(store.load(), our_head)
    assert not seeds.is_coded(Generator(TINY), our_head)
    with pytest.raises(UsageError, match="phiz avatar PICTURE"):
        seeds.from_seed(Generator(TINY), 0)
