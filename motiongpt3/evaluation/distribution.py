"""How close a set of made motions comes to a set of real ones, and how much its motions differ.

Everything is measured on embeddings of a motion evaluator, in float64. Small sets are where these
figures deceive: a Frechet distance grows as samples become few, so that it is refused below four
samples for each dimension (2,048 of Guo et al.'s 512). For smaller sets there are the distance on
the first principal components of the training embeddings, and the kernel distance, whose
expectation does not depend on the number of samples. Either is read beside the same figure between
two halves of the real set.

Shapes: N and M samples, D width of an embedding, C components, P prompts with S samples each.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from motiongpt3.errors import InputError
from motiongpt3.evaluation.figure import Figure, lacking, too_few

_SAMPLES_PER_DIMENSION = 4


def frechet_distance(
    made: Float[np.ndarray, "N D"], real: Float[np.ndarray, "M D"], least: int | None = None
) -> Figure:
    """FID: the squared Frechet distance between the Gaussians that fit two sets best.

    |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^1/2), with covariances over n - 1 as numpy.cov has
    them (Heusel et al. 2017; metrics/utils.py of MotionGPT3). The last trace is taken from the
    eigenvalues of S1^1/2 S2 S1^1/2, which is symmetric: no complex root that must be cut to its
    real part, and nothing to add to the diagonal of a covariance that is not of full rank.

    Args:
        least: fewer samples than this, in either set, give `too_few`; 4 D unless told.
    """
    if least is None:
        least = _SAMPLES_PER_DIMENSION * made.shape[1]
    missing = lacking(least, made, real)
    if missing:
        return missing
    mean_1, covariance_1 = _gaussian(made)
    mean_2, covariance_2 = _gaussian(real)
    values, vectors = np.linalg.eigh(covariance_1)
    root = (vectors * np.sqrt(_positive(values))) @ vectors.T
    shared = np.sqrt(_positive(np.linalg.eigvalsh(root @ covariance_2 @ root))).sum()
    spread = np.trace(covariance_1) + np.trace(covariance_2) - 2 * shared
    return float(np.square(mean_1 - mean_2).sum() + spread)


def _gaussian(
    samples: Float[np.ndarray, "N D"],
) -> tuple[Float[np.ndarray, "D"], Float[np.ndarray, "D D"]]:
    rows = samples.astype(np.float64)
    return rows.mean(0), np.cov(rows, rowvar=False)


def _positive(values: Float[np.ndarray, "D"]) -> Float[np.ndarray, "D"]:
    """Eigenvalues of a covariance without the rounding noise of those that are zero.

    Its square root would not be noise any more: 1e-16 becomes 1e-8, once for each dimension.
    """
    noise = values.max(initial=0) * len(values) * np.finfo(np.float64).eps
    return np.where(values > noise, values, 0)


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """The directions in which embeddings of the training set differ most.

    Attributes:
        mean: of the embeddings.
        axes: orthonormal rows, the direction of most variance first.
    """

    mean: Float[np.ndarray, "D"]
    axes: Float[np.ndarray, "C D"]

    @staticmethod
    def fit(embeddings: Float[np.ndarray, "N D"], components: int = 32) -> "PrincipalComponents":
        """The first components of some embeddings.

        Raises:
            InputError: when there are not more embeddings than components, or not as many
                dimensions.
        """
        n, dimensions = embeddings.shape
        if not components < n or components > dimensions:
            raise InputError(
                f"{components} components of {n} embeddings with {dimensions} numbers each"
            )
        mean, covariance = _gaussian(embeddings)
        _, vectors = np.linalg.eigh(covariance)
        return PrincipalComponents(mean, vectors[:, ::-1][:, :components].T.copy())

    def apply(self, embeddings: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N C"]:
        """Embeddings as coordinates along the components."""
        return (embeddings.astype(np.float64) - self.mean) @ self.axes.T


def kernel_distance(
    made: Float[np.ndarray, "N D"], real: Float[np.ndarray, "M D"], least: int = 64
) -> Figure:
    """KID: the squared maximum mean discrepancy under the kernel (x.y / D + 1)^3.

    Binkowski et al. 2018 (Demystifying MMD GANs), by the unbiased U-statistic of
    Gretton et al. 2012 (lemma 6) over all samples at once. Being unbiased, it is below zero about
    as often as above where both sets come from one distribution.

    Args:
        least: fewer samples than this, in either set, give `too_few`.
    """
    missing = lacking(least, made, real)
    if missing:
        return missing
    return _within(made) + _within(real) - 2 * float(_kernel(made, real).mean())


def _kernel(a: Float[np.ndarray, "N D"], b: Float[np.ndarray, "M D"]) -> Float[np.ndarray, "N M"]:
    return (a.astype(np.float64) @ b.astype(np.float64).T / a.shape[1] + 1) ** 3


def _within(samples: Float[np.ndarray, "N D"]) -> float:
    """Mean of the kernel over all pairs of different samples."""
    kernel, n = _kernel(samples, samples), len(samples)
    return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))


def diversity(
    embeddings: Float[np.ndarray, "N D"],
    rng: np.random.Generator,
    pairs: int = 300,
    least: int = 64,
) -> Figure:
    """The mean Euclidean distance of random pairs: min(pairs, N // 2) of them.

    Args:
        least: fewer samples than this give `too_few`.
    """
    missing = lacking(least, embeddings)
    if missing:
        return missing
    first, second = _pairs(len(embeddings), min(pairs, len(embeddings) // 2), rng)
    apart = embeddings[first].astype(np.float64) - embeddings[second]
    return float(np.linalg.norm(apart, axis=-1).mean())


def multimodality(
    embeddings: Float[np.ndarray, "P S D"],
    rng: np.random.Generator,
    pairs: int = 10,
    least: int = 10,
) -> Figure:
    """MModality: the mean distance of random pairs of motions made for one prompt.

    The same pairs are drawn for every prompt.

    Args:
        least: fewer prompts than this give `too_few`, and so do less than 2 x pairs samples.
    """
    samples = embeddings.shape[1]
    missing = lacking(least, embeddings)
    if missing:
        return missing
    if samples < 2 * pairs:
        return too_few(samples)
    first, second = _pairs(samples, pairs, rng)
    apart = embeddings[:, first].astype(np.float64) - embeddings[:, second]
    return float(np.linalg.norm(apart, axis=-1).mean())


def _pairs(
    n: int, count: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "K"], Int[np.ndarray, "K"]]:
    """Partners of random pairs, no item twice on either side.

    As metrics/utils.py of MotionGPT3 draws them: both sides by themselves, so that an item may
    meet itself. The expectation is therefore 1 - 1/n of the mean over different items, in the
    published figures as in ours: 3 % less for 30 samples of a prompt, 0.02 % for HumanML3D's test.
    """
    first, second = (rng.choice(n, count, replace=False) for _ in range(2))
    return first, second
