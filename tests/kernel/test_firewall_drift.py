"""Another's deed in the real kernel, put into words by what the agent finds."""

import pytest

from firewall.ruleset.drift import words
from tests.kernel.bench import Bench, intent

pytestmark = pytest.mark.kernel


def _found(bench: Bench) -> str:
    return "\n".join(words(bench.channel.plan(intent())))


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (("-D", "INPUT", "-j", "DDI-IN"), "somebody removed the hook"),
        (("-I", "INPUT", "1", "-j", "ACCEPT"), "not the first rule of INPUT"),
        (("-A", "INPUT", "-j", "DDI-IN"), "INPUT called our chains 2 times"),
        (("-I", "DDIa-SIP", "1", "-j", "ACCEPT"), "somebody added a rule in DDIa-SIP"),
        (("-D", "DDIa-IN", "-j", "DROP"), "somebody removed a rule in DDIa-IN"),
        (("-R", "DDIa-VERDICT", "1", "-j", "ACCEPT"), "removed a rule and added a rule in DDIa-V"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_somebody_did_is_said(
    bench: Bench, family: int, harm: tuple[str, ...], text: str
) -> None:
    name = bench.tables(family).removesuffix("-save")
    bench.run(name, *harm)
    found = _found(bench)
    bench.run(name, "-D", "INPUT", "-j", "ACCEPT", check=False)
    assert text in found
    assert f"IPv{family}" in found


def test_a_whole_foreign_restore_is_said(bench: Bench, family: int) -> None:
    bench.run(bench.tables(family, "restore"), text="*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    assert f"IPv{family}: another program loaded a whole filter table" in _found(bench)


def test_a_changed_list_is_said(bench: Bench) -> None:
    names = bench.run("ipset", "list", "-n").split()
    vendor = next(name for name in names if name.startswith("ddi-vendor4-"))
    bench.run("ipset", "del", vendor, "203.0.113.20")
    bench.run("ipset", "add", vendor, "198.51.100.0/24")
    found = _found(bench)
    assert "removed 203.0.113.20 from the list “vendor”" in found
    assert "added 198.51.100.0/24 to the list “vendor”" in found
