"""Phones over TCP and TLS on the real Asterisk, the server verified, without the firewall."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.linphone import LinphonePhone
from lab.phones import PjsuaPhone
from lab.vendor import SERVER, VENDOR_TONE_HZ
from peers.realtime.actions import Reload
from peers.tls import authority
from peers.tls.files import Contents, TlsFolder, transports
from tests.asterisk.conftest import LONDON, PASSWORD, PHONE_TONE_HZ, Bench, peer, snapshot

PORT = 5061
DOMAIN = "sip.sandbox.test"
NAME = f"ddi-abcdefgh-{'a' * 26}.{DOMAIN}"
WILDCARD = (DOMAIN, f"*.{DOMAIN}")


@dataclass
class Tls:
    """The bench's Asterisk with a certificate of a root of its own."""

    bench: Bench
    root: authority.Signed
    ca: Path
    fence: int = 0

    def use(self, *names: str, root: authority.Signed | None = None) -> authority.Signed:
        """Give Asterisk a new certificate for ``names`` and tell it."""
        made = authority.issue(root or self.root, names, datetime.now(UTC))
        folder = TlsFolder(self.bench.pbx.plan.tls)
        self.fence += 1
        folder.write(
            Contents(made.pem + made.key, transports(folder.path, PORT, self.ca)), self.fence
        )
        with self.bench.pbx.client() as client:
            Reload("res_pjsip.so").perform(client)
        folder.paid()
        return made


@pytest.fixture
def tls(bench: Bench, tmp_path: Path) -> Iterator[Tls]:
    root = authority.new_root("Lab", datetime.now(UTC))
    ca = tmp_path / "ca.pem"
    ca.write_text(root.certificate)
    made = Tls(bench, root, ca)
    made.use(*WILDCARD, NAME)
    bench.apply(snapshot(peers=(peer(encrypted=True),)))
    yield made


def test_a_call_reaches_a_phone_over_tls_with_srtp_and_both_hear_each_other(
    tls: Tls, tmp_path: Path
) -> None:
    with PjsuaPhone(
        tls.bench.world.ns["phone"],
        tmp_path / "p",
        tone_hz=PHONE_TONE_HZ,
        transport="tls",
        ca=tls.ca,
    ) as phone:
        answer = phone.register("alice", PASSWORD, f"{NAME}:{PORT}")
        assert answer.registered, answer
        call = tls.bench.vendor().call_with_audio(LONDON, phone)
        assert (call.state.status, call.vendor_heard.hz, call.phone_heard.hz) == (
            200,
            PHONE_TONE_HZ,
            VENDOR_TONE_HZ,
        )


def test_linphone(tls: Tls, tmp_path: Path) -> None:
    tls.use(*WILDCARD)
    with LinphonePhone(tls.bench.world.ns["phone"], tmp_path / "l", ca=tls.ca) as phone:
        ok = phone.register("alice", PASSWORD, f"{NAME}:{PORT}", transport="tls")
        if not ok:
            print((tmp_path / "l" / "linphone.log").read_text()[-6000:])
        assert ok
        with PjsuaPhone(
            tls.bench.world.ns["vendor"],
            tmp_path / "v",
            address="203.0.113.20",
            port=5060,
            tone_hz=VENDOR_TONE_HZ,
        ) as vendor:
            vendor.identify("+441632960000", "203.0.113.20")
            assert vendor.call(f"sip:{LONDON}@{SERVER}").status == 200
            phone.play()
            assert vendor.heard(2.0).hz == 700
