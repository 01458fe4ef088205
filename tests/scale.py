"""How much a proof repeats: a small number in CI, the whole with `DDIWEB_TEST_SCALE=full`."""

import os

FULL = os.environ.get("DDIWEB_TEST_SCALE") == "full"


def scaled(small: int, full: int) -> int:
    """`small` in an ordinary run, `full` where the whole proof was asked for."""
    return full if FULL else small
