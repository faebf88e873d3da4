"""Asks the hub which files of a repository are needed."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data import tables
from stilts_xtreme.data.hub import layout
from stilts_xtreme.data.hub.errors import answers
from stilts_xtreme.data.hub.mirror import (
    COMMIT,
    SCRATCH,
    TIMEOUT,
    File,
    Listing,
    Part,
    Repo,
    download,
    record_of,
)

README = "README.md"
_SHARD = r"(-\d{5}-of-\d{5})?"
_WEIGHTS = (rf"model{_SHARD}\.safetensors(\.index\.json)?", rf"pytorch_model{_SHARD}\.bin(\.index\.json)?")
"""Files of weights, the best kind first; all of the first kind that is there are taken."""
_BESIDE = (
    r"README\.md|LICENSE.*|(config|special_tokens_map|added_tokens)\.json|tokenizer.*|vocab\..*|merges\.txt|.*\.model"
)
"""What an encoder needs beside its weights."""


def list_files(repo: Repo, parts: Iterable[Part], root: str | Path) -> Listing:
    """Asks the hub which files of a repository are needed, at the commit that the root has or will have.

    Args:
        repo: The repository.
        parts: What is needed of a repository of data; nothing for an encoder.
        root: The folder that will hold them.

    Raises:
        StiltsError: When the hub cannot be asked or has no such thing, or the root holds another commit.
    """
    from huggingface_hub import HfApi

    folder = repo.folder(root)
    record = record_of(folder)
    revision = repo.revision
    if record:
        if repo.revision not in (record["revision"], record["commit"]):
            raise StiltsError(
                f"{folder} holds {repo.id} of revision {record['revision'] or 'main'}, commit {record['commit']}, and "
                f"{repo.revision or 'main'} is asked for: take another data.root, or move that folder away."
            )
        revision = record["commit"]
    ask = HfApi().model_info if repo.model else HfApi().dataset_info
    with answers(repo.id, repo.revision, repo.model):
        info = ask(repo.id, revision=revision, files_metadata=True, timeout=TIMEOUT)
    found = [_file(sibling) for sibling in info.siblings or []]
    if (record and info.sha != record["commit"]) or not COMMIT.fullmatch(str(info.sha)):
        raise StiltsError(
            f"The hub answers with commit {info.sha} of '{repo.id}' where {revision or 'main'} was asked for."
        )
    if repo.model:
        return Listing(repo, str(info.sha), tuple(_of_encoder(repo, found)))
    return _of_data(replace(repo, revision=info.sha), repo, found, tuple(parts), folder)


def _file(sibling: Any) -> File:
    path = PurePosixPath(sibling.rfilename)
    if path.is_absolute() or ".." in path.parts:
        raise StiltsError(f"The hub names a file {sibling.rfilename!r}, which is outside of its repository.")
    if sibling.lfs:
        return File(sibling.rfilename, sibling.lfs.size, sibling.lfs.sha256)
    return File(sibling.rfilename, sibling.size or 0, None, sibling.blob_id)


def _of_encoder(repo: Repo, files: Sequence[File]) -> list[File]:
    beside = [file for file in files if re.fullmatch(_BESIDE, file.path)]
    for pattern in _WEIGHTS:
        weights = [file for file in files if re.fullmatch(pattern, file.path)]
        if weights:
            return [*beside, *weights]
    raise StiltsError(f"The hub's '{repo.id}' holds no weights (model.safetensors, pytorch_model.bin).")


def _of_data(at: Repo, repo: Repo, files: Sequence[File], parts: Sequence[Part], folder: Path) -> Listing:
    """The files that the reader would take from a folder with all files of the repository: it is asked about one.

    That folder has the repository's README, and an empty file for each of its files of rows.
    """
    known = {file.path: file for file in files}
    with tempfile.TemporaryDirectory() as scratch:
        shadow = Path(scratch) / repo.id
        shadow.mkdir(parents=True)
        if README in known:
            if known[README].is_at(folder / README):
                shutil.copyfile(folder / README, shadow / README)
            else:
                shutil.move(download(at, README, Path(scratch) / SCRATCH), shadow / README)
        for file in files:
            if tables.is_table(Path(file.path)) or file.path.endswith(".py"):
                (shadow / file.path).parent.mkdir(parents=True, exist_ok=True)
                (shadow / file.path).touch()
        whole = {README: known[README]} if README in known else {}
        queues = []
        for part in parts:
            source = layout.Source(repo.id, part.config, repo.revision)
            paths = layout.files_of(shadow, source, part.split, "on the hub")
            chosen = [known[str(path.relative_to(shadow))] for path in paths]
            if part.limit is None:
                whole.update({file.path: file for file in chosen})
            else:
                queues.append((tuple(chosen), part.limit))
    return Listing(repo, str(at.revision), tuple(whole.values()), tuple(queues))
