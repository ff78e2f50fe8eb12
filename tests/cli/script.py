import os
import subprocess
import sys
from pathlib import Path

COMMAND = "from audit.cli import main; main()"


def start(folder: Path, *arguments: object, code: str = COMMAND, **environment: str) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
