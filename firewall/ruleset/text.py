"""A family's whole ruleset as text: what an empty kernel is given, and what a person reads."""

from firewall.ruleset.build import build
from firewall.ruleset.diff import difference, set_commands
from firewall.ruleset.parse import Dump
from firewall.ruleset.rules import Block, Family
from firewall.ruleset.types import Intent, Management

#: The agent alone knows the networks of countries.
UNKNOWN = Block("0" * 12, 0, tuple)


def restore_text(family: Family) -> str:
    """The `iptables-restore --noflush` text that loads all of `family` into an empty kernel."""
    return difference(Dump(), family).text()


def ipset_text(family: Family) -> str:
    """The `ipset restore` text that creates and fills all sets of `family`."""
    lines = [line for wanted in family.sets for line in set_commands(wanted, None)]
    return "\n".join([*lines, ""])


def preview(intent: Intent, management: Management) -> tuple[str, ...]:
    """What an empty host would be given, for a person, tokens redacted; raises `Invalid`."""
    home = UNKNOWN if intent.countries else None
    families = [build(intent, management, version, home=home) for version in (4, 6)]
    sets = [f"set {line}" for one in families for line in ipset_text(one).splitlines()]
    rules = [line for one in families for line in difference(Dump(), one).lines()]
    return (*sets, *rules)
