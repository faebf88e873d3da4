"""Exact nearest neighbours: blocks of matrix products, and faiss's flat index.

python -m benchmarks.retrieval [--both] [--count N] [--width N] [--neighbours N] [--rounds N]

Sentences and their translations are random unit vectors, a translation near its sentence. The nearest neighbours of
every sentence among all translations are sought on one thread, in single precision, and compared.

  blocks               this project's search.top_k, with --both search.top_k_both
  faiss                faiss.IndexFlatIP, vectors added and searched; pip install 'stilts-xtreme[bench]'

4 neighbours are what mining by margins asks for (BUCC), of the sentences and, with --both, of the translations as well;
1 is what sentence retrieval asks for (Tatoeba).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks import rounds as plumbing
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.search import NEIGHBOURS, top_k, top_k_both

NOISE = 1.0
"""How far a translation is from its sentence, as a part of its length."""
EQUAL = 1e-5
"""Similarities that differ by less are equal up to rounding."""


def draw(count: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of sentences and of their translations."""
    generator = np.random.default_rng(0)
    queries = generator.normal(size=(count, width)).astype(np.float32)
    candidates = queries + NOISE * generator.normal(size=(count, width)).astype(np.float32)
    return tuple(some / np.linalg.norm(some, axis=1, keepdims=True) for some in (queries, candidates))


def ours(clock: plumbing.Clock, queries: np.ndarray, candidates: np.ndarray, k: int, both: bool) -> list[np.ndarray]:
    """Positions [Q, k], with ``both`` those of the other side [C, k] as well."""
    with clock:
        found = top_k_both(queries, candidates, k) if both else (top_k(queries, candidates, k),)
        return [positions for _, positions in found]


def flat(clock: plumbing.Clock, queries: np.ndarray, candidates: np.ndarray, k: int, both: bool) -> list[np.ndarray]:
    """The same from faiss, by an index for each side that is searched in."""
    import faiss

    faiss.omp_set_num_threads(1)
    with clock:
        found = []
        for own, others in [(queries, candidates), (candidates, queries)][: 1 + both]:
            index = faiss.IndexFlatIP(others.shape[1])
            index.add(others)
            found.append(index.search(own, k)[1])
        return found


def measure(count: int, width: int, neighbours: int, both: bool, rounds: int) -> dict[str, Any]:
    """Searches in every way in every round.

    Args:
        count: Sentences, and as many translations.
        width: Numbers of a vector.
        neighbours: How many are sought.
        both: Whether they are sought for the translations as well.
        rounds: How often each way is measured.

    Raises:
        StiltsError: Without faiss.
    """
    try:
        import faiss  # noqa: F401
    except ImportError as error:
        raise StiltsError("faiss is not installed; pip install 'stilts-xtreme[bench]' brings it.") from error
    neighbours = min(neighbours, count)
    queries, candidates = draw(count, width)
    sides = [(queries, candidates), (candidates, queries)][: 1 + both]
    answers: dict[str, list[np.ndarray]] = {}

    def kept(way: str, work: Any) -> plumbing.Way:
        def run(clock: plumbing.Clock) -> Mapping[str, Any]:
            answers[way] = work(clock, queries, candidates, neighbours, both)
            return {}

        return run

    found = plumbing.turns({"blocks": kept("blocks", ours), "faiss": kept("faiss", flat)}, rounds)
    for way, entry in found.items():
        entry["facts"]["queries answered otherwise"] = sum(
            differences(*side, *positions)
            for side, *positions in zip(sides, answers[way], answers["blocks"], strict=True)
        )
    settings = {"count": count, "width": width, "neighbours": neighbours, "both": both, "rounds": rounds}
    return {"settings": settings, "work": {"queries": count * (1 + both)}, "ways": found}


def differences(queries: np.ndarray, candidates: np.ndarray, one: np.ndarray, other: np.ndarray) -> int:
    """Queries with another neighbour at some place [Q, k], and not one that is as near."""
    near, far = (np.einsum("qh,qkh->qk", queries, candidates[positions]) for positions in (one, other))
    return int(((one != other) & (np.abs(near - far) > EQUAL)).any(1).sum())


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = plumbing.parser("retrieval", __doc__ or "")
    parser.add_argument("--count", type=plumbing.at_least(1), default=20_000, help="vectors a side (%(default)s)")
    parser.add_argument("--width", type=plumbing.at_least(1), default=384, help="numbers of a vector (%(default)s)")
    parser.add_argument("--neighbours", type=plumbing.at_least(1), default=NEIGHBOURS, help="sought (%(default)s)")
    parser.add_argument("--both", action="store_true", help="of the translations as well, as mining asks")
    plumbing.run(parser, arguments, measure)


if __name__ == "__main__":
    main()
