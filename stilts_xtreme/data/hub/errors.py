"""The errors of the hub's client as one sentence each. They never show an address, which may be signed, or a token."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from stilts_xtreme.core.errors import StiltsError

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


class Unreachable(StiltsError):
    """There is no hub to ask."""


@contextmanager
def answers(repo: str, revision: str | None, model: bool = False) -> Iterator[None]:
    """Turns the refusals of the hub and of the network into sentences; errors of the disk are left as they are.

    Raises:
        Unreachable: The hub does not answer.
        StiltsError: It answers with a refusal.
    """
    try:
        yield
    except StiltsError:
        raise
    except Exception as error:
        raise _sentence(error, repo, revision, model) from error


def _sentence(error: Exception, repo: str, revision: str | None, model: bool) -> Exception:
    from huggingface_hub import errors

    if isinstance(error, errors.OfflineModeIsEnabled):
        return Unreachable(f"HF_HUB_OFFLINE is set, so '{repo}' cannot be fetched; unset it.")
    if isinstance(error, errors.GatedRepoError):
        page = f"https://huggingface.co/{'' if model else 'datasets/'}{repo}"
        return StiltsError(f"'{repo}' is gated: accept its terms at {page} and log in with 'hf auth login'.")
    if isinstance(error, errors.RevisionNotFoundError):
        return StiltsError(f"The hub's '{repo}' has no revision '{revision}'.")
    if isinstance(error, errors.RepositoryNotFoundError):
        return StiltsError(f"The hub has no {'encoder' if model else 'data set'} '{repo}', or it needs a login.")
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        if status in (401, 403):
            return StiltsError(
                f"The hub refuses the token of this machine for '{repo}' ({status}): renew it with 'hf auth login' or "
                "HF_TOKEN, or do without one ('hf auth logout')."
            )
        kind = Unreachable if status >= 500 or status == 429 else StiltsError
        return kind(f"The hub answers {status} for '{repo}'; the same command goes on from here later.")
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
        return error
    proxies = [name for name in _PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    through = f" through {' and '.join(proxies)}" if proxies else ""
    return Unreachable(
        f"The hub cannot be reached for '{repo}'{through} ({type(error).__name__}): fetch where there is a network."
    )
