"""Video: colours, times and sizes survive; what is written in parts is whole or absent."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch
from torch import Tensor

from phiz.errors import MediaError
from phiz.media import audio, image, video


def greys(count: int, height: int = 32, width: int = 48) -> list[Tensor]:
    """Return flat pictures, each lighter than the one before."""
    return [torch.full((3, height, width), -0.9 + 1.8 * i / max(count - 1, 1)) for i in range(count)]


def brightness(path: Path, **options: float) -> list[float]:
    return [frame.mean().item() for frame in video.read(path, **options)]


def test_frames_come_back_in_order_with_their_brightness(tmp_path: Path) -> None:
    frames = greys(30)
    assert video.write(tmp_path / "a.mp4", frames, fps=25) == 30
    assert brightness(tmp_path / "a.mp4") == pytest.approx([f.mean().item() for f in frames], abs=0.015)


def test_colours_come_back_as_they_were(tmp_path: Path) -> None:
    colours = torch.rand(8, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    video.write(tmp_path / "a.mp4", [c[:, None, None].expand(3, 32, 32) for c in colours], fps=25)
    heard = torch.stack([frame.mean((1, 2)) for frame in video.read(tmp_path / "a.mp4")])
    assert (heard - colours).abs().max() < 6 / 127.5


def test_the_file_says_which_colours_it_means_and_has_its_index_in_front(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", greys(3), fps=25)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_bytes_and_numbers_make_the_same_video(tmp_path: Path) -> None:
    numbers = greys(4)
    for name, frames in (("a", numbers), ("b", [image.to_bytes(frame) for frame in numbers])):
        with video.Writer(tmp_path / f"{name}.mp4", fps=25, size=(32, 48)) as writer:
            for frame in frames:
                writer.write(frame)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_odd_sizes_gain_a_row_or_column(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", greys(2, 31, 45), fps=25)
    info = video.probe(tmp_path / "a.mp4")
    assert (info.height, info.width) == (32, 46)


@pytest.mark.parametrize(
    ("fps", "expected"), [(25, Fraction(25)), (29.97003, Fraction(30000, 1001)), (12.5, Fraction(25, 2))]
)
def test_frame_rates_are_fractions(tmp_path: Path, fps: float, expected: Fraction) -> None:
    video.write(tmp_path / "a.mp4", greys(10), fps=fps)
    info = video.probe(tmp_path / "a.mp4")
    assert info == video.VideoInfo(
        fps=expected, frames=10, width=48, height=32, seconds=float(10 / expected), has_audio=False
    )


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_click_is_heard_when_the_flash_is_seen(tmp_path: Path, rate: int) -> None:
    flashes = (10, 37, 60)
    frames = [torch.full((3, 32, 32), 0.8 if i in flashes else -0.8) for i in range(75)]
    clicks = torch.zeros(3 * rate)
    for flash in flashes:
        clicks[flash * rate // 25 :][: rate // 400] = 0.8
    video.write(tmp_path / "a.mp4", frames, fps=25, audio=clicks, rate=rate)
    assert [i for i, light in enumerate(brightness(tmp_path / "a.mp4")) if light > 0] == list(flashes)
    heard = audio.read(tmp_path / "a.mp4", rate)
    for flash in flashes:
        start = flash * rate // 25 - rate // 20
        loud = (heard[start : start + rate // 10].abs() > 0.4).nonzero()
        assert abs(int(loud[0, 0]) - rate // 20) / rate < 0.005


@pytest.mark.parametrize("seconds", [0.0, 0.3, 5.0])
def test_sound_lasts_exactly_as_long_as_the_frames(tmp_path: Path, seconds: float) -> None:
    video.write(tmp_path / "a.mp4", greys(25), fps=25, audio=torch.full((int(16_000 * seconds),), 0.1))
    assert len(audio.read(tmp_path / "a.mp4")) == 16_000
    assert video.probe(tmp_path / "a.mp4").has_audio


def test_sound_may_come_in_blocks_and_is_asked_for_only_when_needed(tmp_path: Path) -> None:
    asked = []

    def endless() -> Iterator[Tensor]:
        while True:
            asked.append(1)
            yield 0.2 * torch.sin(torch.arange(4000) * 0.1)

    video.write(tmp_path / "a.mp4", greys(25), fps=25, audio=endless())
    assert len(asked) == 4
    whole = torch.cat([0.2 * torch.sin(torch.arange(4000) * 0.1)] * 4)
    video.write(tmp_path / "b.mp4", greys(25), fps=25, audio=whole)
    assert (audio.read(tmp_path / "a.mp4") - audio.read(tmp_path / "b.mp4")).abs().max() < 0.05


def test_an_error_leaves_nothing_and_spares_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")

    def fail() -> Iterator[Tensor]:
        yield from greys(3)
        raise RuntimeError("the painter fell")

    with pytest.raises(RuntimeError, match="painter"):
        video.write(tmp_path / "a.mp4", fail(), fps=25, audio=torch.zeros(100))
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("a.mp4", b"old")]


def test_ctrl_c_keeps_what_there_is_as_a_video_that_plays(tmp_path: Path) -> None:
    def interrupt() -> Iterator[Tensor]:
        yield from greys(20)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        video.write(tmp_path / "a.mp4", interrupt(), fps=25, audio=torch.zeros(99_999))
    assert len(brightness(tmp_path / "a.mp4")) == 20
    assert len(audio.read(tmp_path / "a.mp4")) == 20 * 640
    assert len(list(tmp_path.iterdir())) == 1


def test_no_frames_make_no_video(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no frames"):
        video.write(tmp_path / "a.mp4", [], fps=25)
    with pytest.raises(MediaError, match="no frames"), video.Writer(tmp_path / "a.mp4", fps=25, size=(2, 2)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32 x 48"):
        video.write(tmp_path / "a.mp4", [*greys(1), torch.zeros(3, 8, 8)], fps=25)
    assert list(tmp_path.iterdir()) == []


def test_impossible_wishes_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"\.mp4"):
        video.Writer(tmp_path / "a.gif", fps=25, size=(2, 2))
    for fps in (0, -1, 1e9, float("nan")):
        with pytest.raises(ValueError, match="frames a second"):
            video.Writer(tmp_path / "a.mp4", fps=fps, size=(2, 2))
    with pytest.raises(ValueError, match="pixels"):
        video.Writer(tmp_path / "a.mp4", fps=25, size=(0, 2))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_cameras_rotation_is_undone(tmp_path: Path, degrees: int) -> None:
    picture = torch.full((3, 32, 64), -0.9)
    picture[:, :8, :8] = 0.9  # a mark in the first corner
    with av.open(str(tmp_path / "a.mp4"), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height = 64, 32
        stream.set_display_rotation(degrees)
        frame = av.VideoFrame.from_ndarray(image.to_bytes(picture).numpy(), format="rgb24")
        target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    upright = next(video.read(tmp_path / "a.mp4"))
    # The display matrix turns anticlockwise, as numpy does.
    assert (upright - torch.rot90(picture, degrees // 90, (1, 2))).abs().mean() < 0.1
    info = video.probe(tmp_path / "a.mp4")
    assert (info.height, info.width) == tuple(upright.shape[1:])


def test_another_frame_rate_shows_what_one_would_see_at_that_time(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", greys(10), fps=10)
    own = brightness(tmp_path / "a.mp4")
    assert brightness(tmp_path / "a.mp4", fps=10) == own
    assert brightness(tmp_path / "a.mp4", fps=20) == [light for light in own for _ in range(2)]
    assert brightness(tmp_path / "a.mp4", fps=5) == own[::2]
    assert brightness(tmp_path / "a.mp4", fps=25)[::5] == own[::2]


def test_a_folder_of_pictures_is_a_video_in_natural_order(tmp_path: Path) -> None:
    for i in (1, 2, 10, 11):
        image.write(tmp_path / f"frame{i}.png", torch.full((3, 4, 6), i / 20))
    (tmp_path / "notes.txt").touch()
    assert brightness(tmp_path) == sorted(brightness(tmp_path))
    info = video.probe(tmp_path)
    assert (info.frames, info.width, info.height, info.fps) == (4, 6, 4, 25)


def test_a_file_that_does_not_state_its_length_is_counted(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as target:
        stream = target.add_stream("libx264", rate=30)
        stream.width = stream.height = 32
        for i in range(7):
            frame = av.VideoFrame(32, 32, "yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, 30)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    assert video.probe(tmp_path / "a.mkv").frames == 7
    assert len(list(video.read(tmp_path / "a.mkv", fps=30))) == 7


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6])
def test_a_video_cut_short_is_refused_with_advice(tmp_path: Path, share: float) -> None:
    video.write(tmp_path / "a.mp4", greys(5), fps=25)
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MediaError, match="again"):
        list(video.read(tmp_path / "a.mp4"))


def test_missing_videos_empty_folders_and_mere_sound_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no video at"):
        list(video.read(tmp_path / "none.mp4"))
    with pytest.raises(MediaError, match="no pictures"):
        list(video.read(tmp_path))
    audio.write(tmp_path / "a.wav", torch.zeros(100))
    with pytest.raises(MediaError, match="no moving picture"):
        video.probe(tmp_path / "a.wav")
