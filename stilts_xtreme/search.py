"""Exact nearest neighbours by matrix products in blocks, and what is mined from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

BLOCK_BYTES = 256 * 2**20
"""Memory of the similarities that are held at a time; the vectors themselves come on top."""

NEIGHBOURS = 4
"""Neighbours that a margin is taken over: the default of XTREME's ``mine_bitext``."""


def blocks(queries: np.ndarray, candidates: np.ndarray, device: str = "cpu") -> Iterator[tuple[int, torch.Tensor]]:
    """Cosine similarities of queries with all candidates, some queries at a time.

    Args:
        queries: Unit vectors [Q, H].
        candidates: Unit vectors [C, H].
        device: Where the products are computed.

    Yields:
        The position of the first query and the similarities [q, C], at most :data:`BLOCK_BYTES` of them.
    """
    pool = torch.from_numpy(candidates).to(device)
    step = max(1, BLOCK_BYTES // (4 * max(1, len(candidates))))
    for at in range(0, len(queries), step):
        yield at, torch.from_numpy(queries[at : at + step]).to(device) @ pool.T


def top_k(queries: np.ndarray, candidates: np.ndarray, k: int, device: str = "cpu") -> tuple[np.ndarray, np.ndarray]:
    """The nearest candidates of every query.

    Returns:
        Similarities and positions, both [Q, min(k, C)], the nearest first, ties by position.
    """
    k = min(k, len(candidates))
    found = [
        (sims.cpu().numpy(), positions.cpu().numpy())
        for _, block in blocks(queries, candidates, device)
        for sims, positions in [block.topk(k, dim=1)]
    ]
    if not found:
        return np.zeros((0, k), np.float32), np.zeros((0, k), np.int64)
    sims, positions = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((positions, -sims), axis=1)
    return np.take_along_axis(sims, order, 1), np.take_along_axis(positions, order, 1)


def mine(foreign: np.ndarray, english: np.ndarray, device: str = "cpu") -> list[tuple[int, int, float]]:
    """Mines pairs by ratio margin (Artetxe and Schwenk 2019), as XTREME's ``mine_bitext`` does with its defaults.

    The score of a pair is its cosine over the mean of the average cosines of both sentences with their own
    :data:`NEIGHBOURS` nearest neighbours. Every sentence of either side proposes its best-scoring neighbour; proposals
    are taken in the order of their scores, each sentence at most once (``retrieval="max"``).

    Args:
        foreign: Unit vectors [F, H] of different sentences.
        english: Unit vectors [E, H] of different sentences.
        device: Where the products are computed.

    Returns:
        (foreign position, English position, score), the best first; only scores above 0.
    """
    if not len(foreign) or not len(english):
        return []
    sims = {}
    near = {}
    for side, own, others in (("f", foreign, english), ("e", english, foreign)):
        sims[side], near[side] = top_k(own, others, NEIGHBOURS, device)
    mean = {side: values.mean(axis=1, dtype=np.float64) for side, values in sims.items()}
    proposals = []
    for side, far in (("f", "e"), ("e", "f")):
        scores = sims[side] / ((mean[side][:, None] + mean[far][near[side]]) / 2)
        best = scores.argmax(axis=1)
        rows = np.arange(len(scores))
        pairs = (rows, near[side][rows, best])
        proposals.append((*(pairs if side == "f" else pairs[::-1]), scores[rows, best]))
    firsts, seconds, scores = (np.concatenate(parts) for parts in zip(*proposals, strict=True))
    seen_one: set[int] = set()
    seen_other: set[int] = set()
    taken = []
    for at in np.argsort(-scores, kind="stable"):
        one, other = int(firsts[at]), int(seconds[at])
        if one in seen_one or other in seen_other:
            continue
        seen_one.add(one)
        seen_other.add(other)
        if scores[at] > 0:
            taken.append((one, other, float(scores[at])))
    return taken


def best_threshold(found: Sequence[tuple[str, str, float]], gold: set[tuple[str, str]]) -> float:
    """The score that separates mined pairs best: halfway between the last of the prefix of highest F1 and the next one.

    Args:
        found: Pairs with their scores, the best first.
        gold: The right pairs.

    Returns:
        The threshold, as ``bucc_optimize`` of XTREME chooses it; 0 where no pair is right. Where the best prefix is all
        there is, its last score (the script fails there).
    """
    right, best, threshold = 0, 0.0, 0.0
    for n, (one, other, score) in enumerate(found, 1):
        right += (one, other) in gold
        # 2PR / (P + R) over the same counts
        f1 = 2 * right / (n + len(gold))
        if f1 > best:
            best = f1
            threshold = (score + found[n][2]) / 2 if n < len(found) else score
    return threshold
