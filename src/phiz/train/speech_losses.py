"""What networks that hear are trained by: coefficients, their change, places of points, kinds of sound."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from phiz.face import coeffs, points
from phiz.face.morphable import MorphableModel
from phiz.speech.mouth_network import Told


def modes_apart(
    told: Float[Tensor, "b t k"],
    true: Float[Tensor, "b t k"],
    spread: Float[Tensor, " k"],
    is_known: Bool[Tensor, "b t"],
) -> Float[Tensor, ""]:
    """Return the mean square of how far modes are from the truth, each in its own spread."""
    apart = ((told - true) / spread).square().mean(dim=2)
    return _mean(apart, is_known)


def speeds_apart(
    told: Float[Tensor, "b t k"],
    true: Float[Tensor, "b t k"],
    spread: Float[Tensor, " k"],
    is_known: Bool[Tensor, "b t"],
) -> Float[Tensor, ""]:
    """Return the same for changes from frame to frame: jitter counts, a lasting error does not."""
    both = is_known[:, 1:] & is_known[:, :-1]
    return modes_apart(told.diff(dim=1), true.diff(dim=1), spread, both)


def places_apart(
    told: Float[Tensor, "b t k"],
    true: Float[Tensor, "b t k"],
    places: Float[Tensor, "k p"],
    is_known: Bool[Tensor, "b t"],
) -> Float[Tensor, ""]:
    """Return the mean square of how far points of the face are from where they should be."""
    return _mean(((told - true) @ places).square().mean(dim=2), is_known)


def labels_apart(
    told: Told, labels: Int[Tensor, "b t 3"], is_known: Bool[Tensor, "b t"]
) -> Float[Tensor, ""]:
    """Return how unlikely kinds of sound, closed lips and talk are held where they are true."""
    viseme, closed, talking = labels.unbind(2)
    unlikely = functional.cross_entropy(told.visemes.movedim(2, 1), viseme, reduction="none") / 3
    binary = functional.binary_cross_entropy_with_logits
    unlikely = unlikely + binary(told.closed, closed.float(), reduction="none")
    return _mean(unlikely + binary(told.talking, talking.float(), reduction="none"), is_known)


def visible_places(head: MorphableModel, told: tuple[int, ...], *, eyes_share: float) -> Float[Tensor, "k p"]:
    """Return where each of these modes moves the points of mouth and eyes, in widths of the mouth.

    The result is a matrix: modes times it are places. A head that bends is taken to be straight between rest
    and half of each mode; with its jaw open, where it has a name for that, because lips that meet cannot be
    closed.
    """
    names, steps = head.expression_names, torch.arange(len(told))
    rest = coeffs.neutral(head.sizes, 2 * len(told))
    if "jawOpen" in names:
        jaw = names.index("jawOpen")
        rest.expression[:, jaw] = torch.tensor([0.0 if mode == jaw else 0.5 for mode in told]).repeat(2)
    rest.expression[len(told) + steps, list(told)] += 0.5
    found = head.landmarks(head.vertices(rest))
    mouth, eyes = [*points.OUTER_LIPS, *points.INNER_LIPS], [*points.RIGHT_EYE, *points.LEFT_EYE]
    width = (found[0, mouth].amax(0) - found[0, mouth].amin(0)).max()
    before, after = found.chunk(2)
    moved = 2 * (after - before) / width
    return torch.cat([moved[:, mouth].flatten(1), eyes_share * moved[:, eyes].flatten(1)], dim=1)


def _mean(values: Tensor, is_known: Tensor) -> Tensor:
    return (values * is_known).sum() / is_known.sum().clamp(min=1)
