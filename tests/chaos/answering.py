"""A vendor's server that answers OPTIONS: ``python -m tests.chaos.answering ADDRESS``."""

import socket
import sys

from tests.asterisk.probe import answer_options


def main() -> None:
    """Answer until it is ended."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((sys.argv[1], 5060))
        while True:
            packet, sender = line.recvfrom(65_535)
            if packet.startswith(b"OPTIONS "):
                line.sendto(answer_options(packet.decode(errors="replace")).encode(), sender)


if __name__ == "__main__":
    main()
