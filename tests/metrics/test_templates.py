"""Templates are averages of media and sums of them; a folder of the published layout is judged as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phiz import options
from phiz.console import Console
from phiz.errors import DataError, UsageError
from phiz.face import align
from phiz.face.identity import store
from phiz.face.identity.config import TINY
from phiz.face.identity.networks import begin, embed, unit
from phiz.metrics import templates
from phiz.metrics.recognition import RecognitionConfig, measure_identity
from phiz.metrics.templates import Protocol

PLACES = torch.tensor(align.RECOGNITION_POINTS)
PEOPLE, EACH = 4, 3
"""Of each person two templates: one of two frames of a video and a picture, one of a picture."""


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def protocol(**changes: object) -> Protocol:
    whole = Protocol(
        folder=Path(),
        names=("a", "b", "c", "d"),
        points=torch.zeros(4, 5, 2),
        scores=torch.tensor([1.0, 0.5, 0.25, 1.0]),
        templates=torch.tensor([7, 7, 7, 3]),
        media=torch.tensor([1, 1, 2, 1]),
        pairs=torch.tensor([[7, 3], [3, 3], [7, 7]]),
        are_same=np.array([False, True, True]),
    )
    return replace(whole, **changes)


def test_frames_of_a_video_are_averaged_and_media_summed() -> None:
    found = torch.randn(4, 6, generator=chance())
    numbers, embeddings = templates.template_features(found, protocol())
    assert numbers.tolist() == [3, 7]
    a, b, c, d = found
    assert torch.allclose(embeddings[1], unit((a + 0.5 * b) / 2 + 0.25 * c), atol=1e-6)
    assert torch.allclose(embeddings[0], unit(d), atol=1e-6)
    _, plain = templates.template_features(found, protocol(), by_score=False, by_length=False)
    a, b, c, d = unit(found)
    assert torch.allclose(plain[1], unit((a + b) / 2 + c), atol=1e-6)


def test_pairs_are_compared_by_their_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "COMPARED", 2)
    embeddings = torch.tensor([[1.0, 0.0], [-0.75, 0.5]])
    curve = templates.compare(torch.tensor([3, 7]), embeddings, protocol())
    assert curve.thresholds[1:].tolist() == [1.0, 0.8125, -0.75]
    assert curve.true_at([0.0]) == [1.0]


def write(folder: Path, *, meta: str = "meta") -> Path:
    """Write people as coloured patterns, shifted in larger pictures, with lists of the published form."""
    rng = np.random.default_rng(0)
    (folder / "loose_crop").mkdir(parents=True)
    (folder / meta).mkdir(exist_ok=True)
    points, members = [], []
    for person in range(PEOPLE):
        base = rng.integers(0, 256, (14, 14, 3)).repeat(8, 0).repeat(8, 1)
        for turn in range(EACH):
            left, top = int(rng.integers(0, 30)), int(rng.integers(0, 30))
            whole = np.zeros((150, 150, 3), np.uint8)
            noisy = np.clip(base + rng.integers(-20, 20, base.shape), 0, 255)
            whole[top : top + 112, left : left + 112] = noisy
            name = f"{person}_{turn}.png"
            Image.fromarray(whole).save(folder / "loose_crop" / name)
            shifted = (PLACES + torch.tensor([left, top])).flatten().tolist()
            points.append(f"{name} {' '.join(f'{value:.4f}' for value in shifted)} 0.9")
            members.append(f"{name} {10 * person + (turn == 2)} {turn // 2}")
    pairs = [
        f"{10 * one} {10 * other + 1} {int(one == other)}" for one in range(PEOPLE) for other in range(PEOPLE)
    ]
    for name, lines in (
        ("name_5pts_score", points),
        ("face_tid_mid", members),
        ("template_pair_label", pairs),
    ):
        (folder / meta / f"ijbx_{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_faces_are_cut_out_by_their_points(tmp_path: Path) -> None:
    found = templates.read_protocol(write(tmp_path / "set"))
    cut = torch.cat(list(templates.faces(found, at_once=5)))
    assert cut.shape == (PEOPLE * EACH, 3, 112, 112)
    for person in range(PEOPLE):
        one, other = cut[EACH * person], cut[EACH * person + 1]
        assert float((one - other).abs().mean()) < 0.2  # the shifts are undone
        assert float((one - cut[(EACH * person + 4) % len(cut)]).abs().mean()) > 0.3


def test_a_folder_is_judged_as_a_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "set", meta=".")
    network = begin(replace(TINY, size=112), chance()).eval()
    store.save(tmp_path / "identity.safetensors", network)
    words = [str(tmp_path / "identity.safetensors"), "--templates", str(folder), "--batch", "5"]
    told = measure_identity(options.parse(RecognitionConfig, words), Console())
    assert told["set"]["tar_at_far_1e-01"] > 0.7  # type: ignore[index]
    assert "8 templates of 12 faces, 16 pairs" in capsys.readouterr().out
    found = templates.read_protocol(folder)
    whole = templates.features(network, found, at_once=4)
    crops = torch.cat(list(templates.faces(found)))
    assert torch.allclose(whole, embed(network, crops) + embed(network, crops.flip(-1)), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("face_tid_mid", lambda text: text.replace("0_0.png", "9_9.png"), "other pictures"),
        ("face_tid_mid", lambda text: text.replace("0_0.png 0 0", "0_0.png x 0"), "damaged"),
        ("template_pair_label", lambda text: text.replace("0 1 1", "5 1 1", 1), "template 5"),
        ("template_pair_label", lambda text: "", "3 words in line 1"),
        ("name_5pts_score", lambda text: text.replace(" 0.9", "", 1), "12 words in line 1"),
    ],
)
def test_lists_that_cannot_be_are_refused(name: str, change: object, words: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "set")
    path = folder / "meta" / f"ijbx_{name}.txt"
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(DataError, match=words):
        templates.read_protocol(folder)


def test_a_folder_that_lacks_something_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 lists"):
        templates.read_protocol(tmp_path)
    folder = write(tmp_path / "set")
    (folder / "loose_crop").rename(folder / "crops")
    with pytest.raises(DataError, match="no folder loose_crop"):
        templates.read_protocol(folder)


def test_the_verb_wants_something_to_try_it_on() -> None:
    with pytest.raises(UsageError, match="--pairs"):
        measure_identity(RecognitionConfig(), Console(quiet=True))
    with pytest.raises(UsageError, match="at least 1"):
        options.parse(RecognitionConfig, ["--batch", "0"])
