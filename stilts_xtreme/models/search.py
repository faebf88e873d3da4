"""Exact nearest neighbours by matrix products in blocks, and what is mined from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch

BLOCK_BYTES = 256 * 2**20
"""Memory of the similarities that are held at a time, and of the candidates that are being compared in single
precision; the vectors themselves come on top, and when rankings are sought, some times as much."""

RUN = 64
"""Neighbouring values of which the largest is found at once."""

NEIGHBOURS = 4
"""Neighbours that a margin is taken over: the default of XTREME's ``mine_bitext``."""


def blocks(
    queries: np.ndarray, candidates: np.ndarray, device: str = "cpu", square: bool = False
) -> Iterator[tuple[slice, slice, torch.Tensor]]:
    """Cosine similarities, some queries with some candidates at a time.

    Args:
        queries: Unit vectors [Q, H].
        candidates: Unit vectors [C, H], in any precision: they are compared in single precision.
        device: Where the products are computed.
        square: About as many queries as candidates at a time, for what looks at both; else as many candidates as may
            be, so that few blocks have to be put together for a query.

    Yields:
        Which queries, which candidates, and their similarities [q, c], at most :data:`BLOCK_BYTES` of them; for each
        stretch of candidates all queries. The next block takes the place of the last one in memory.
    """
    width = max(1, queries.shape[1] if queries.ndim == 2 else 1)
    most = math.isqrt(BLOCK_BYTES // 4) if square else BLOCK_BYTES // (4 * width)
    many = max(1, min(len(candidates), most))
    step = max(1, min(len(queries), BLOCK_BYTES // (4 * many)))
    room = torch.empty(step * many, device=device)  # once: new memory for each block costs a third of its product
    for first in range(0, len(candidates), many):
        there = slice(first, first + many)
        pool = torch.from_numpy(candidates[there]).to(device).float()
        for at in range(0, len(queries), step):
            here = slice(at, at + step)
            own = torch.from_numpy(queries[here]).to(device).float()
            block = room[: len(own) * len(pool)].view(len(own), len(pool))
            yield here, there, torch.mm(own, pool.T, out=block)


def _largest(block: torch.Tensor) -> torch.Tensor:
    """The largest value of every run of each row [q, runs]; the last run may be short."""
    whole = block.shape[1] // RUN * RUN
    if block.stride(0) == 1:
        # a transposed block is reduced in the order of its memory, which is twenty times as fast
        found = block.T[:whole].unflatten(0, (-1, RUN)).amax(1).T if whole else block[:, :0]
    else:
        found = block[:, :whole].unflatten(1, (-1, RUN)).amax(-1) if whole else block[:, :0]
    return torch.cat([found, block[:, whole:].amax(1, keepdim=True)], 1) if whole < block.shape[1] else found


def _first(block: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The ``k`` largest values of each row and where they are; of equal ones at the end the first.

    The largest of every run of values are found first, at the speed of memory; the ``k`` best values are in the ``k``
    runs whose largest are best, and only those are looked through.
    """
    rows, columns = block.shape
    largest = _largest(block)
    runs = largest.topk(min(k, largest.shape[1]), dim=1)[1]
    places = (runs[..., None] * RUN + torch.arange(RUN, device=block.device)).view(rows, -1)
    values = block.gather(1, places.clamp(max=columns - 1)).masked_fill_(places >= columns, -torch.inf)
    near, at = values.topk(k, dim=1)
    at = places.gather(1, at)
    # topk takes any of equal ones
    last = near[:, -1:]
    unclear = (((values >= last).sum(1) > k) | ((largest >= last).sum(1) > k)).nonzero()[:, 0]
    if len(unclear):
        ordered, order = block[unclear].sort(dim=1, descending=True, stable=True)
        near[unclear], at[unclear] = ordered[:, :k], order[:, :k]
    return near, at


class _Nearest:
    """The best of the blocks that were seen so far: similarities and positions, ties by position."""

    def __init__(self, rows: int, k: int, others: int):
        self.sims = np.full((rows, k), -np.inf, np.float32)
        self.positions = np.full((rows, k), others, np.int64)

    def add(self, here: slice, there: slice, block: torch.Tensor) -> None:
        """Takes the similarities [q, c] of the rows ``here`` with the others ``there``."""
        k = self.sims.shape[1]
        near, at = _first(block, min(k, block.shape[1]))
        both = np.concatenate([self.sims[here], near.cpu().numpy()], axis=1)
        where = np.concatenate([self.positions[here], at.cpu().numpy() + there.start], axis=1)
        order = np.lexsort((where, -both), axis=1)[:, :k]
        self.sims[here] = np.take_along_axis(both, order, 1)
        self.positions[here] = np.take_along_axis(where, order, 1)


def top_k(queries: np.ndarray, candidates: np.ndarray, k: int, device: str = "cpu") -> tuple[np.ndarray, np.ndarray]:
    """The nearest candidates of every query, exactly.

    Args:
        queries: Unit vectors [Q, H].
        candidates: Unit vectors [C, H], in any precision.
        k: How many of them.
        device: Where the products are computed.

    Returns:
        Similarities and positions, both [Q, min(k, C)], the nearest first, ties by position.
    """
    found = _Nearest(len(queries), min(k, len(candidates)), len(candidates))
    for here, there, block in blocks(queries, candidates, device):
        found.add(here, there, block)
    return found.sims, found.positions


def top_k_both(
    one: np.ndarray, other: np.ndarray, k: int, device: str = "cpu"
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The nearest vectors of the other side for every vector of either side, by one multiplication of the two.

    Args:
        one: Unit vectors [A, H].
        other: Unit vectors [B, H], in any precision.
        k: How many of them.
        device: Where the products are computed.

    Returns:
        For the first side similarities and positions among the other's, both [A, min(k, B)], as of :func:`top_k`; for
        the other side both [B, min(k, A)].
    """
    sides = _Nearest(len(one), min(k, len(other)), len(other)), _Nearest(len(other), min(k, len(one)), len(one))
    for here, there, block in blocks(one, other, device, square=True):
        sides[0].add(here, there, block)
        sides[1].add(there, here, block.T)
    first, second = ((side.sims, side.positions) for side in sides)
    return first, second


def ranks(
    queries: np.ndarray, candidates: np.ndarray, wanted: Sequence[Sequence[int]], device: str = "cpu"
) -> list[list[int]]:
    """The places of some candidates in the whole ranking of every query.

    Args:
        queries: Unit vectors [Q, H].
        candidates: Unit vectors [C, H], in any precision.
        wanted: Positions of the candidates that are asked about, for each query.
        device: Where the products are computed.

    Returns:
        For each query the ranks of its candidates, counted from 1, ties by position.
    """
    most = max(map(len, wanted), default=0)
    which = np.full((len(queries), most), -1, np.int64)
    for at, positions in enumerate(wanted):
        which[at, : len(positions)] = positions
    asked = torch.from_numpy(which).to(device)
    # twice the same products: how near the wanted ones are must be known before others are compared with them
    near = torch.full(asked.shape, float("inf"), device=device)
    for here, there, block in blocks(queries, candidates, device):
        inside = (asked[here] >= there.start) & (asked[here] < there.start + block.shape[1])
        found = block.gather(1, (asked[here] - there.start).clamp(0, block.shape[1] - 1))
        near[here] = torch.where(inside, found, near[here])
    before = torch.zeros(asked.shape, dtype=torch.int64, device=device)
    for here, there, block in blocks(queries, candidates, device):
        place = torch.arange(there.start, there.start + block.shape[1], device=device)
        for column in range(most):
            own = near[here, column, None]
            earlier = (block == own) & (place < asked[here, column, None])
            before[here, column] += ((block > own) | earlier).sum(1)
    found_ranks = (before + 1).cpu().tolist()
    return [row[: len(positions)] for row, positions in zip(found_ranks, wanted, strict=True)]


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
    found = dict(zip("fe", top_k_both(foreign, english, NEIGHBOURS, device), strict=True))
    sims = {side: values for side, (values, _) in found.items()}
    near = {side: positions for side, (_, positions) in found.items()}
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
