"""Films in parts: joined they are one film, frame by frame; what a crash leaves is where one goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from phiz.errors import MediaError, UsageError
from phiz.media import audio, chunks, video
from phiz.media.chunks import Filmed, Job

FLASHES = (7, 20, 33)


def job(folder: Path, total: int = 40, **changes: Any) -> Job:
    return replace(
        Job(path=folder / "a.mp4", key="ada says hello", total=total, fps=25, size=(32, 48)), **changes
    )


def quietly(_: str) -> None:
    pass


class Painter:
    """Paints noise that is lighter at some frames; remembers where it was asked to begin."""

    def __init__(self, total: int = 40, stop: int | None = None, error: BaseException | None = None) -> None:
        self.total, self.stop, self.error = total, stop, error
        self.starts: list[int] = []

    def __call__(self, start: int) -> Iterator[Tensor]:
        self.starts.append(start)
        for number in range(start, self.total):
            if number == self.stop and self.error is not None:
                raise self.error
            noise = torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(number))
            yield noise * 0.2 + (0.7 if number in FLASHES else -0.8)


def film(work: Job, painter: Painter, sound: Tensor | None = None, said: list[str] | None = None) -> Filmed:
    words: list[str] = [] if said is None else said
    return chunks.write(work, painter, audio=sound, every_s=0.4, say=words.append)


def packets(path: Path) -> list[tuple[int, int, bool]]:
    """Return when each picture is shown and decoded, and whether one may begin with it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return [
            (
                round(packet.pts * stream.time_base * 25),
                round((packet.dts or 0) * stream.time_base * 25),
                packet.is_keyframe,
            )
            for packet in container.demux(stream)
            if packet.pts is not None
        ]


