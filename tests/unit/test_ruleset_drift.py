"""What somebody else did, told from the lines that would undo it."""

import pytest

from firewall.ruleset.drift import seen, words

HOOK = "v4 + -I INPUT 1 -j DDI-IN"


def test_a_whole_restore_by_another_program_is_named_as_such() -> None:
    (text,) = words([HOOK, "v4 + -A DDI-IN -g DDIa-IN", "v4 + -A DDIa-IN -j DROP"])
    assert text.startswith("IPv4: another program loaded a whole filter table")


def test_a_hook_that_is_gone_alone_is_named() -> None:
    assert words([HOOK]) == [
        "IPv4: somebody removed the hook: INPUT did not call our chains any more."
    ]


def test_a_hook_that_was_moved_is_named() -> None:
    (text,) = words(["v6 - -A INPUT -j DDI-IN", "v6 + -I INPUT 1 -j DDI-IN"])
    assert text == "IPv6: our hook was not the first rule of INPUT: others decided before it."


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["v4 - -A DDIa-SIP -j ACCEPT"], "IPv4: somebody added a rule in DDIa-SIP."),
        (["v4 + -A DDIa-IN -j DROP"], "IPv4: somebody removed a rule in DDIa-IN."),
        (
            ["v6 - -A DDIa-IN -j ACCEPT", "v6 + -A DDIa-IN -j DROP"],
            "IPv6: somebody removed a rule and added a rule in DDIa-IN.",
        ),
        (["v4 ~ DDIa-IN: order or repetition"], "IPv4: somebody changed the order in DDIa-IN."),
        (
            ["set add -exist ddi-vendor4-0123456789ab 203.0.113.20"],
            "Somebody removed 203.0.113.20 from the list “vendor”.",
        ),
        (
            ["set del -exist ddi-ban6-0123456789ab 2001:db8::/32"],
            "Somebody added 2001:db8::/32 to the list “ban”.",
        ),
    ],
)
def test_each_change_is_a_sentence(lines: list[str], text: str) -> None:
    assert words(lines) == [text]


@pytest.mark.parametrize(
    ("plan", "theirs"),
    [
        (HOOK, "v4 - -A INPUT 1 -j DDI-IN"),
        ("v4 + -A DDIa-IN -j DROP", "v4 - -A DDIa-IN -j DROP"),
        ("v6 - -A DDIa-IN -j ACCEPT", "v6 + -A DDIa-IN -j ACCEPT"),
        ("set add -exist ddi-ban4-0 192.0.2.1", "set del ddi-ban4-0 192.0.2.1"),
        ("v4 ~ DDIa-IN: order", "v4 ~ DDIa-IN: order"),
    ],
)
def test_the_diff_shows_the_deed_not_its_repair(plan: str, theirs: str) -> None:
    assert seen(plan) == theirs
