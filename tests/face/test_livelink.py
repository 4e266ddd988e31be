"""Tables of Live Link Face: the program's own columns, and everything that they hold comes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from phiz.errors import DataError, HeadError
from phiz.face import livelink
from phiz.face.coeffs import Motion, still
from phiz.face.morphable import ARKIT_NAMES


def moving(frames: int = 60, *, fps: float = 25.0) -> Motion:
    chance = torch.Generator().manual_seed(0)
    weights = torch.rand(frames, 52, generator=chance)
    kept = [not name.startswith(("eyeBlink", "eyeLook")) for name in ARKIT_NAMES]
    return Motion(
        expression=weights * torch.tensor(kept),
        basis="phiz",
        rotation=0.2 * torch.randn(frames, 3, generator=chance),
        translation=torch.zeros(frames, 3),
        gaze=0.8 * torch.rand(frames, 2, 2, generator=chance) - 0.4,
        blink=torch.rand(frames, 2, generator=chance),
        fps=fps,
    )


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
def test_what_is_written_comes_back(fps: float, tmp_path: Path) -> None:
    motion = moving(70, fps=fps)
    livelink.write(tmp_path / "a.csv", motion, ARKIT_NAMES)
    found = livelink.read(tmp_path / "a.csv")
    assert (found.basis, found.fps) == ("phiz", fps)
    for part in ("expression", "rotation", "gaze", "blink", "translation"):
        torch.testing.assert_close(getattr(found, part), getattr(motion, part), atol=1e-6, rtol=0)


def test_columns_are_those_of_the_program(tmp_path: Path) -> None:
    livelink.write(tmp_path / "a.csv", moving(30), ARKIT_NAMES)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    heads = lines[0].split(",")
    assert heads[:4] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft", "EyeLookDownLeft"]
    assert heads[16:20] == ["JawForward", "JawRight", "JawLeft", "JawOpen"]
    assert heads[23:25] == ["MouthRight", "MouthLeft"]
    assert heads[53:57] == ["TongueOut", "HeadYaw", "HeadPitch", "HeadRoll"]
    assert heads[-1] == "RightEyeRoll"
    assert len(heads) == len(lines[-1].split(",")) == 63
    assert lines[1].startswith("00:00:00:00.000,61,")
    assert lines[27].startswith("00:00:01:01.000,61,")
    assert livelink.timecode(25 * 3661 + 3, 25) == "01:01:01:03.000"


def test_numbers_stand_under_their_names(tmp_path: Path) -> None:
    motion = replace(still("phiz", 52, 1), blink=torch.tensor([[0.25, 0.5]]))
    weights = motion.expression.clone()
    weights[0, ARKIT_NAMES.index("jawLeft")] = 0.75
    turned = torch.tensor([[0.1, 0.2, 0.3]])
    gaze = torch.tensor([[[0.26, 0.0], [0.0, -0.22]]])
    motion = replace(motion, expression=weights, rotation=turned, gaze=gaze)
    livelink.write(tmp_path / "a.csv", motion, ARKIT_NAMES)
    heads, row = (line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines())
    found = {name: float(value) for name, value in zip(heads[2:], row[2:], strict=True) if float(value)}
    assert found == {
        "EyeBlinkLeft": 0.25, "EyeBlinkRight": 0.5, "JawLeft": 0.75, "EyeLookOutLeft": 0.5,
        "EyeLookUpRight": 0.5, "HeadPitch": 0.1, "HeadYaw": 0.2, "HeadRoll": 0.3,
        "LeftEyeYaw": 0.26, "RightEyePitch": -0.22,
    }  # fmt: skip


def test_a_head_that_lacks_a_few_names_is_fine_and_one_without_any_is_not(tmp_path: Path) -> None:
    motion = replace(still("few", 2, 3), expression=torch.full((3, 2), 0.5))
    livelink.write(tmp_path / "a.csv", motion, ("jawOpen", "grin"))
    found = livelink.read(tmp_path / "a.csv")
    assert found.expression.sum() == 1.5
    with pytest.raises(HeadError, match="phiz head retarget"):
        livelink.write(tmp_path / "b.csv", motion, ())
    assert not (tmp_path / "b.csv").exists()


def test_lost_faces_stay_as_they_were_and_columns_may_be_shuffled(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("JawOpen,timecode,EyeBlinkLeft\n0.5,0:0:0:59.1,0.25\n,0:0:1:0.2,\n0.75,0:0:1:1.3,1\n")
    found = livelink.read(path)
    assert found.expression[:, ARKIT_NAMES.index("jawOpen")].tolist() == [0.5, 0.5, 0.75]
    assert found.blink[:, 0].tolist() == [0.25, 0.25, 1]
    assert found.fps == 60
    assert livelink.read(path, fps=30.0).fps == 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no columns of Live Link Face"),
        ("a,b\n1,2\n", "no columns of Live Link Face"),
        ("Timecode,JawOpen\n0:0:0:0,wide\n", "line 2: 'wide' under jawopen is no number"),
        ("Timecode,JawOpen\nnoon,1\n", "a timecode is no time"),
    ],
)
def test_other_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        livelink.read(path)
    with pytest.raises(DataError, match="cannot be read"):
        livelink.read(tmp_path / "none.csv")
