"""Thirty ways in which the firewall could be wrong, each a small edit that still runs.

`old` stands exactly once in the file (a unit test sees to that). `where` names what must notice it:
`duel` (oracle against kernel), else a file of tests, with words behind it that choose of them.
"""

from dataclasses import dataclass

RULES, AGENT = "firewall/ruleset", "firewall/agent"


@dataclass(frozen=True)
class Fault:
    """`new` in the place of `old` in `file`; `what` says it in words."""

    what: str
    file: str
    old: str
    new: str
    where: str


FAULTS = (
    Fault("strangers pass behind the last check for a token", f"{RULES}/gates.py",
          '((Holds(self.intent.site_prefix),), self._to("HOME" if self.home else "TOK")),\n'
          "            ((), _DROP),",
          '((Holds(self.intent.site_prefix),), self._to("HOME" if self.home else "TOK")),\n'
          "            ((), _ACCEPT),", "duel"),
    Fault("the end of INPUT lets everything in", f"{RULES}/build.py",
          "*(_icmp4() if version == 4 else _icmp6()),\n        ((), _DROP),",
          "*(_icmp4() if version == 4 else _icmp6()),\n        ((), _ACCEPT),", "duel"),
    Fault("bans are asked after nobody", f"{RULES}/gates.py",
          "return [*steps, *(((InSet(one.name),), _DROP) for one in (self.bans, self.jail))]",
          "return steps", "duel"),
    Fault("banned addresses are let in", f"{RULES}/gates.py",
          "return [*steps, *(((InSet(one.name),), _DROP) for one in (self.bans, self.jail))]",
          "return [*steps, *(((InSet(one.name),), _ACCEPT) for one in (self.bans, self.jail))]",
          "duel"),
    Fault("a revoked flow keeps its mark", f"{RULES}/gates.py",
          "return ((ConnMark(FLOW_BIT | mark, MARK_MASK),), SetMark(0, FLOW_BIT))",
          "return ((ConnMark(FLOW_BIT | mark, MARK_MASK),), SetMark(FLOW_BIT, FLOW_BIT))", "duel"),
    Fault("with many revoked marks the wrong leaf is looked at", f"{RULES}/gates.py",
          "group = [mark for mark in marks if mark & 0xF == low]",
          "group = [mark for mark in marks if mark >> 4 & 0xF == low]",
          "kernel/test_firewall_revoke.py nft and rules_alone"),
    Fault("a reply may hold anything, not only a SIP response", f"{RULES}/gates.py",
          "((Known(reply=True), response), _ACCEPT),",
          "((Known(reply=True),), _ACCEPT),", "duel"),
    Fault("IPv6 looks for the response at IPv4's place", f"{RULES}/gates.py",
          '6: U32("0x3&0xff=0x11&&0x30=0x5349502f"),',
          '6: U32("0x3&0xff=0x11&&0x1c=0x5349502f"),', "duel"),
    Fault("a cut address still sends RTP", f"{RULES}/gates.py",
          "people: list[Step] = [*self._people(), ((InSet(self.cut.name),), _DROP)]",
          "people: list[Step] = [*self._people()]", "duel"),
    Fault("RTP needs no proof", f"{RULES}/gates.py",
          '((InSet(self.seen.name),), self._to("RTPOK")),\n            ((), _DROP),',
          '((), self._to("RTPOK")),\n            ((), _DROP),', "duel"),
    Fault("a proof for RTP is never written", f"{RULES}/gates.py",
          "((_MARKED,), Remember(add=self.seen.name, remove=self.cut.name)),",
          "((_MARKED,), Remember(add=self.cut.name, remove=self.seen.name)),", "duel"),
    Fault("the length guard is off by a byte", f"{RULES}/gates.py",
          "LONGEST = 4096", "LONGEST = 4097", "duel"),
    Fault("a TCP SYN keeps the mark of the flow before", f"{RULES}/gates.py",
          "((), SetMark(0, FLOW_BIT)),\n            ((), _ACCEPT),",
          "((), _ACCEPT),",
          "kernel/test_firewall_tcp.py nft and v4 and DeadOnBothSides"),
    Fault("a SYN with data is let through", f"{RULES}/gates.py",
          "((Laden(self.version),), _DROP),\n", "",
          "kernel/test_firewall_tcp.py nft and v4 and data_in_a_syn"),
    Fault("the SIP port's TCP gate stands behind the established rule", f"{RULES}/build.py",
          '((gate,), to(slot, "TCP")),',
          '((Known(),), _ACCEPT),\n        ((gate,), to(slot, "TCP")),',
          "unit/test_ruleset_render.py"),
    Fault("the built-in management networks are left out", f"{RULES}/build.py",
          "ordered = [*management.networks, *extra]", "ordered = extra", "duel"),
    Fault("IPv6 networks stand in IPv4's rules", f"{RULES}/build.py",
          'return not net or (":" in net) == (version == 6)', "return True", "duel"),
    Fault("neighbour discovery is accepted from off the link", f"{RULES}/build.py",
          "((Icmp(6, kind, on_link=True),), _ACCEPT) for kind in (133, 134, 135, 136)",
          "((Icmp(6, kind),), _ACCEPT) for kind in (133, 134, 135, 136)", "duel"),
    Fault("a token writes another token's mark", f"{RULES}/tree.py",
          "SetMark(FLOW_BIT | token.mark, MARK_MASK)",
          "SetMark(FLOW_BIT | token.mark ^ 1, MARK_MASK)", "duel"),
    Fault("a branch of the tree does not come back", f"{RULES}/tree.py",
          "To(_name(slot, stem), back=True)", "To(_name(slot, stem))", "duel"),
    Fault("a network of /0 is taken", f"{RULES}/values.py",
          "WIDEST = {4: 8, 6: 16}", "WIDEST = {4: 0, 6: 0}",
          "unit/test_ruleset_types.py"),
    Fault("an IPv4 address in IPv6 form is taken", f"{RULES}/values.py",
          "int(parsed.network_address) >> 48 == 0", "int(parsed.network_address) < 0",
          "unit/test_ruleset_types.py"),
    Fault("a log line shows whole tokens", f"{RULES}/values.py",
          'return _SECRET.sub("\\\\1\\N{HORIZONTAL ELLIPSIS}", text)', "return text",
          "unit/test_ruleset_types.py"),
    Fault("a live token may be revoked too", f"{RULES}/types.py",
          "if marks & set(self.revoked):", "if marks & set():",
          "unit/test_ruleset_types.py"),
    Fault("a hook that is not first is right", f"{RULES}/diff.py",
          "return count, count == 1 and rules[0] == HOOK", "return count, count == 1",
          "kernel/test_firewall_apply.py nft and moved_hook"),
    Fault("drift of a rule's order is not seen", f"{RULES}/diff.py",
          "zip(old, new, strict=True)", "zip(sorted(old), sorted(new), strict=True)",
          "unit/test_ruleset_diff.py"),
    Fault("every user may speak to the agent", f"{AGENT}/server.py",
          "if uid not in self._config.allowed_uids:", "if uid < 0:",
          "kernel/test_firewall_apply.py nft and allowed_users"),
    Fault("an older fence is taken", f"{AGENT}/state.py",
          "if fence < self.fence:", "if fence < 0:",
          "kernel/test_firewall_apply.py nft and fence"),
    Fault("what was loaded is not read back", f"{AGENT}/engine.py",
          "            after = self._kernel.look(intent)\n            if after.right:\n",
          "            after = self._kernel.look(intent)\n            if after:\n",
          "kernel/test_firewall_failure.py nft and (does_nothing or slips)"),
    Fault("a key given twice is taken", f"{AGENT}/protocol.py",
          "if len(found) != len(pairs):", "if len(found) > len(pairs):",
          "unit/test_agent_protocol.py"),
)  # fmt: skip
