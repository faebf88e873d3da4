"""What is wrong with an encoder that a library could not load: one sentence that names the file."""

from __future__ import annotations

import json
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open

from stilts_xtreme.core.errors import StiltsError

UNREADABLE = (
    *(OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError),
    *(SafetensorError, StrictDataclassError),
)
"""What the libraries raise about a missing, damaged or nonsensical checkpoint."""
_POINTER = b"version https://git-lfs"


def unloadable(place: str, error: Exception) -> StiltsError:
    """The sentence for what a library raised about a checkpoint.

    Args:
        place: A folder, or a hub id.
        error: What was raised.
    """
    text, local = " ".join(str(error).split()), Path(place).is_dir()
    if "trust_remote_code" in text:
        return StiltsError(
            f"The encoder {place} needs code of its own (auto_map in its config.json), which is never run here; "
            "take an encoder of an architecture that transformers has."
        )
    if not local and ("connect" in text.lower() or "offline" in text.lower() or "resolve" in text.lower()):
        return StiltsError(
            f"The encoder {place} is not on this machine and the hub cannot be reached; run "
            f"'hf download {place}' where there is a network, or give model=FOLDER."
        )
    found = _damage(Path(place)) if local else None
    return StiltsError(f"The encoder {place} cannot be loaded: {found or text[:300]}")


def _damage(folder: Path) -> str | None:
    """The first file of an encoder that is damaged, with cause and remedy; None where none is found."""
    for path in sorted((*folder.glob("*.json"), *folder.glob("*.safetensors"))):
        try:
            with path.open("rb") as file:
                begin = file.read(64)
            if not begin:
                return f"{path.name} is empty; bring the file again."
            if begin.startswith(_POINTER):
                return f"{path.name} is only Git LFS's pointer to the file; bring the file with 'git lfs pull'."
            if path.suffix == ".json":
                json.loads(path.read_bytes())
            else:
                with safe_open(path, framework="pt"):
                    pass
        except (OSError, ValueError, RecursionError, SafetensorError) as error:
            return f"{path.name} is damaged ({error}); bring the file again."
    if not [*folder.glob("*.safetensors")] and [*folder.glob("pytorch_model*.bin")]:
        return (
            "its weights are in pytorch_model.bin, a pickle, which may run code and is not read from a folder; load it "
            "where you trust it and save it as safetensors (model.save_pretrained)."
        )
    return None
