"""Other processes of this machine."""

import os


def is_alive(process: int) -> bool:
    """Whether there is a process with this id, whoever owns it."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True
