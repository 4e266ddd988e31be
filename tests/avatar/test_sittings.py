"""People of seeds are painted as they are, and seen by the generator's cameras."""

from __future__ import annotations

import math

import pytest
import torch
from tune_fixtures import person

from phiz.avatar import seeds, sittings
from phiz.errors import UsageError
from phiz.face.head import Head
from phiz.graphics import camera as cameras
from phiz.graphics import frames, raster
from phiz.world import code as codes
from phiz.world.grown.hair_cards import styles_for


def test_a_sitter_rests_and_so_does_their_code(our_head: Head) -> None:
    sitter = sittings.sitting(3, our_head)
    assert float(sitter.scene.coeffs.expression.abs().max()) == 0
    assert float(sitter.scene.coeffs.gaze.abs().max()) == 0
    layout = codes.code_layout(our_head, styles_for(our_head))
    quiet = seeds.at_rest(sitter.code, our_head)
    torch.testing.assert_close(
        codes.identity_of(layout, quiet), sitter.person.identity.float(), atol=1e-4, rtol=0
    )


def test_painted_views_are_what_the_generators_cameras_see(our_head: Head) -> None:
    sitter = sittings.sitting(3, our_head)
    view = sittings.views_of(sitter, our_head, 64, 16, ((0.3, 0.0),))
    metres = our_head.vertices(sitter.scene.coeffs) * our_head.metres_per_unit
    surface = frames.transform(seeds.portrait.generator_from_world(sitter.person, our_head), metres)
    screen = cameras.to_screen(view.camera, surface, 16, 16)[0]
    hits = raster.rasterise(screen, our_head.triangles, 16, 16)
    both = hits.covered & (view.depth_weight[0, 0] > 0)
    assert int(both.sum()) > 30
    assert float((hits.depth - view.depth[0, 0])[both].abs().median()) < 0.01
    assert view.pictures.shape == (1, 3, 64, 64)


def test_the_front_is_looked_at_most() -> None:
    chance = sittings.nearness(torch.tensor([0.0, 0.5, 0.0]), torch.tensor([0.0, 0.0, 0.3]))
    assert float(chance[0]) == pytest.approx(1)
    assert float(chance[1:].max()) < 1
    yaws = [yaw for yaw, _ in sittings.default_views()]
    assert min(yaws) == pytest.approx(-math.radians(40))
    assert len(set(sittings.default_views())) == len(yaws)


def test_generators_with_other_codes_are_refused() -> None:
    with pytest.raises(UsageError, match="without painting"):
        sittings.of_seed(person().generator, 1)
