"""usage: measure.py NAME COMMAND…

Runs COMMAND, its output to stderr, and prints what it cost as one JSON object:

seconds          wall time
largest_process  bytes of memory of the largest process, by wait(2): exact, whoever started it
peak             bytes of anonymous memory of all processes of this control group, looked at ten times a second
oom_kills        processes that the control group's limit killed meanwhile
limit            bytes of that limit
"""

import json
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
V1 = (CGROUP / "memory").is_dir()


def number(path: Path, key: str = "") -> "int | None":
    """The number in a file of the control group, or the one behind a key."""
    try:
        text = path.read_text()
    except OSError:
        return None
    words = text.split() if key else [key, *text.split()]
    value = dict(zip(words[::2], words[1::2])).get(key, "")  # noqa: B905 # Python 3.9
    return int(value) if value.isdigit() else None


def anonymous() -> int:
    path, key = (CGROUP / "memory/memory.stat", "total_rss") if V1 else (CGROUP / "memory.stat", "anon")
    return number(path, key) or 0


def oom_kills() -> "int | None":
    path = CGROUP / "memory/memory.oom_control" if V1 else CGROUP / "memory.events"
    return number(path, "oom_kill")


def main() -> int:
    name, command = sys.argv[1], sys.argv[2:]
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, anonymous())
            done.wait(0.1)

    killed_before, begun = oom_kills(), time.monotonic()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        status = 127
    done.set()
    watcher.join()
    killed_after = oom_kills()
    answer = {
        "measured": name,
        "status": status,
        "seconds": round(time.monotonic() - begun, 3),
        "largest_process": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        "peak": peak,
        "oom_kills": None if killed_after is None else killed_after - (killed_before or 0),
        "limit": number(CGROUP / "memory/memory.limit_in_bytes" if V1 else CGROUP / "memory.max"),
    }
    print(json.dumps(answer), flush=True)
    return 0 if status == 0 else 1


sys.exit(main())
