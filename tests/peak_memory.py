"""The greatest resident memory of a program, in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Not ru_maxrss: a process begins with that of the one that started it.
REPORT = """
print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1])
"""


def peak_mib(program: str, *arguments: str) -> float:
    """Run Python code in the project's folder and return its peak in MiB."""
    command = [sys.executable, "-c", program + REPORT, *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert ended.returncode == 0, ended.stderr
    return float(ended.stdout.split()[-1]) / 1024
