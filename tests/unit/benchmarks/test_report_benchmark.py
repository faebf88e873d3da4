"""The benchmark of the report measures a report that was really made."""

from __future__ import annotations

import re

import pytest

from benchmarks import report


def test_rows_and_times_of_a_small_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(report, "TARGETS", 3)
    monkeypatch.setattr(report, "SEEDS", 2)
    measured: dict[str, dict[str, float]] = {}
    plain = report.measure
    monkeypatch.setattr(report, "measure", lambda *asked: measured.setdefault("", plain(*asked)))
    report.main(["--rows", "100", "--predictions", "2000"])
    found = measured[""]
    assert (found["cells"], found["rows"]) == (12, 180)  # one task and the baseline, three targets, two seeds
    assert 2000 <= found["predictions"] < 2180
    assert 0 < found["seconds_of_models"] < found["seconds"]
    assert 0.05 < found["page_megabytes"] < 1
    line = capsys.readouterr().out
    assert line.startswith("180 rows of 12 cells and 2,160 predictions: ")
    assert re.search(r"[\d.]+ s of processor time, of which [\d.]+ s for the models over all targets", line)
