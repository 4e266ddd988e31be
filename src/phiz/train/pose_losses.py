"""What pose networks are trained by: the same motion comes back, codes are spread, the judge is taken in."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def sameness(made: Float[Tensor, "b t 6"], real: Float[Tensor, "b t 6"]) -> Float[Tensor, ""]:
    """Return the mean square of how far a motion is from the one that it was made of."""
    return functional.mse_loss(made, real)


def spread(mean: Float[Tensor, "b z"], log_variance: Float[Tensor, "b z"]) -> Float[Tensor, ""]:
    """Return how far codes are from random ones: the Kullback-Leibler divergence, a motion.

    Appendix B of "Auto-Encoding Variational Bayes" (Kingma and Welling, 2014).
    """
    each = 1 + log_variance - mean.square() - log_variance.exp()
    return -0.5 * each.sum(dim=1).mean()


def code_of(
    mean: Float[Tensor, "b z"], log_variance: Float[Tensor, "b z"], chance: Float[Tensor, "b z"]
) -> Float[Tensor, "b z"]:
    """Return a code that may have been a motion's, so that a gradient flows through it."""
    return mean + (0.5 * log_variance).exp() * chance


def taken_in(scores: Float[Tensor, "b s"]) -> Float[Tensor, ""]:
    """Return how far the judge is from taking made motions for real ones (1), squared.

    "Least Squares Generative Adversarial Networks" (Mao et al., 2017); which form was published with is not
    known.
    """
    return (scores - 1).square().mean()


def judged(real: Float[Tensor, "b s"], made: Float[Tensor, "b s"]) -> Float[Tensor, ""]:
    """Return how far the judge is from telling real motions (1) from made ones (0), squared."""
    return 0.5 * ((real - 1).square().mean() + made.square().mean())
