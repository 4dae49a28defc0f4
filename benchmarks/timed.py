"""Runs a command, or several of the same at once, and prints what it took as JSON.

A process of its own, without any library: the peak memory of a process counts that of the process
which started it.
"""

import json
import os
import sys
import time


def main(number: int, command: list[str]) -> None:
    """Print seconds until the last has ended, seconds of CPU, peak MiB of one, and who failed."""
    start = time.perf_counter()
    processes = [os.posix_spawn(command[0], command, os.environ) for _ in range(number)]
    ends = [os.wait4(process, 0)[1:] for process in processes]
    wall = time.perf_counter() - start
    unit = 2**20 if sys.platform == "darwin" else 2**10
    print(
        json.dumps(
            {
                "wall": round(wall, 4),
                "cpu": round(sum(usage.ru_utime + usage.ru_stime for _, usage in ends), 4),
                "memory": round(max(usage.ru_maxrss for _, usage in ends) / unit, 1),
                "failed": sum(status != 0 for status, _ in ends),
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
