"""A family's whole ruleset as text: what an empty kernel is given, and what a person reads."""

from firewall.ruleset.build import build
from firewall.ruleset.diff import difference, set_commands
from firewall.ruleset.parse import Dump
from firewall.ruleset.rules import Family
from firewall.ruleset.types import Intent, Management


def restore_text(family: Family) -> str:
    """The `iptables-restore --noflush` text that loads all of `family` into an empty kernel."""
    return difference(Dump(), family).text()


def ipset_text(family: Family) -> str:
    """The `ipset restore` text that creates and fills all sets of `family`."""
    lines = [line for wanted in family.sets for line in set_commands(wanted, None)]
    return "\n".join([*lines, ""])


def preview(intent: Intent, management: Management) -> tuple[str, ...]:
    """What an empty host would be given, for a person, tokens redacted; raises `Invalid`."""
    families = [build(intent, management, 4), build(intent, management, 6)]
    sets = [f"set {line}" for one in families for line in ipset_text(one).splitlines()]
    rules = [line for one in families for line in difference(Dump(), one).lines()]
    return (*sets, *rules)
