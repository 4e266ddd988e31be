"""How long `phiz --help` takes, beside a Python that does nothing.

    python benchmarks/startup.py [repetitions]

Prints the best of several runs of each and their ratio; the best, because everything else that a
machine does can only make a run slower.
"""

from __future__ import annotations

import subprocess
import sys
import time

TARGET_S = 0.3
"""The most that `phiz --help` may take."""

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import phiz": ["-c", "import phiz"],
    "phiz --help": ["-m", "phiz.cli", "--help"],
    "phiz doctor --help": ["-m", "phiz.cli", "doctor", "--help"],
}


def best_of(words: list[str], repetitions: int) -> float:
    """Return the shortest time in seconds that a Python with these words took."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    """Measure all commands; return 1 if the help is too slow."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds = {name: best_of(words, repetitions) for name, words in COMMANDS.items()}
    nothing = seconds["python -c pass"]
    for name, value in seconds.items():
        print(f"{name:20} {value * 1000:7.0f} ms  {value / nothing:5.1f} x")
    return int(seconds["phiz --help"] > TARGET_S)


if __name__ == "__main__":
    sys.exit(main())
