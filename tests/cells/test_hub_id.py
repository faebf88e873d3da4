"""A hub id as the encoder of a Lightning module, from the cache of the hub's client."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from stilts_xtreme.models import shipped

PROGRAM = """
import pytorch_lightning as pl
from stilts_xtreme import ClassificationModule, Optimisation, TaskDataModule

rows = {"text_a": ["good", "bad"] * 8, "label": ["yes", "no"] * 8}
data = TaskDataModule("reviews", train=rows, validation=rows, test={"en": rows, "de": rows}, batch_size=8)
module = ClassificationModule("owner/name", data.labels, optimisation=Optimisation(learning_rate=5e-4))
trainer = pl.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False)
trainer.fit(module, data)
trainer.validate(module, data, verbose=False)
scores = trainer.test(module, data, verbose=False)[0]
assert {"test/reviews/en/accuracy", "test/reviews/de/accuracy"} <= scores.keys(), scores
assert [len(batches[0]) for batches in trainer.predict(module, data)] == [16, 16]
"""


def test_an_encoder_of_the_hub_is_trained_validated_tested_and_predicts(tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "models--owner--name"
    commit = "1" * 40
    shutil.copytree(shipped.FOLDER / "mini", repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("HF_HUB_CACHE", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    program = PROGRAM.replace("owner/name", "owner/other")
    other = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "StiltsError: The encoder owner/other is not on this machine" in other.stderr