def encoded(path: Path) -> list[bytes]:
    """Return what the encoder made of each picture."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.pts is not None]


def lit(path: Path) -> list[int]:
    """Return which frames are light."""
    return [i for i, frame in enumerate(video.read(path)) if frame.mean() > 0]


def test_the_parts_become_a_film_of_every_frame_and_vanish(tmp_path: Path) -> None:
    painter = Painter()
    assert film(job(tmp_path), painter) == Filmed(frames=40, resumed=0)
    assert painter.starts == [0]
    assert lit(tmp_path / "a.mp4") == list(FLASHES)
    assert video.probe(tmp_path / "a.mp4").frames == 40
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("every_s", [0.04, 0.08, 0.2, 0.4])
def test_every_frame_has_its_time_however_short_the_parts_are(tmp_path: Path, every_s: float) -> None:
    chunks.write(job(tmp_path), Painter(), audio=None, every_s=every_s, say=quietly)
    shown, decoded, _ = zip(*packets(tmp_path / "a.mp4"), strict=True)
    assert sorted(shown) == list(range(40))
    assert list(decoded) == list(range(-2, 38))
    assert lit(tmp_path / "a.mp4") == list(FLASHES)


def test_joining_encodes_nothing_anew(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        film(job(tmp_path), Painter(stop=36, error=RuntimeError()))
    parts = [data for path in sorted(job(tmp_path).folder.glob("*.mp4")) for data in encoded(path)]
    film(job(tmp_path), Painter())
    assert len(parts) == 30
    assert encoded(tmp_path / "a.mp4")[:30] == parts
    assert [shown for shown, _, is_key in packets(tmp_path / "a.mp4") if is_key] == [0, 10, 20, 30]


def test_pictures_that_point_forward_stay_in_order(tmp_path: Path) -> None:
    noise = torch.rand(3, 32, 130, generator=torch.Generator().manual_seed(0)) * 4 - 2
    soft = functional.avg_pool2d(noise, 5, 1, 2)
    slid = [soft[:, :, 2 * i :][:, :, :48] for i in range(40)]
    chunks.write(job(tmp_path), lambda start: iter(slid[start:]), audio=None, every_s=0.4, say=quietly)
    shown = [when for when, _, _ in packets(tmp_path / "a.mp4")]
    assert shown != sorted(shown)  # otherwise this film tells nothing
    for number, seen in enumerate(video.read(tmp_path / "a.mp4")):
        apart = [float((seen - picture).abs().mean()) for picture in slid]
        assert apart.index(min(apart)) == number


def test_the_film_says_which_colours_it_means_and_has_its_index_in_front(tmp_path: Path) -> None:
    film(job(tmp_path, fps=29.97003), Painter())
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert (context.color_range, context.pix_fmt) == (1, "yuv420p")
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert video.probe(tmp_path / "a.mp4").fps == Fraction(30000, 1001)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_click_is_heard_when_the_flash_is_seen(tmp_path: Path, rate: int) -> None:
    clicks = torch.zeros(99_999)
    for flash in FLASHES:
        clicks[flash * rate // 25 :][: rate // 400] = 0.8
    blocks = iter(torch.split(clicks, 777))
    chunks.write(job(tmp_path), Painter(), audio=blocks, rate=rate, every_s=0.4, say=quietly)
    assert lit(tmp_path / "a.mp4") == list(FLASHES)
    heard = audio.read(tmp_path / "a.mp4", rate)
    assert len(heard) == round(1.6 * rate)
    for flash in FLASHES:
        start = flash * rate // 25 - rate // 20
        loud = (heard[start : start + rate // 10].abs() > 0.4).nonzero()
        assert abs(int(loud[0, 0]) - rate // 20) / rate < 0.005


def test_an_error_spares_the_old_film_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")
    with pytest.raises(RuntimeError, match="fell"):
        film(job(tmp_path), Painter(stop=26, error=RuntimeError("the painter fell")))
    assert (tmp_path / "a.mp4").read_bytes() == b"old"
    said: list[str] = []
    painter = Painter()
    assert film(job(tmp_path), painter, said=said) == Filmed(frames=40, resumed=20)
    assert painter.starts == [20]
    assert len(said) == 1
    assert "20 of 40" in said[0]
    assert lit(tmp_path / "a.mp4") == list(FLASHES)
    assert sorted(shown for shown, _, _ in packets(tmp_path / "a.mp4")) == list(range(40))


def test_ctrl_c_leaves_a_film_with_sound_and_the_same_command_goes_on(tmp_path: Path) -> None:
    sound = torch.zeros(99_999)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        film(job(tmp_path), Painter(stop=26, error=KeyboardInterrupt()), sound, said)
    assert "26 of 40" in said[0]
    assert lit(tmp_path / "a.mp4") == [7, 20]
    assert video.probe(tmp_path / "a.mp4").frames == 26
    assert len(audio.read(tmp_path / "a.mp4")) == 26 * 640
    painter = Painter()
    assert film(job(tmp_path), painter, sound) == Filmed(frames=40, resumed=26)
    assert painter.starts == [26]
    assert lit(tmp_path / "a.mp4") == list(FLASHES)
    assert sorted(shown for shown, _, _ in packets(tmp_path / "a.mp4")) == list(range(40))
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_ctrl_c_before_the_first_frame_leaves_no_film(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        film(job(tmp_path), Painter(stop=0, error=KeyboardInterrupt()))
    assert not (tmp_path / "a.mp4").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from phiz.media import chunks

def frames(start):
    for number in range(start, 40):
        if number == 37:
            os.kill(os.getpid(), signal.SIGKILL)
        yield torch.full((3, 32, 48), number / 40)

work = chunks.Job(path=Path(sys.argv[1]), key="k", total=40, fps=25, size=(32, 48))
chunks.write(work, frames, audio=None, every_s=0.4, say=len)
"""


