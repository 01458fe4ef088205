"""``make call``: beside a running ``make run``, a real call from a vendor to a phone behind NAT.

Every hop is looked at where it happens: at the registrar, at both ends of the audio, in the
panel's database. The exit status is 0 only if all of them were real.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lab import beside, demo, keys, parts
from lab.errors import LabError
from lab.keys import Places
from lab.phones import PjsuaPhone
from lab.vendor import FIRST, SERVER, VENDOR_TONE_HZ, Vendor
from lab.world import World

CALLER = "+441632960555"  # Ofcom keeps 01632 960000 to 960999 for drama
PHONE_TONE_HZ = 600
TONE_TOLERANCE_HZ = 30
TALK_SECONDS = 2.0
LOG_SECONDS = 8.0
T = TypeVar("T")


@dataclass(frozen=True)
class Credentials:
    """What is typed into the phone."""

    key: str
    username: str
    password: str
    token: str

    def __repr__(self) -> str:
        """Name the account only."""
        return f"Credentials({self.username})"


class Log:
    """Prints each hop with the seconds since the start."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def hop(self, where: str, what: str) -> None:
        """Print one hop that was seen."""
        print(f"  {time.monotonic() - self.began:6.2f} s  {where:<9} {what}", flush=True)


def running(where: Places) -> World:
    """Return the world of the sandbox that runs beside us; LabError if there is none."""
    if beside.state(where)["dry_run"]:
        raise LabError("the sandbox runs dry, without namespaces: there is no Asterisk to call")
    return World.attach(where.world)


def credentials() -> Credentials:
    """Give the demo phone a new password; return its account with the newest live token."""
    from peers import passwords
    from peers.choices import LIVE_TOKEN_STATES
    from peers.models import Peer

    peer = Peer.objects.filter(node__slug=keys.NODE, steps__number__e164=demo.NUMBER).first()
    if peer is None:
        raise LabError(f"{demo.NUMBER} rings no phone: give its first step a peer in the panel")
    token = peer.tokens.filter(state__in=LIVE_TOKEN_STATES).first()
    if token is None:
        raise LabError(f"{peer} has no live token: rotate it in the panel")
    made = Credentials(peer.key, peer.username, passwords.give(peer), token.value)
    until(LOG_SECONDS, lambda: in_force(peer.node_id), "the new password in force")
    return made


def in_force(node_id: int) -> bool | None:
    """Whether the newest generation of the node is."""
    from ddiweb.deploy.models import Node

    return Node.objects.get(pk=node_id).converged or None


def until(seconds: float, look: Callable[[], T | None], what: str) -> T:
    """Look again until there is something; LabError naming ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)
    return found


def seen_by_the_panel(account: Credentials) -> str | None:
    """Return the address under which the panel shows the phone, once it does."""
    from ddiweb.live.models import Contact

    contact = Contact.objects.filter(node__slug=keys.NODE, endpoint=account.key).last()
    return contact.address if contact else None


def in_the_call_log(after: int) -> str | None:
    """Return what the call log says of our call, once it stands there."""
    from ddiweb.live.models import Call

    rows = Call.objects.filter(pk__gt=after, node__slug=keys.NODE, caller__contains=CALLER[1:])
    row = rows.filter(number__contains=demo.NUMBER[1:]).first()
    return f"{row}, {row.billed_seconds} s" if row and row.disposition == "ANSWERED" else None


def last_call() -> int:
    """Return the key of the newest row in the call log."""
    from ddiweb.live.models import Call

    return Call.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def heard(who: str, hz: int, wanted: int) -> str:
    """Return the hop's text; LabError if the other end's tone was not heard."""
    if abs(hz - wanted) > TONE_TOLERANCE_HZ:
        raise LabError(f"{who} should hear {wanted} Hz and heard {hz or 'nothing'}")
    return f"hears the other end's tone of {wanted} Hz ({hz} Hz measured)"


@contextmanager
def scratch(where: Places) -> Iterator[Path]:
    """A folder for recordings and SIP traces, which carry the token: gone at the end."""
    with tempfile.TemporaryDirectory(dir=where.var / "sandbox", prefix="call-") as folder:
        yield Path(folder)


def place_call(where: Places, world: World, log: Log) -> None:
    """Register, call, listen, look into the call log; LabError at the first hop that failed."""
    account = credentials()
    before = last_call()
    with scratch(where) as folder:
        phone_at, vendor_at = folder / "phone", folder / "vendor"
        agent = f"lab-phone/1 {account.token}"
        with PjsuaPhone(
            world.ns["phone"], phone_at, user_agent=agent, tone_hz=PHONE_TONE_HZ
        ) as phone:
            log.hop("phone", "10.77.0.2 behind NAT; its User-Agent carries the token")
            answer = phone.register(account.username, account.password, SERVER)
            if not answer.registered:
                silence = "no answer" if answer.code in (0, 408) else f"{answer.code}"
                raise LabError(f"REGISTER of {account.username} at {SERVER}: {silence}")
            log.hop("phone", f"registered as {account.username} at {SERVER}: {answer.code}")
            address = until(LOG_SECONDS, lambda: seen_by_the_panel(account), "contact in the panel")
            log.hop("panel", f"shows the phone at {address}")
            log.hop("vendor", f"{FIRST} calls {demo.NUMBER} from {CALLER}")
            vendor = Vendor(world.ns["vendor"], vendor_at)
            call = vendor.call_with_audio(demo.NUMBER, phone, CALLER, seconds=TALK_SECONDS)
            if not call.state.answered:
                raise LabError(f"the call failed: {call.state.status} {call.state.reason}")
            ring = phone.wait_for_call()
            log.hop("phone", f"rang with From: {ring.header('From').partition(';')[0]}")
            log.hop("phone", "answered: 200")
            log.hop("vendor", heard("the vendor", call.vendor_heard.hz, PHONE_TONE_HZ))
            log.hop("phone", heard("the phone", call.phone_heard.hz, VENDOR_TONE_HZ))
            entry = until(LOG_SECONDS, lambda: in_the_call_log(before), "entry in the call log")
            log.hop("panel", f"call log: {entry}")
            phone.unregister()


def main() -> int:
    """Place the call; 0 only if every hop was seen."""
    log = Log()
    try:
        where = keys.places(parts.ROOT)
        parts.environment(where)
        world = running(where)
        demo.set_up()
        place_call(where, world, log)
    except LabError as error:
        log.hop("FAILED", str(error))
        return 1
    log.hop("done", "the call was real")
    return 0


if __name__ == "__main__":
    sys.exit(main())
