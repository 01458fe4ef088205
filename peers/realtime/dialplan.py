"""The dialplan that is in force, compared with the reviewed one (deploy/asterisk/extensions.conf).

It is the same on every node and never changes by an edit, so any difference was somebody else's.
Only where Asterisk was started with this version's files can one be told (``static.version``).
"""

import functools
import re
from collections.abc import Iterable

from peers.realtime.ami import ActionRefused, AmiClient
from peers.realtime.ami_message import Message
from peers.realtime.static import TEMPLATES, version

#: Context, extension, priority, label, application, its data.
Line = tuple[str, str, str, str, str, str]
#: Contexts that are named; with more, those that come first stand for the rest.
MOST = 5
_SECTION = re.compile(r"\A\[([A-Za-z0-9_-]+)\]\s*\Z")
_LINE = re.compile(
    r"\A(?:exten\s*=>\s*(?P<exten>(?:\[[^\]]*\]|[^,\[])+),\s*|same\s*=>\s*)"
    r"(?P<priority>[0-9]+|n)(?:\((?P<label>[A-Za-z0-9_-]+)\))?,(?P<application>\w+)"
    r"\((?P<data>.*)\)\s*\Z"
)
_COMMENT = re.compile(r"(?<!\\);.*")


@functools.cache
def reviewed(sounds: str, names_port: int) -> frozenset[Line]:
    """The lines of extensions.conf, as Asterisk numbers them; raises ValueError for another.

    ``sounds``, ``names_port``: the folder with announcements, and where names of callers are asked
    for, as Asterisk's configuration names them.
    """
    found: set[Line] = set()
    context = exten = ""
    number = 0
    text = (TEMPLATES / "extensions.conf").read_text().replace("@SOUNDS_DIR@", sounds)
    text = text.replace("@NAMES_PORT@", str(names_port))
    for raw in text.splitlines():
        line = _COMMENT.sub("", raw).strip().replace("\\;", ";")
        if section := _SECTION.fullmatch(line):
            context = section[1]
        elif line and context not in ("general", "globals"):
            match = _LINE.fullmatch(line)
            if match is None:
                raise ValueError(f"extensions.conf: {line!r} is no line of a dialplan")
            exten = (match["exten"] or exten).strip()
            number = number + 1 if match["priority"] == "n" else int(match["priority"])
            label, application = match["label"] or "", match["application"]
            found.add((context, exten, str(number), label, application, match["data"]))
    return frozenset(found)


def told(answer: Iterable[Message]) -> frozenset[Line]:
    """The lines that ``ShowDialPlan`` lists."""
    names = ("Context", "Extension", "Priority", "ExtensionLabel", "Application", "AppData")
    return frozenset(
        tuple(message.get(name) for name in names)  # type: ignore[misc]  # six names
        for message in answer
        if message.event == "ListDialplan"
    )


def same_version(client: AmiClient) -> bool:
    """Whether Asterisk was started with the files of this version; raises as ``client``."""
    said = client.action("Getvar", Variable="DDI_STATIC")[0].get("Value")
    return said == version()


def differences(client: AmiClient, sounds: str, names_port: int) -> tuple[str, ...]:
    """What is in force and not reviewed, or the reverse, a line a context; raises Retryable.

    Empty where another version's files are in force, or where the account may not ask.
    """
    try:
        if not same_version(client):
            return ()
        there = told(client.action("ShowDialPlan"))
    except ActionRefused:
        return ()
    return compare(there, reviewed(sounds, names_port))


def compare(there: frozenset[Line], wanted: frozenset[Line]) -> tuple[str, ...]:
    """Say which contexts differ, fit for the screen: names in them may be anybody's."""
    found = []
    for context in sorted({line[0] for line in there ^ wanted}):
        more = sum(line[0] == context for line in there - wanted)
        less = sum(line[0] == context for line in wanted - there)
        name = re.sub(r"[^A-Za-z0-9_-]", "?", context)[:40]
        found.append(f"~ dialplan [{name}]: {more} lines that are not ours, {less} missing")
    rest = len(found) - MOST
    return (*found[:MOST], *([f"~ dialplan: {rest} contexts more"] if rest > 0 else ()))
