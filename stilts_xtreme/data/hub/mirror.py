"""A folder that holds what the hub holds: what is to be brought, bringing it, and what it must be.

``FOLDER/<owner>/<name>`` is a repository of data, ``FOLDER/models/<owner>/<name>`` one of an encoder. Beside the files
of each lies ``fetched.yaml``: the commit they are of, their sizes and digests. A file gets its name only when its bytes
are those that the hub promises; until then it is below ``FOLDER/.fetching``.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.data.hub.errors import answers
from stilts_xtreme.data.row_files import rows_in

RECORD = "fetched.yaml"
SCRATCH = ".fetching"
COMMIT = re.compile(r"[0-9a-f]{40}")
TIMEOUT = 10.0
"""Seconds until the hub counts as not reachable."""


@dataclass(frozen=True)
class Part:
    """A raw split of a configuration, of which the first ``limit`` rows are needed (None: all)."""

    config: str
    split: str
    limit: int | None = None


@dataclass(frozen=True)
class Repo:
    """A repository on the hub.

    Attributes:
        id: ``owner/name``.
        revision: The revision that is asked for; None is the main branch.
        model: Whether it holds an encoder rather than data.
    """

    id: str
    revision: str | None = None
    model: bool = False

    def folder(self, root: str | Path) -> Path:
        """Where its files are below a root."""
        return Path(root) / ("models" if self.model else "") / self.id


@dataclass(frozen=True)
class File:
    """A file of a repository: its size in bytes, and its SHA-256 or, where the hub has none, the id of its git blob."""

    path: str
    size: int
    sha256: str | None = None
    git: str | None = None

    def is_at(self, place: Path) -> bool:
        """Whether a file has this size and digest."""
        if not place.is_file() or place.stat().st_size != self.size:
            return False
        with place.open("rb") as file:
            if self.sha256:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
            # https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
            digest = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
            while block := file.read(1 << 20):
                digest.update(block)
        return self.git is None or digest.hexdigest() == self.git


@dataclass(frozen=True)
class Listing:
    """What is to be brought of a repository.

    Attributes:
        repo: The repository.
        commit: Full id of the commit.
        files: The files that are needed whatever they hold.
        queues: Files of a split of which only the first rows are needed, and how many; as many files as hold them.
    """

    repo: Repo
    commit: str
    files: tuple[File, ...]
    queues: tuple[tuple[tuple[File, ...], int], ...] = field(default=())


def record_of(folder: Path) -> dict[str, Any] | None:
    """What was brought into the folder of a repository; None where nothing was.

    Raises:
        StiltsError: For a record that cannot be read.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert COMMIT.fullmatch(record["commit"])
        assert all(file["size"] >= 0 for file in record["files"].values())
    except (yaml.YAMLError, AssertionError, KeyError, TypeError, AttributeError) as error:
        raise StiltsError(f"{path} is damaged; remove {folder} and fetch it again.") from error
    return record


def encoder(root: str | Path, repo: str, revision: str | None) -> tuple[str, str] | None:
    """The folder and the commit of an encoder in a root; None where it was not brought in this revision.

    Raises:
        StiltsError: When it was not brought whole.
    """
    folder = Repo(repo, model=True).folder(root)
    record = record_of(folder)
    if record is None or revision not in (record["revision"], record["commit"]):
        return None
    for name, file in record["files"].items():
        if not (folder / name).is_file() or (folder / name).stat().st_size != file["size"]:
            raise StiltsError(f"{folder} lacks {name} or has only a part of it: fetch {repo} again.")
    return str(folder), record["commit"]


def download(repo: Repo, name: str, scratch: Path, bar: type | None = None) -> Path:
    """Has the hub's client bring one file into a scratch folder.

    Raises:
        StiltsError: When it cannot be had.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    if bar is None:
        disable_progress_bars()
    with answers(repo.id, repo.revision, repo.model):
        path = hf_hub_download(
            repo.id,
            name,
            repo_type="model" if repo.model else "dataset",
            revision=repo.revision,
            local_dir=scratch,
            etag_timeout=TIMEOUT,
            tqdm_class=bar,
        )
    return Path(path)


class Mirror:
    """Brings listed files below a root.

    Args:
        root: The folder.
        on_file: Told of each file that is there, with whether it was brought now.
    """

    def __init__(self, root: str | Path, on_file: Callable[[File, bool], None], bar: type | None = None):
        self.root, self.on_file, self.bar = Path(root), on_file, bar

    def claim(self, listing: Listing) -> None:
        """Writes down what is about to be brought, so that what is there afterwards is known to be the hub's.

        Raises:
            StiltsError: When a file of another content is in the place of one; it is the user's own.
        """
        folder = listing.repo.folder(self.root)
        record = record_of(folder) or {"id": listing.repo.id, "revision": listing.repo.revision, "files": {}}
        record["commit"] = listing.commit
        ours = record["files"]
        for file in listing.files:
            if file.path not in ours and (folder / file.path).exists() and not file.is_at(folder / file.path):
                raise StiltsError(
                    f"{folder / file.path} is not what the hub has ({file.size} bytes) and was not fetched: move it "
                    "away, or take another data.root."
                )
            ours[file.path] = {"size": file.size, **({"sha256": file.sha256} if file.sha256 else {"git": file.git})}
        text = f"# Brought by stilts_xtreme.fetch. What its files must be, at this commit.\n{yaml.safe_dump(record)}"
        write_atomic(folder / RECORD, text)

    def bring(self, listing: Listing) -> None:
        """Brings what a listing names and is not there, after :meth:`claim`.

        Raises:
            StiltsError: When a file cannot be had, or arrives with another size or digest than the hub promises.
        """
        self.claim(listing)
        for file in listing.files:
            self._one(listing, file)
        for files, limit in listing.queues:
            rows = 0
            for file in files:
                if rows >= limit:
                    break
                self.claim(replace(listing, files=(file,)))
                self._one(listing, file)
                rows += rows_in(listing.repo.folder(self.root) / file.path) or limit

    def _one(self, listing: Listing, file: File) -> None:
        place = listing.repo.folder(self.root) / file.path
        if file.is_at(place):
            self.on_file(file, False)
            return
        scratch = listing.repo.folder(self.root / SCRATCH)
        at = replace(listing.repo, revision=listing.commit)
        found = download(at, file.path, scratch, self.bar)
        if not file.is_at(found):
            size = found.stat().st_size
            found.unlink()
            raise StiltsError(
                f"{file.path} of '{listing.repo.id}' arrived with {size} bytes that are not the {file.size} that the "
                "hub promises; the same command tries again."
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(found, place)
        self.on_file(file, True)


def summed(listings: Iterable[Listing]) -> Mapping[Repo, tuple[int, int]]:
    """Repository -> files and bytes to be there; of a part's first rows its first file."""
    out = {}
    for listing in listings:
        files = {file.path: file.size for file in listing.files}
        files.update({queue[0].path: queue[0].size for queue, _ in listing.queues if queue})
        out[listing.repo] = (len(files), sum(files.values()))
    return out
