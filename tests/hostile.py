"""Texts that no renderer may take as they are, cut into good ones."""

import random
from typing import Any

PIECES = (
    "\n", "\r", "\r\n", "\x00", "\t", "\x0b", "\x0c", "\x1b[2J", "\x85", "\u2028", "\u2029",
    "\u202e", "\ufeff", "\ud800", "\udfff", "é", "ß", "\uff41", "\u0661", "\N{PILE OF POO}",
    '"', "'", "`", "\\", "/", ";", "^3B", "^", ",", "&", "|", "=", "<", ">", "{", "}", "$",
    "${SHELL(id)}", "$[1+1]", "%", "%0d%0a", "#", "!", "!!", "*", "?", "~", "(", ")",
    " ", "  ", "-", "--", " -j ACCEPT",
    "\n-A INPUT -j ACCEPT\n", "\nCOMMIT\n*filter\n", "\n:INPUT ACCEPT [0:0]\n", "-m", "/0", "/1",
    "/33", "/129", ",0.0.0.0/0", "::", "0.0.0.0/0", "::/0", "::ffff:1.2.3.4/128", "010.", "0x7f",
    "1e3", "\nadd ddi-vendor4 0.0.0.0/1\n", "\ndestroy\n", "\r\nAction: Originate\r\n\r\n",
    "\r\nEvent: Cdr\r\n", ": ", "\n[general]\n", "]", "[", "=>", "\n#exec id\n", "@NAME@",
    "'; DROP TABLE ps_auths; --", "' OR 1=1 --", "=cmd()", "+1", "@x", "null", "True", "a" * 300,
)  # fmt: skip


class Hostile:
    """Values of one seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def text(self, good: str) -> str:
        """`good` with hostile pieces cut into it, in place of it, or now and then as it is."""
        dice = self.dice
        for _ in range(dice.choice((0, 1, 1, 1, 1, 2, 3))):
            piece = dice.choice(PIECES)
            if dice.random() < 0.1:
                piece = chr(dice.randrange(0x110000))
            at = dice.choice((0, len(good), dice.randint(0, len(good))))
            end = min(len(good), at + dice.choice((0, 0, 1, len(piece))))
            good = piece if dice.random() < 0.1 else good[:at] + piece + good[end:]
        return good

    def any(self, good: Any) -> Any:
        """A value of any kind where `good` is expected."""
        if isinstance(good, str) and self.dice.random() < 0.9:
            return self.text(good)
        others = (None, True, -1, 0, 65_536, 1.5, float("inf"), 1 << 80, [], {}, b"x", good)
        return self.dice.choice((*others, self.text(str(good))))
