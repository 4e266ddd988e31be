"""A head that moves as one knows it does is tracked: pose, lips, lids, eyes, over gaps, without lag."""

from __future__ import annotations

import functools

import pytest
import torch
from face.moving_face import FOCAL, SIDE, Film, film

from phiz.errors import MediaError
from phiz.face import eyeballs, head, tracking
from phiz.face.follow import BuiltInFollower, Follower, Frame, followed
from phiz.face.head import Head
from phiz.face.landmarks import COUNT, FacePoints
from phiz.face.tracking import Track

MISSING = range(30, 36)


@functools.lru_cache(maxsize=1)
def model() -> Head:
    if not head.BUILT_IN.is_file():
        pytest.skip("no head model")
    return head.built_in()


@functools.lru_cache(maxsize=1)
def made() -> Film:
    return film(model(), 60, noise=0.01, missing=MISSING)


@functools.lru_cache(maxsize=1)
def tracked() -> Track:
    return tracking.track(model(), made().frames, fps=25.0)


def alike(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one, other]))[0, 1])


def of(face: torch.Tensor, name: str) -> torch.Tensor:
    return face[:, model().expression_names.index(name)]


def test_the_head_is_turned_as_it_was() -> None:
    angle = tracking.turned_apart(tracked().face.rotation, made().face.rotation).rad2deg()
    assert float(angle.mean()) < 2
    assert float(angle.max()) < 4


def test_lips_and_lids_move_as_they_did() -> None:
    truth, found = made().face.expression, tracked()
    assert alike(of(found.motion.expression, "jawOpen"), of(truth, "jawOpen")) > 0.95
    blink = of(truth, "eyeBlinkLeft")
    assert alike(found.motion.blink[:, 0], blink) > 0.9
    assert float(found.motion.blink[blink > 0.95].min()) > 0.5
    assert not of(found.motion.expression, "eyeBlinkLeft").any()  # blinks stand apart
    assert torch.equal(of(found.face.expression, "eyeBlinkRight"), found.motion.blink[:, 1])


def test_nothing_comes_late() -> None:
    truth, found = of(made().face.expression, "jawOpen"), of(tracked().motion.expression, "jawOpen")
    fits = {lag: alike(found[5 + lag : 55 + lag], truth[5:55]) for lag in range(-3, 4)}
    assert max(fits, key=lambda lag: fits[lag]) == 0


def test_eyes_look_where_they_did() -> None:
    apart = (tracked().motion.gaze - made().face.gaze).abs().rad2deg()
    assert float(apart.mean()) < 6
    assert alike(tracked().motion.gaze[:, 0, 0], made().face.gaze[:, 0, 0]) > 0.9


def test_gaps_are_bridged_and_told() -> None:
    (gap,) = tracked().gaps
    assert (gap.first, gap.last, gap.why) == (MISSING[0], MISSING[-1], tracking.NO_FACE)
    assert int(tracked().known.sum()) == 60 - len(MISSING)
    assert bool(tracked().point_error[list(MISSING)].isnan().all())
    steps = tracked().motion.rotation.diff(dim=0).norm(dim=1)
    assert float(steps.max()) < 2.5 * float(steps.median()) + 0.02


def test_points_that_are_nonsense_are_not_believed() -> None:
    frames = list(made().frames)
    chance = torch.Generator().manual_seed(0)
    for k in (10, 11):
        frames[k] = frames[k]._replace(xy=torch.rand(COUNT, 2, generator=chance) * SIDE)
    found = tracking.track(model(), frames, fps=25.0)
    assert not found.known[10:12].any()
    assert any(gap.why == tracking.POOR for gap in found.gaps)
    angle = tracking.turned_apart(found.face.rotation, made().face.rotation).rad2deg()
    assert float(angle.max()) < 5


def test_what_is_still_is_calm() -> None:
    """Noise of the points hardly shakes a head that does not move."""
    still = film(model(), 40, noise=0.01)
    first = still.face[:1]
    frames = [
        frame._replace(xy=frame.xy - (still.frames[k].xy - still.frames[0].xy) * 0)
        for k, frame in enumerate(still.frames)
    ]
    chance = torch.Generator().manual_seed(1)
    frames = [
        frame._replace(xy=frames[0].xy + 0.3 * torch.randn(COUNT, 2, generator=chance)) for frame in frames
    ]
    found = tracking.track(model(), frames, fps=25.0)
    jitter = found.motion.rotation.diff(n=2, dim=0).abs().rad2deg()
    assert float(jitter.mean()) < 0.3
    assert first.batch == 1


def test_a_film_without_a_face_is_refused() -> None:
    nothing = [Frame(torch.zeros(COUNT, 2), torch.ones(COUNT), 0.0, (SIDE, SIDE))] * 3
    with pytest.raises(MediaError, match="no face in any of the 3 frames"):
        tracking.track(model(), nothing, fps=25.0)


def test_angles_do_not_jump_by_a_turn() -> None:
    angles = torch.tensor([[3.0], [-3.1], [-2.9], [3.1]])
    found = tracking.unwound(angles)
    assert float(found.diff(dim=0).abs().max()) < 1
    torch.testing.assert_close(found.sin(), angles.sin())


def test_gaze_comes_from_irises_alone() -> None:
    clean = film(model(), 10, noise=1e-6)
    xy = torch.stack([frame.xy for frame in clean.frames])
    found = eyeballs.gazes(model(), clean.face, xy[:, -10:], torch.tensor(FOCAL), [(SIDE, SIDE)] * 10)
    assert float((found - clean.face.gaze).abs().max().rad2deg()) < 2.5
    left, right = eyeballs.order(model())
    x = model().landmarks478(model().mean[None])[0, -10:, 0]
    assert float(x[left]) > 0 > float(x[right])


class Blinking:
    """A follower that loses the face now and then, and says what it was told last."""

    def __init__(self) -> None:
        self.seen: list[FacePoints | None] = []

    def follow(self, picture: torch.Tensor, last: FacePoints | None) -> FacePoints | None:
        self.seen.append(last)
        if len(self.seen) == 2:
            return None
        place = torch.full((1, COUNT, 2), float(len(self.seen)))
        return FacePoints(xy=place, sigma=torch.ones(1, COUNT), score=torch.tensor([0.8]))


def test_following_goes_on_where_the_face_was_last_seen() -> None:
    follower = Blinking()
    assert isinstance(follower, Follower)
    assert isinstance(BuiltInFollower(), Follower)
    frames = list(followed([torch.zeros(3, 20, 30)] * 4, follower))
    assert [frame.score for frame in frames] == pytest.approx([0.8, 0.0, 0.8, 0.8])
    assert frames[0].size == (20, 30)
    assert follower.seen[0] is None
    assert follower.seen[1] is follower.seen[2]
    assert follower.seen[3] is not None
    assert float(follower.seen[3].xy[0, 0, 0]) == 3
