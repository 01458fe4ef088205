"""Small pieces that every page uses: coloured words, times, differences."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ddiweb.clock import trusted
from ddiweb.deploy.states import MEANING, State

register = template.Library()

TONES = {
    State.PENDING: "warn", State.PLANNING: "busy", State.APPLYING: "busy",
    State.VERIFYING: "busy", State.CONFIRMING: "warn", State.DONE: "good",
    State.REFUSED: "bad", State.ROLLED_BACK: "bad", State.FAILED: "bad", State.SUPERSEDED: "off",
}  # fmt: skip
HELD = "in force but for what could lock you out, which nobody confirmed"
_E164 = re.compile(r"\A[1-9][0-9]{6,14}\Z")
_ADDED = re.compile(r"\A(v[46] |set )?(\+|add\b|create\b|restore\b)")
_REMOVED = re.compile(r"\A(v[46] |set )?(-|del\b|destroy\b)")


@register.simple_tag
def pill(tone: str, text: object) -> SafeString:
    """A word in a colour: good, busy, warn, bad, quiet, off."""
    return format_html('<span class="pill pill-{}">{}</span>', tone, text)


@register.simple_tag
def no_password() -> SafeString:
    """What a phone lacks that can't sign in yet, with what to do as a tip."""
    tip = "It can't sign in yet: open the peer and choose “Set up the phone”, which makes one."
    return format_html('<span class="pill pill-warn" title="{}">no password</span>', tip)


@register.filter
def plus(number: str) -> str:
    """A number as Asterisk keeps it, in digits: E.164 with its plus, a short one as it is."""
    return f"+{number}" if _E164.fullmatch(number) else number


@register.simple_tag
def state_pill(state: str, dry_run: bool = False, held: bool = False) -> SafeString:
    """The state of a deployment, with its meaning as a tip.

    ``held``: all is in force but what could lock the administrator out.
    """
    known = State(state)
    if held:
        return format_html('<span class="pill pill-warn" title="{}">in force in part</span>', HELD)
    text = "dry run" if dry_run and known is State.DONE else state.replace("_", " ")
    tone = "quiet" if dry_run and known is State.DONE else TONES[known]
    return format_html(
        '<span class="pill pill-{}" title="{}">{}</span>', tone, MEANING[known], text
    )


@register.filter
def ago(moment: datetime | None) -> str:
    """``12 s ago``, ``5 min ago``, ``3 h ago``, ``4 days ago``; for the future ``in …``."""
    if moment is None:
        return "never"
    seconds = (timezone.now() - moment).total_seconds()
    span = duration(abs(seconds))
    return f"{span} ago" if seconds >= 0 else f"in {span}"


@register.filter
def left(until: datetime | None) -> int:
    """Whole seconds until then, 0 if it is over."""
    if until is None:
        return 0
    return max(0, math.ceil((until - trusted.now()).total_seconds()))


def moment(when: datetime | None) -> str:
    """``23 Nov 2026, 14:05:09`` in the panel's time zone; a dash for never."""
    return date_format(timezone.localtime(when), "j M Y, H:i:s") if when else "-"


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as ``0.4 s``, ``12 s``, ``5 min``, ``3 h`` or ``4 days``."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


@register.filter
def clock(seconds: int) -> str:
    """A call's length as ``1:05``."""
    return f"{seconds // 60}:{seconds % 60:02d}"


@register.filter
def diff_lines(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each line of a plan with what it does: added, removed, changed or plain."""
    for line in lines:
        if _REMOVED.match(line):
            yield "removed", line
        elif _ADDED.match(line):
            yield "added", line
        elif line.startswith("~") or re.match(r"\Av[46] ~", line):
            yield "changed", line
        else:
            yield "plain", line


#: What the parts of a plan are called where a person reads them.
_PARTS = {"realtime": "Rows for Asterisk", "firewall": "Firewall rules", "tls": "TLS"}


@register.simple_tag
def plan_part(name: str) -> str:
    """A target's name in words."""
    return _PARTS.get(name, name.capitalize())


@register.simple_tag
def unchanged_parts(plan: Mapping[str, Sequence[str]] | None) -> str:
    """The parts in which a plan changes nothing, in one line."""
    return ", ".join(plan_part(name) for name, lines in (plan or {}).items() if not lines)
