"""What the renderer needs to know of a peer: one app on one device, and how it signs in."""

import re
from dataclasses import dataclass, field

from peers.realtime import mailboxes
from peers.realtime.text import KEY, between, display_text, matches, refuse
from peers.realtime.trunks import codecs as check_codecs

USERNAME = re.compile(r"\A[A-Za-z0-9_.-]{3,64}\Z")
HA1_MD5 = re.compile(r"\A[0-9a-f]{32}\Z")
HA1_SHA256 = re.compile(r"\A[0-9a-f]{64}\Z")
IAX_SECRET = re.compile(r"\A[A-Za-z0-9._~!*+=-]{12,64}\Z")


@dataclass(frozen=True)
class AccountFacts:
    """A name by which an app signs in, and the hash of username, realm and password.

    ``digest_ha1_md5`` (RFC 2617, 3.2.2.2) or ``digest_ha1_sha256`` (RFC 8760): the one that is
    given is asked for. ``iax_secret`` in their place: the account is one of IAX2.
    """

    username: str
    digest_ha1_md5: str = field(default="", repr=False)
    digest_ha1_sha256: str = field(default="", repr=False)
    iax_secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        matches("peer.username", USERNAME, self.username, "use 3 to 64 letters, digits, . _ -")
        if self.username.lower() == "anonymous":
            # res_pjsip_endpoint_identifier_anonymous gives this endpoint to unknown callers.
            raise refuse("peer.username", "is Asterisk's own word", "choose another")
        given = [self.digest_ha1_md5, self.digest_ha1_sha256, self.iax_secret]
        if sum(map(bool, given)) != 1:
            # Without a password Asterisk would let in whoever knows the name.
            raise refuse("peer.password", "is not exactly one of its kinds", "give one")
        if self.digest_ha1_md5:
            matches("peer.digest_ha1_md5", HA1_MD5, self.digest_ha1_md5, "32 hexadecimal digits")
        if self.digest_ha1_sha256:
            matches(
                "peer.digest_ha1_sha256",
                HA1_SHA256,
                self.digest_ha1_sha256,
                "64 hexadecimal digits",
            )
        if self.iax_secret:
            matches("peer.iax_secret", IAX_SECRET, self.iax_secret, "use 12 to 64 characters")

    @property
    def target(self) -> str:
        """How a step names it."""
        return f"IAX2/{self.username}" if self.iax_secret else self.username

    def __repr__(self) -> str:
        """Hide the name too: it may be a token."""
        return "AccountFacts(…)"


@dataclass(frozen=True)
class Connecting:
    """How a phone is reached and kept reachable; all times in seconds.

    ``behind_nat``: answers and audio go to where its packets come from. ``qualify`` 0: it is not
    asked. ``expires``: the least, the usual and the longest registration.
    """

    behind_nat: bool = True
    qualify: int = 30
    expires: tuple[int, int, int] = (60, 300, 3600)

    def __post_init__(self) -> None:
        between("peer.qualify", self.qualify, 0, 3600)
        least, usual, longest = self.expires
        between("peer.expires_min", least, 30, 86_400)
        between("peer.expires_default", usual, least, 604_800)
        between("peer.expires_max", longest, usual, 604_800)


@dataclass(frozen=True)
class PeerFacts:
    """One app on one device. ``key`` is ours; ``username`` is what the app sends.

    Asterisk finds an endpoint and its aor by the user of From and To, so both are named by
    ``username``. With no hash at all it can't sign in yet and has no rows. ``digest_ha1_sha256``
    in place of the other: the phone is asked for SHA-256.
    ``token_accounts``: None, or all the names by which it signs in, in place of ``username``: one
    a live token, where the username carries it.
    ``mailboxes``: keys of those whose messages light its lamp, the first one is its own.
    ``encrypted``: audio must be SRTP with the keys in the signalling (RFC 4568), which TLS hides.
    """

    key: str
    username: str
    digest_ha1_md5: str = field(default="", repr=False)
    codecs: tuple[str, ...] = ("alaw", "ulaw")
    display_name: str = ""
    enabled: bool = True
    token_accounts: tuple[AccountFacts, ...] | None = None
    encrypted: bool = False
    digest_ha1_sha256: str = field(default="", repr=False)
    connecting: Connecting = Connecting()
    mailboxes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        matches("peer.key", KEY, self.key, "use [a-z0-9_]")
        matches("peer.username", USERNAME, self.username, "use 3 to 64 letters, digits, . _ -")
        if self.digest_ha1_md5 or self.digest_ha1_sha256:
            AccountFacts(self.username, self.digest_ha1_md5, self.digest_ha1_sha256)
        check_codecs("peer.codecs", self.codecs)
        display_text("peer.display_name", self.display_name)
        for box in self.mailboxes:
            matches("peer.mailboxes", mailboxes.KEY, box, "name a mailbox by its key")

    @property
    def accounts(self) -> tuple[AccountFacts, ...]:
        """The names by which it signs in, none while it is disabled or has no password."""
        if not self.enabled:
            return ()
        if self.token_accounts is not None:
            return self.token_accounts
        if not (self.digest_ha1_md5 or self.digest_ha1_sha256):
            return ()
        return (AccountFacts(self.username, self.digest_ha1_md5, self.digest_ha1_sha256),)
