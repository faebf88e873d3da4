"""Energy counters and memory, on files and a driver made here."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from stilts_xtreme.models.meters import energy_meter, peak_memory, processor


def zone(root: Path, name: str, microjoules: int, limit: int = 1000) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    return folder


def test_all_processors_are_added_up_and_their_parts_are_not(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "intel-rapl:0", 100), zone(tmp_path, "intel-rapl:1", 500)
    part = zone(tmp_path, "intel-rapl:0:0", 10)
    meter, said = energy_meter(False, tmp_path)
    assert meter is not None
    assert said == meter.source
    for folder, value in ((first, 150), (second, 700), (part, 90)):
        (folder / "energy_uj").write_text(str(value))
    assert meter.joules() == pytest.approx((50 + 200) / 1e6)


def test_a_counter_that_begins_anew_goes_on(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", 900)
    meter, _ = energy_meter(False, tmp_path)
    assert meter is not None
    (folder / "energy_uj").write_text("50")  # 900 .. 1000, 0 .. 50
    assert meter.joules() == pytest.approx(151 / 1e6)
    (folder / "energy_uj").write_text("60")
    assert meter.joules() == pytest.approx(161 / 1e6)


def test_a_machine_that_does_not_tell_says_why(tmp_path: Path) -> None:
    meter, said = energy_meter(False, tmp_path)
    assert meter is None
    assert said == f"the machine does not tell: there is no energy counter in {tmp_path}"
    folder = zone(tmp_path, "intel-rapl:0", 1)
    (folder / "energy_uj").unlink()  # as for a user who may not read it
    meter, said = energy_meter(False, tmp_path)
    assert meter is None
    assert "energy_uj" in said


def test_the_counter_of_a_gpu_is_that_of_the_one_that_torch_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = iter((5_000, 7_500))
    asked: list[str] = []

    def handle(uuid: str) -> str:
        asked.append(uuid)
        return "card"

    driver = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=handle,
        nvmlDeviceGetTotalEnergyConsumption=lambda card: next(counter),
    )
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda at: SimpleNamespace(uuid="abc"))
    meter, _ = energy_meter(True)
    assert meter is not None
    assert asked == ["GPU-abc"]
    assert meter.joules() == pytest.approx(2.5)


def test_a_gpu_without_a_counter_or_its_reader_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "nvidia-ml-py" in energy_meter(True)[1]

    def refuse() -> None:
        raise RuntimeError("Not Supported")

    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(NVMLError=RuntimeError, nvmlInit=refuse))
    assert energy_meter(True) == (None, "the machine does not tell: Not Supported")


def test_the_peak_is_what_linux_says(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tx\nVmPeak:\t 99 kB\nVmHWM:\t  12 kB\nVmRSS:\t 3 kB\n")
    assert peak_memory(tmp_path / "status") == 12 * 1024
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert peak_memory() >= 0.9 * resident
    assert processor()
