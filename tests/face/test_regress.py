"""Regressors describe faces of the Basel model and of our own head in the same words."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phiz.face import bfm, regress
from phiz.face.coeffs import FaceCoeffs, neutral
from phiz.face.head import Head
from phiz.face.regress import BUILTIN, DEEP3D, DEEP3D_R18, REGRESSORS, TINY, Regressor, to_face, to_vector
from phiz.layers.folding import folded


def random_face(config: regress.RegressConfig) -> FaceCoeffs:
    chance = torch.Generator().manual_seed(0)
    return to_face(torch.randn(2, sum(config.heads), generator=chance), config)


def taught() -> Regressor:
    with torch.random.fork_rng():
        torch.random.set_rng_state(torch.Generator().manual_seed(1).get_state())
        network = Regressor(TINY)
        for head in network.final_layers:
            torch.nn.init.normal_(head.weight)  # type: ignore[arg-type]
    return network.eval().requires_grad_(False)


def test_a_new_regressor_tells_the_mean_face_in_the_middle(head: Head) -> None:
    face = regress.regress(Regressor(TINY).eval(), torch.rand(3, 3, 32, 32) * 2 - 1)
    expected = neutral(head.sizes, 3)
    for name in (
        "identity",
        "expression",
        "texture",
        "rotation",
        "translation",
        "light",
        "jaw",
        "neck",
        "gaze",
    ):
        torch.testing.assert_close(getattr(face, name), getattr(expected, name), msg=name)


def test_the_published_vector_is_read_as_the_basel_model_reads_it() -> None:
    vector = torch.randn(2, 257, generator=torch.Generator().manual_seed(0))
    ours, theirs = to_face(vector, DEEP3D), bfm.from_vector(vector)
    for name in (
        "identity",
        "expression",
        "texture",
        "rotation",
        "translation",
        "light",
        "jaw",
        "neck",
        "gaze",
    ):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name


@pytest.mark.parametrize("name", REGRESSORS)
def test_faces_become_vectors_and_faces_again(name: str) -> None:
    config = REGRESSORS[name]
    vector = torch.randn(2, sum(config.heads), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(to_vector(to_face(vector, config), config), vector, atol=1e-6, rtol=1e-6)


def test_our_head_has_the_sizes_of_the_built_in_preset(head: Head) -> None:
    found = (head.sizes.identity, head.sizes.expression, head.sizes.texture)
    assert found == (BUILTIN.identity, BUILTIN.expression, BUILTIN.texture)
    assert head.name == BUILTIN.basis
    face = random_face(BUILTIN)
    assert head.vertices(face).isfinite().all()
    assert (face.jaw.abs().sum() > 0) & (face.gaze.abs().sum() > 0)


def test_what_has_no_place_in_a_vector_is_refused(head: Head) -> None:
    face = random_face(BUILTIN)
    bowed = replace(face, neck=torch.ones(2, 3))
    with pytest.raises(ValueError, match="no place for how the neck"):
        to_vector(bowed, BUILTIN)
    with pytest.raises(ValueError, match="no place for how the neck"):
        to_vector(face, replace(BUILTIN, is_articulated=False))
    with pytest.raises(ValueError, match="this face has Sizes"):
        to_vector(face, DEEP3D)


def test_crops_of_another_size_are_resized() -> None:
    network = taught()
    smooth = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1
    small, large = (torch.nn.functional.interpolate(smooth, (n, n), mode="bilinear") for n in (32, 128))
    ours, theirs = regress.regress(network, large), regress.regress(network, small)
    assert float(theirs.texture.norm()) > 0.1
    assert (ours.texture - theirs.texture).norm() < 0.1 * theirs.texture.norm()


def test_a_folded_regressor_tells_the_same() -> None:
    network = taught()
    crops = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    plain = network(crops)
    torch.testing.assert_close(folded(network)(crops), plain, atol=1e-5 * float(plain.abs().max()), rtol=0)


def test_black_is_zero_to_the_network() -> None:
    network = taught()
    black = torch.full((1, 3, 32, 32), -1.0)
    expected = network(torch.zeros(1, 3, 32, 32))
    torch.testing.assert_close(
        to_vector(regress.regress(network, black), TINY), expected, atol=1e-5, rtol=1e-5
    )


def test_published_sizes() -> None:
    with torch.device("meta"):
        counts = [sum(v.numel() for v in Regressor(c).state_dict().values()) for c in (DEEP3D, DEEP3D_R18)]
        small = sum(p.numel() for p in Regressor(BUILTIN).parameters()) * 2 / 2**20
    assert counts == [24_087_798, 11_317_973]
    assert small < 2.6


@pytest.mark.parametrize("wrong", [{"identity": 0}, {"size": 16}])
def test_sizes_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a regressor"):
        replace(TINY, **wrong)
