"""Failed logins of IAX2, from Asterisk's log: chan_iax2 raises no security events. Pure.

A line is JSON (deploy/asterisk/logger.conf). Who calls chooses his account's name, so it can't
begin a line, and the address that counts is the one at the place where Asterisk itself wrote it.
"""

import json
import re

from peers.realtime.events import Incident

_HOST = r"([0-9A-Fa-f.:]{3,45})"
#: By function of chan_iax2.c: what it says (with authdebug = yes), and what that counts as.
_SAID = {
    "register_verify": (
        (
            re.compile(rf"\AHost {_HOST} (?:failed MD5 authentication|denied access) .*\Z", re.S),
            "wrong_password",
        ),
        (
            re.compile(rf"\ANo registration for peer '.*' \(from {_HOST}\)\n?\Z", re.S),
            "unknown_account",
        ),
    ),
    "socket_process_helper": (
        (re.compile(rf"\AHost \[?{_HOST}\]?:[0-9]{{1,5}} failed to authenticate as .*\Z", re.S),
         "wrong_password"),
    ),
}  # fmt: skip
_ACCOUNT = re.compile(r"(?:for|peer) '(.*)'|failed to authenticate as (.*)", re.S)


def incident(line: bytes) -> Incident | None:
    """Return the failed login that a line tells of, or None. No port is told: it is 0."""
    if b'"chan_iax2.c"' not in line:
        return None
    try:
        said = json.loads(line)["logmsg"]
        where, message = said["location"], said["message"]
        known = _SAID.get(where["function"], ()) if where["filename"] == "chan_iax2.c" else ()
        for pattern, kind in known:
            if found := pattern.fullmatch(message):
                named = _ACCOUNT.search(message)
                account = (named[1] or named[2] or "").rstrip("\n") if named else ""
                return Incident(kind, account, found[1], 0)
    except (ValueError, KeyError, TypeError):
        return None
    return None
