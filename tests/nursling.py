"""A nursery whose forks say the request backwards, or nothing for a long time."""

import os
import sys
import time

from firewall.agent.nursery import serve


def _answer(request: bytes) -> bytes:
    if request == b"sleep":
        time.sleep(60)
    if request == b"pid":
        return f"{os.getppid()}".encode()
    return request[::-1]


if __name__ == "__main__":
    sys.exit(serve(_answer))
