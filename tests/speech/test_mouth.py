"""Lips that are told to be shut are shut, silence gives the face back, and speech is added to it."""

from __future__ import annotations

import torch
from torch import Tensor

from phiz.face.morphable import ARKIT_NAMES
from phiz.speech import mouth
from phiz.speech.dials import Dials
from phiz.speech.mouth import Mouth
from phiz.speech.sources import Modes

MODES = Modes(basis="phiz", count=52, names=ARKIT_NAMES)
ONE, NONE = torch.ones(4), torch.zeros(4)


def face(**weights: float) -> Tensor:
    return torch.tensor([weights.get(name, 0.0) for name in ARKIT_NAMES])


def made(rest: Tensor | None = None, *, dials: Dials | None = None, tells_brows: bool = True) -> Mouth:
    start = face() if rest is None else rest
    return mouth.mouth_of(MODES, start, dials or Dials(), tells_brows=tells_brows)


def of(faces: Tensor, name: str) -> Tensor:
    return faces[:, ARKIT_NAMES.index(name)]


TALK = face(jawOpen=0.4, mouthClose=0.1, mouthLowerDownLeft=0.3, mouthFunnel=0.2, mouthSmileLeft=0.1)


def test_shut_lips_meet_whatever_the_jaw_does() -> None:
    closed = torch.tensor([0.0, 0.2, 0.5, 1.0])
    rest = face(jawOpen=0.2, mouthUpperUpRight=0.3)
    found = mouth.acted(made(rest), TALK.expand(4, -1), closed, ONE, NONE)
    assert torch.equal(of(found, "jawOpen"), of(TALK.expand(4, -1), "jawOpen"))
    assert torch.equal(of(found, "mouthClose")[2:], of(found, "jawOpen")[2:])
    assert of(found, "mouthLowerDownLeft")[2:].max() == of(found, "mouthUpperUpRight").max() == 0
    assert of(found, "mouthPressLeft")[2:].min() > 0.2
    assert torch.equal(found[0], found[1])


def test_without_closure_nothing_is_lost() -> None:
    told = torch.rand(4, 52, generator=torch.Generator().manual_seed(0))
    told = told * made().amount  # no lids
    found = mouth.acted(made(), told, NONE, ONE, NONE)
    assert torch.equal(found, told)


def test_silence_gives_the_face_back() -> None:
    rest = face(jawOpen=0.2, mouthSmileLeft=0.5, browDownLeft=0.3, eyeBlinkLeft=0.1)
    found = mouth.acted(made(rest), TALK.expand(4, -1), ONE, NONE, NONE)
    assert torch.equal(found, rest.expand(4, -1))


def test_speech_is_added_to_a_smile_and_takes_the_place_of_an_open_mouth() -> None:
    rest = face(jawOpen=0.2, mouthSmileLeft=0.5)
    found = mouth.acted(made(rest), TALK.expand(4, -1), NONE, ONE, NONE)
    torch.testing.assert_close(of(found, "mouthSmileLeft"), torch.full((4,), 0.6))
    torch.testing.assert_close(of(found, "jawOpen"), torch.full((4,), 0.4))


def test_dials_move_their_own_part_alone() -> None:
    told = face(jawOpen=0.2, browInnerUp=0.1, eyeBlinkLeft=0.4).expand(4, -1)
    usual = mouth.acted(made(), told, NONE, ONE, NONE)
    lips = mouth.acted(made(dials=Dials(lips=2)), told, NONE, ONE, NONE)
    brows = mouth.acted(made(dials=Dials(brows=0)), told, NONE, ONE, NONE)
    torch.testing.assert_close(of(lips, "jawOpen"), 2 * of(usual, "jawOpen"))
    assert torch.equal(of(lips, "browInnerUp"), of(usual, "browInnerUp"))
    assert of(brows, "browInnerUp").max() == 0
    assert torch.equal(of(brows, "jawOpen"), of(usual, "jawOpen"))
    assert of(usual, "eyeBlinkLeft").max() == 0


def test_lips_at_zero_leave_an_open_mouth_alone_even_when_lips_close() -> None:
    rest = face(jawOpen=0.2)
    found = mouth.acted(made(rest, dials=Dials(lips=0)), TALK.expand(4, -1), ONE, ONE, NONE)
    assert torch.equal(found, rest.expand(4, -1))


def test_emphasis_moves_brows_where_no_network_does() -> None:
    stress = torch.tensor([-1.0, 0.0, 0.5, 1.0])
    found = mouth.acted(made(tells_brows=False), torch.zeros(4, 52), NONE, ONE, stress)
    assert of(found, "browInnerUp").tolist()[:2] == [0, 0]
    assert of(found, "browInnerUp")[3] == 2 * of(found, "browInnerUp")[2] > 0.2
    assert mouth.acted(made(), torch.zeros(4, 52), NONE, ONE, stress).abs().max() == 0


def test_modes_without_names_are_told_from_the_rest_on() -> None:
    modes = Modes(basis="bfm", count=2, is_weights=False, is_added=False)
    rest, told = torch.tensor([1.0, -2.0]), torch.tensor([[3.0, -2.5]])
    made_ = mouth.mouth_of(modes, rest, Dials(), tells_brows=False)
    gate = torch.tensor([0.5])
    found = mouth.acted(made_, told, torch.ones(1), gate, torch.ones(1))
    assert found.tolist() == [[2.0, -2.25]]


def test_smoothing_keeps_what_stands_still_and_at_zero_everything() -> None:
    curve = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    before, now, after = curve[:-2], curve[1:-1], curve[2:]
    assert torch.equal(mouth.smoothed(before, now, after, 0.0), now)
    assert torch.equal(mouth.smoothed(now, now, now, 3.0), now)
    most = mouth.smoothed(before, now, after, 3.0)
    torch.testing.assert_close(most, (before + now + after) / 3, atol=0.02, rtol=0)
