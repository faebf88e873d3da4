"""What a machine tells of itself: its name, the energy that it has used, and the memory that this process has had."""

from __future__ import annotations

import importlib
import platform
from pathlib import Path
from typing import Any, Protocol

RAPL = Path("/sys/class/powercap")
"""Where Linux shows the energy counters of Intel's and AMD's processors."""


class EnergyMeter(Protocol):
    """A counter of energy that only grows.

    Attributes:
        source: What is counted, in words.
    """

    source: str

    def joules(self) -> float:
        """Joules since the meter was made."""


class Rapl:
    """The energy of whole processors, with all programs that run on them (running average power limit).

    A counter begins anew at ``max_energy_range_uj``; it has to be read at least once in each turn, which takes minutes.

    Args:
        zones: A folder for each processor.
    """

    source = "RAPL, whole processors"

    def __init__(self, zones: list[Path]):
        self._zones = {zone: int((zone / "max_energy_range_uj").read_text()) for zone in zones}
        self._last = {zone: _microjoules(zone) for zone in zones}
        self._spent = 0

    def joules(self) -> float:
        """Joules since the meter was made."""
        for zone, limit in self._zones.items():
            now = _microjoules(zone)
            self._spent += (now - self._last[zone]) % (limit + 1)
            self._last[zone] = now
        return self._spent / 1e6


def _microjoules(zone: Path) -> int:
    return int((zone / "energy_uj").read_text())


class Nvml:
    """The energy of one NVIDIA GPU, from Volta on, with all programs that run on it.

    Args:
        nvml: The module ``pynvml``, made ready.
        card: Its handle of the GPU.
    """

    source = "NVML, whole GPU"

    def __init__(self, nvml: Any, card: Any):
        self._nvml, self._card = nvml, card
        self._began = self._millijoules()

    def _millijoules(self) -> int:
        return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._card))

    def joules(self) -> float:
        """Joules since the meter was made."""
        return (self._millijoules() - self._began) / 1e3


def energy_meter(gpu: bool, root: Path = RAPL) -> tuple[EnergyMeter | None, str]:
    """The meter of the device, where the machine has one that this user may read.

    Args:
        gpu: Whether the first CUDA device is asked for, and not the processors.
        root: Where the counters of processors are.

    Returns:
        The meter, or None; and what is counted, or why nothing is, in words.
    """
    return _nvml() if gpu else _rapl(root)


def _rapl(root: Path) -> tuple[EnergyMeter | None, str]:
    # intel-rapl:0 is a processor; intel-rapl:0:1 is a part of it, and would count twice
    zones = [zone for zone in sorted(root.glob("intel-rapl:*")) if zone.name.count(":") == 1]
    if not zones:
        return None, f"the machine does not tell: there is no energy counter in {root}"
    try:
        meter = Rapl(zones)
    except (OSError, ValueError) as error:
        return None, f"the machine does not tell: {error}"
    return meter, meter.source


def _nvml() -> tuple[EnergyMeter | None, str]:
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return None, "the machine does not tell: nvidia-ml-py, which reads the GPU's counter, is not installed"
    import torch

    try:
        nvml.nvmlInit()
        # a program may see some of the GPUs only, so that its first one is another than NVML's
        meter = Nvml(nvml, nvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(0).uuid}"))
    except nvml.NVMLError as error:
        return None, f"the machine does not tell: {error}"
    return meter, meter.source


def peak_memory(status: Path = Path("/proc/self/status")) -> int:
    """The most bytes of memory that this process has had since its program began.

    ``ru_maxrss`` would not do: a process that another one starts inherits the other's maximum.

    Args:
        status: Where Linux says so.
    """
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def processor() -> str:
    """The name of the processor."""
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
