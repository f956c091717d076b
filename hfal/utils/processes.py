"""Other processes of this machine."""

import os
from pathlib import Path


def is_alive(process: int, started: str | None = None) -> bool:
    """Whether a process with this id runs, whoever owns it.

    Args:
        process: The id.
        started: What `start_of` said of it: another process may have got its id since. `None` if that is not known.
    """
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    found = _state_and_start(process)
    if found is None:  # no Linux
        return True
    state, start = found
    return state not in ("Z", "X") and started in (None, start)  # a zombie is dead, though nobody took note of it


def start_of(process: int) -> str | None:
    """Return when a process started, as no other process of its id has; `None` where there is no `/proc`."""
    found = _state_and_start(process)
    return None if found is None else found[1]


def _state_and_start(process: int) -> tuple[str, str] | None:
    try:
        stat = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # behind the command's name, which may have blanks
    return fields[0], f"{boot} {fields[19]}"
