"""A phone may register what it likes: nothing that it says makes an outgoing call."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab.vendor import FIRST
from tests.asterisk.conftest import LONDON, PASSWORD, Bench

ROOT = Path(__file__).resolve().parents[2]
PAID = "+88213300"


def _probe(bench: Bench, namespace: str, role: str, value: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "tests.asterisk.probe", role, value]
    return subprocess.Popen(
        bench.world.argv(namespace, argv, cwd=ROOT),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _call(bench: Bench, contact: str) -> tuple[str, str]:
    """Alice registers with this Contact and London is called; what each of the two was sent."""
    phone = _probe(bench, "attacker", "phone", contact)
    vendor = _probe(bench, "vendor", "vendor", LONDON)
    heard = phone.communicate(PASSWORD + "\n", timeout=20)[0], vendor.communicate(timeout=20)[0]
    assert heard[0].startswith("200\n"), heard
    return heard


@pytest.mark.parametrize(
    "contact",
    [
        f"<sip:{PAID}@10.9.9.9?Route=%3Csip:{FIRST}%3Blr%3E>",
        f"<sip:{PAID}@10.9.9.9;maddr={FIRST}>",
        f"<sip:{PAID}@{FIRST}:5060>",
        f"<sip:{PAID}@10.9.9.9;maddr={FIRST}?Route=%3Csip:{FIRST}%3Blr%3E>",
        f"<sip:{PAID}%40{FIRST}%3B@10.9.9.9>",
        f"<sip:{FIRST}?@10.9.9.9>",
    ],
    ids=["route", "maddr", "host", "both", "escaped user", "question mark in the user"],
)
def test_a_contact_that_names_the_vendor_makes_no_call_to_it(bench: Bench, contact: str) -> None:
    _, vendor = _call(bench, contact)
    assert "SIP/2.0 100 Trying" in vendor, "the vendor's own call was taken"
    assert "INVITE" not in vendor


@pytest.mark.parametrize("port", ["", ":5060"])
def test_a_plain_contact_rings_the_phone(bench: Bench, port: str) -> None:
    phone, _ = _call(bench, f"<sip:alice;x=1@203.0.113.66{port};ob;+sip.instance=1>")
    assert "INVITE sip:alice" in phone
