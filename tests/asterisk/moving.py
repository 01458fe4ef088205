"""A call that goes on while its phone changes from one network to another."""

import time

from lab.phones import PjsuaPhone, Registration
from lab.process import wait_until
from lab.roam import OUTSIDE, Roaming
from lab.stack import Stack
from lab.tools import tool
from lab.vendor import VENDOR_TONE_HZ
from lab.world import World
from tests import scale
from tests.asterisk.datagrams import heard
from tests.asterisk.suite import PHONE_TONE_HZ, Suite, uri
from tests.asterisk.suite_talks import BY_ADDRESS

#: What the phone's first network shows outside.
OLD = "203.0.113.30"
#: Of `ddi-seen4`, how long an address that showed a token may begin RTP (firewall.ruleset.gates).
SEEN_SECONDS = 300


def moved(suite: Suite, transport: str) -> float:
    """Move within a call; returns the seconds until it went on.

    AssertionError if it does not go on in both directions, or the contact is not the new one.
    """
    ddi, world = suite.ring(transport), suite.stack.world()
    with (
        Roaming(world) as network,
        suite.phone(transport, roams=True) as phone,
        suite.vendor(BY_ADDRESS) as caller,
    ):
        assert isinstance(phone, PjsuaPhone)
        suite.register(phone, transport)
        assert caller.call(uri(ddi), wait=15).status == 200
        assert (caller.heard(1.0).hz, phone.heard(0.2).hz) == (PHONE_TONE_HZ, VENDOR_TONE_HZ)
        network.move()
        began = time.monotonic()
        assert phone.moved() == Registration(True, 200)
        seconds = time.monotonic() - began
        caller.heard(0.3)  # of before
        assert (caller.heard(1.5).hz, phone.heard(0.2).hz) == (PHONE_TONE_HZ, VENDOR_TONE_HZ)
        _reached_at_the_new_address(suite, transport)
        forget(world, OLD)
        assert heard(world, nat=(OLD, OUTSIDE)) == {OUTSIDE}
        assert (caller.heard(1.0).hz, phone.heard(0.2).hz) == (PHONE_TONE_HZ, VENDOR_TONE_HZ)
        caller.hangup()
    return seconds


def _reached_at_the_new_address(suite: Suite, transport: str) -> None:
    stack: Stack = suite.stack
    path = f"/contacts/?endpoint={suite.peers[transport]['key']}"

    def where() -> list[str]:
        return [row["uri"].partition("@")[2].partition(":")[0] for row in stack.rows(path)]

    wait_until(lambda: where() == [OUTSIDE], 10, "the contact is the new address", where)


def forget(world: World, address: str) -> None:
    """Let the time run out in which ``address`` may begin RTP; all of it in the whole proof."""
    if scale.FULL:
        time.sleep(SEEN_SECONDS + 1)
        return
    ipset = tool("ipset")
    words = ("add", "-exist", "ddi-seen4", address, "timeout", "1")
    world.run("srv", ipset.line(*words), env=ipset.env)
    time.sleep(1.5)
