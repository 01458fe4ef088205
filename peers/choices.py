"""The words that a form offers."""

from django.db import models


class Codec(models.TextChoices):
    """Codecs in Asterisk's spelling."""

    OPUS = "opus", "Opus (wideband, copes with lost packets)"
    G722 = "g722", "G.722 (wideband)"
    ALAW = "alaw", "G.711 A-law (Europe)"
    ULAW = "ulaw", "G.711 µ-law (North America)"


class DdiHeader(models.TextChoices):
    """Where a vendor writes the number that was called."""

    REQUEST = "request", "Request URI (most vendors)"
    TO = "to", "To header (some that one registers with)"


class TrunkTransport(models.TextChoices):
    """How signalling travels to and from a vendor."""

    UDP = "udp", "UDP"
    TCP = "tcp", "TCP"
    TLS = "tls", "TLS (the vendor's certificate is verified)"


class Dtmf(models.TextChoices):
    """How keys that are pressed during a call travel; Asterisk's words."""

    RFC4733 = "rfc4733", "RTP events (RFC 4733, the usual)"
    INFO = "info", "SIP INFO"
    INBAND = "inband", "Tones in the audio (G.711 only)"
    AUTO = "auto", "RTP events, or tones if the vendor offers none"


class CallerHeader(models.TextChoices):
    """Which header holds the caller's number."""

    FROM = "from", "From"
    PAI = "pai", "P-Asserted-Identity (RFC 3325)"
    RPID = "rpid", "Remote-Party-ID (older vendors)"
    DIVERSION = "diversion", "Diversion (RFC 5806)"


class SignIn(models.TextChoices):
    """How one proves oneself to an outside service."""

    NONE = "none", "Nothing"
    BEARER = "bearer", "A key (Authorization: Bearer)"
    BASIC = "basic", "A username and a password (Basic)"


class NumberIn(models.TextChoices):
    """How a vendor writes numbers of the calls that it brings."""

    E164 = "e164", "With the country code: +44…, 44… or 0044…"
    NATIONAL = "national", "National, such as 020… or 20…"


class NumberOut(models.TextChoices):
    """How a vendor wants numbers that are called."""

    PLUS = "plus", "+442079460123 (E.164)"
    DIGITS = "digits", "442079460123 (E.164 without +)"
    INTERNATIONAL = "international", "00442079460123 (international prefix)"
    NATIONAL = "national", "02079460123 at home, 0033… abroad"


class HostKind(models.TextChoices):
    """What is asked of DNS about a vendor's name."""

    ADDRESS = "address", "Addresses (A and AAAA)"
    SRV = "srv", "Servers (SRV of _sip._udp)"


class Weekday(models.IntegerChoices):
    """Days as ISO 8601 counts them."""

    MONDAY = 1, "Mon"
    TUESDAY = 2, "Tue"
    WEDNESDAY = 3, "Wed"
    THURSDAY = 4, "Thu"
    FRIDAY = 5, "Fri"
    SATURDAY = 6, "Sat"
    SUNDAY = 7, "Sun"


class Carrier(models.TextChoices):
    """Where a phone's app has room for the token."""

    USER_AGENT = "user_agent", "User-Agent (device name)"
    CONTACT = "contact", "Parameter of the Contact"
    USERNAME = "username", "SIP username: fits every app"


class StepKind(models.TextChoices):
    """What one stage of a route does."""

    RING = "ring", "Ring peers"
    FORWARD = "forward", "Forward to a number"
    VOICEMAIL = "voicemail", "Voicemail"
    ANNOUNCE = "announce", "Play an announcement"
    REJECT = "reject", "Reject the call"


class Cause(models.TextChoices):
    """What the caller of a rejected call is told."""

    BUSY = "busy", "Busy"
    UNAVAILABLE = "unavailable", "Unavailable"
    NOT_FOUND = "not_found", "Number not in service"


class Final(models.TextChoices):
    """What the caller is told when no step took the call."""

    AUTO = "auto", "Busy if a phone was busy, else unavailable"
    BUSY = "busy", "Busy"
    UNAVAILABLE = "unavailable", "Unavailable"
    NOT_FOUND = "not_found", "Number not in service"


class Anonymous(models.TextChoices):
    """What becomes of a caller without a number."""

    RING = "ring", "Are let through"
    REJECT = "reject", "Are turned away"
    MESSAGE = "message", "Hear announcements and voicemail only; no phone rings"


class Show(models.TextChoices):
    """The name that phones show for a caller."""

    LABEL = "label", "The label"
    PREFIX = "prefix", "The label, then the caller's name or number"


class TokenState(models.TextChoices):
    """Where a token stands; see docs/states.md."""

    ISSUED = "issued", "Issued: accepted, not seen yet"
    CURRENT = "current", "Current: seen"
    RETIRING = "retiring", "Retiring: a newer one is current"
    REVOKED = "revoked", "Revoked: its flows are cut"


LIVE_TOKEN_STATES = (TokenState.ISSUED, TokenState.CURRENT, TokenState.RETIRING)


class Transport(models.TextChoices):
    """How a phone's signalling travels."""

    UDP = "udp", "UDP (the usual; the token is readable on the way)"
    TCP = "tcp", "TCP (for networks that lose UDP; readable on the way)"
    TLS = "tls", "TLS (signalling and audio encrypted)"
    IAX = "iax", "IAX2 (not SIP: one UDP port for signalling and audio, readable on the way)"


class Digest(models.TextChoices):
    """How a phone proves its password."""

    MD5 = "md5", "MD5 (every app)"
    SHA256 = "sha256", "SHA-256 (RFC 8760: newer apps)"


class Nat(models.TextChoices):
    """Where a phone is, seen from the node."""

    BEHIND = "behind", "Behind a router or a mobile network (the usual)"
    DIRECT = "direct", "On an address of its own, or in the same VPN"


class PhoneFormat(models.TextChoices):
    """Files that set up a phone, an app family each; see ``peers.provisioning``."""

    LINPHONE = "linphone", "Linphone"
    MICROSIP = "microsip", "MicroSIP"
    GENERIC = "generic", "Another app (text to read)"


class LeakKind(models.TextChoices):
    """Why a token is thought to have leaked."""

    PLACES = "places", "In use in many places at once"
    PASSWORDS = "passwords", "Wrong passwords from several places"