def test_a_killed_process_loses_only_the_part_it_was_at(tmp_path: Path, repository: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "a.mp4")], env=environment, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert chunks.parts(job(tmp_path).folder) == [10, 10, 10]
    painter = Painter()
    assert film(job(tmp_path, key="k"), painter).resumed == 30
    assert painter.starts == [30]
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("changes", "what"), [({"key": "bob"}, "key"), ({"quality": 30}, "quality"), ({"total": 39}, "total")]
)
def test_another_job_begins_anew_and_says_so(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    with pytest.raises(RuntimeError):
        film(job(tmp_path), Painter(stop=26, error=RuntimeError()))
    said: list[str] = []
    painter = Painter()
    assert film(job(tmp_path, **changes), painter, said=said).resumed == 0
    assert painter.starts == [0]
    assert f"another {what}" in said[0]


def test_a_damaged_part_is_made_anew(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        film(job(tmp_path), Painter(stop=36, error=RuntimeError()))
    part = job(tmp_path).folder / "00000010.mp4"
    part.write_bytes(part.read_bytes()[:100])
    assert film(job(tmp_path), Painter()).resumed == 10
    assert lit(tmp_path / "a.mp4") == list(FLASHES)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_parts_of_another_encoder_are_not_joined(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        film(job(tmp_path), Painter(stop=36, error=RuntimeError()))
    with job(tmp_path, preset="ultrafast").writer(job(tmp_path).folder / "00000010.mp4") as part:
        for frame in video.read(job(tmp_path).folder / "00000020.mp4"):
            part.write(frame)
    with pytest.raises(MediaError, match="does not fit"):
        film(job(tmp_path), Painter())


def test_what_others_put_into_the_folder_stays(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        film(job(tmp_path), Painter(stop=36, error=RuntimeError()))
    folder = job(tmp_path).folder
    for name in ("notes.txt", "1.mp4", "copy of 00000010.mp4"):
        (folder / name).write_text("mine")
    (folder / ".00000030-0123abcd.part.mp4").write_text("what a crash leaves")
    film(job(tmp_path), Painter())
    assert sorted(file.name for file in folder.iterdir()) == ["1.mp4", "copy of 00000010.mp4", "notes.txt"]


@pytest.mark.parametrize("text", [None, "", "[]"])
def test_a_strange_folder_is_refused_and_left_alone(tmp_path: Path, text: str | None) -> None:
    folder = job(tmp_path).folder
    folder.mkdir()
    (folder / "00000000.mp4").write_bytes(b"holiday")
    if text is not None:
        (folder / "job.json").write_text(text)
    with pytest.raises(UsageError, match="in the way"):
        film(job(tmp_path), Painter())
    assert (folder / "00000000.mp4").read_bytes() == b"holiday"


def test_a_crash_before_the_first_part_does_no_harm(tmp_path: Path) -> None:
    job(tmp_path).folder.mkdir()
    (job(tmp_path).folder / ".job-0123abcd.part.json").touch()
    assert film(job(tmp_path), Painter()) == Filmed(frames=40, resumed=0)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_a_short_film_is_what_the_writer_makes(tmp_path: Path) -> None:
    sound = torch.rand(5000, generator=torch.Generator().manual_seed(0)) - 0.5
    film(job(tmp_path, total=10), Painter(10), sound)
    video.write(tmp_path / "b.mp4", Painter(10)(0), fps=25, audio=sound)
    # Not the bytes: x264 itself, on two cores with much to do, does not always make the same ones.
    assert video.probe(tmp_path / "a.mp4") == video.probe(tmp_path / "b.mp4")
    assert lit(tmp_path / "a.mp4") == lit(tmp_path / "b.mp4")
    assert torch.equal(audio.read(tmp_path / "a.mp4"), audio.read(tmp_path / "b.mp4"))


@pytest.mark.parametrize("total", [5, 40])
def test_too_few_frames_are_refused_and_too_many_are_not_asked_for(tmp_path: Path, total: int) -> None:
    with pytest.raises(ValueError, match="1 frames less"):
        film(job(tmp_path, total=total), Painter(total - 1))
    assert not (tmp_path / "a.mp4").exists()
    film(job(tmp_path, total=total), Painter(total, stop=total, error=AssertionError()))
    assert video.probe(tmp_path / "a.mp4").frames == total
    with pytest.raises(MediaError, match="no frames"):
        film(job(tmp_path, total=0), Painter())


def test_what_a_job_is_stands_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        film(job(tmp_path), Painter(stop=12, error=RuntimeError()))
    about = json.loads((job(tmp_path).folder / "job.json").read_text())
    assert (about["key"], about["total"], about["fps"], about["size"]) == (
        "ada says hello",
        40,
        "25",
        [32, 48],
    )


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    def peak(total: int) -> int:
        work = job(tmp_path, total=total, size=(16, 16))
        blocks = (torch.zeros(640) for _ in range(total))
        tracemalloc.start()
        try:
            chunks.write(
                work,
                lambda start: (torch.zeros(3, 16, 16) for _ in range(start, total)),
                audio=blocks,
                every_s=2,
                say=quietly,
            )
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(60)
    assert peak(600) < peak(100) + 30_000
