"""Work that stands in for boots, where what is tested is who does it and what becomes of it."""

import os
import signal
import time
from pathlib import Path

from bootwright.foundation.errors import Refused, ToolFailed
from bootwright.lab.workers.engine import Answer, Work


def work(work: Work) -> Answer:
    """Do as told: note that it was begun, sleep, and end in one of several ways."""
    name = str(work["name"])
    if "log" in work:
        with Path(work["log"]).open("a", encoding="utf-8") as log:
            log.write(f"{name} {os.getpid()}\n")
    time.sleep(work.get("seconds", 0.0))
    match work.get("ends", "answers"):
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "tool":
            raise ToolFailed("qemu-system-aarch64", f"{name}: cannot set up guest memory")
        case "refused":
            raise Refused(f"{name} is refused", hint="ask for another")
    return Answer({"name": name, "process": os.getpid()}, f"console of {name}\n".encode(), ("a note",))
