"""The realtime tables: columns, defaults and which of them are secret.

Every column is text, NOT NULL and has a default that Asterisk accepts: with a NULL a row silently
vanishes from lists, qualify and identify. The id comes first. Column names are Asterisk's
(``config show help res_pjsip``); ``ddi_*`` tables are looked up by the fixed dialplan.
"""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Column:
    """A column; a ``secret`` one is redacted in every diff.

    ``uri``: a SIP URI of our own making, which may end with parameters of our own.
    """

    name: str
    default: str = ""
    secret: bool = False
    uri: bool = False


@dataclass(frozen=True)
class Table:
    """A table; ``columns`` without the id. ``kept`` are Asterisk's own, and not ours to read."""

    name: str
    columns: tuple[Column, ...]
    kept: tuple[Column, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names, id first."""
        return ("id", *(column.name for column in self.columns))


ENDPOINTS = Table(
    "ps_endpoints",
    (
        Column("transport"),
        Column("aors"),
        Column("auth"),
        Column("outbound_auth"),
        Column("context", "nowhere"),
        Column("identify_by", "ip"),
        Column("disallow", "all"),
        Column("allow", "alaw,ulaw"),
        Column("accountcode"),
        Column("direct_media", "no"),
        Column("rewrite_contact", "no"),
        Column("rtp_symmetric", "no"),
        Column("force_rport", "yes"),
        Column("rtp_timeout", "0"),
        Column("rtp_timeout_hold", "0"),
        Column("dtmf_mode", "rfc4733"),
        Column("timers", "yes"),
        Column("media_encryption", "no"),
        Column("allow_overlap", "no"),
        Column("allow_transfer", "no"),
        Column("allow_subscribe", "no"),
        Column("trust_id_inbound", "no"),
        Column("trust_id_outbound", "no"),
        Column("send_pai", "no"),
        Column("max_video_streams", "0"),
        Column("language", "en"),
        Column("mailboxes"),
    ),
)
AUTHS = Table(
    "ps_auths",
    (
        Column("auth_type", "digest"),
        Column("username"),
        Column("realm"),
        Column("password", secret=True),
        Column("password_digest", secret=True),
        Column("supported_algorithms_uas", "MD5"),
        Column("supported_algorithms_uac", "MD5"),
    ),
)
AORS = Table(
    "ps_aors",
    (
        Column("contact"),
        Column("max_contacts", "0"),
        Column("remove_existing", "no"),
        Column("qualify_frequency", "0"),
        Column("qualify_timeout", "3.0"),
        Column("minimum_expiration", "60"),
        Column("default_expiration", "300"),
        Column("maximum_expiration", "3600"),
    ),
)
#: Trunks. Asterisk loads these whole, as it would a file; see ``static_view``.
TRUNK_ENDPOINTS = Table(
    "trunk_endpoints",
    (
        Column("transport"),
        Column("aors"),
        Column("outbound_auth"),
        Column("outbound_proxy", uri=True),
        Column("context", "from-trunk"),
        # With the default, or with username beside ip, a stranger who writes the trunk's name into
        # From would reach the dialplan.
        Column("identify_by", "ip"),
        Column("disallow", "all"),
        Column("allow", "alaw,ulaw"),
        # The trunk's own order, not that of the phone or of the caller.
        Column("outgoing_call_offer_pref", "local_merge"),
        Column("accountcode"),
        Column("direct_media", "no"),
        Column("rewrite_contact", "no"),
        Column("rtp_symmetric", "no"),
        Column("force_rport", "yes"),
        Column("dtmf_mode", "rfc4733"),
        Column("timers", "yes"),
        Column("media_encryption", "no"),
        # The default answers 484 to a prefix of a DDI.
        Column("allow_overlap", "no"),
        Column("allow_transfer", "no"),
        Column("allow_subscribe", "no"),
        Column("from_user"),
        Column("from_domain"),
        Column("trust_id_inbound", "no"),
        Column("trust_id_outbound", "no"),
        Column("send_pai", "no"),
        Column("send_rpid", "no"),
        Column("max_video_streams", "0"),
        Column("language", "en"),
        # What the dialplan needs of the trunk when it calls in.
        Column("set_var"),
    ),
)
TRUNK_AORS = Table(
    "trunk_aors",
    (
        Column("contact", uri=True),
        Column("outbound_proxy", uri=True),
        Column("qualify_frequency", "0"),
        Column("qualify_timeout", "3.0"),
    ),
)
#: IAX2 phones, as chan_iax2 reads them: peers and users in one. It notes where they registered.
IAX = Table(
    "ddi_iax",
    (
        Column("name"),
        Column("type", "friend"),
        Column("context", "nowhere"),
        Column("host", "dynamic"),
        Column("auth", "md5"),
        Column("secret", secret=True),
        Column("requirecalltoken", "yes"),
        Column("disallow", "all"),
        Column("allow", "alaw,ulaw"),
        Column("accountcode"),
        Column("transfer", "no"),
        Column("trunk", "no"),
        Column("language", "en"),
    ),
    kept=(Column("ipaddr"), Column("port", "0"), Column("regseconds", "0")),
)
IDENTIFIES = Table("trunk_identifies", (Column("endpoint"), Column("match")))
REGISTRATIONS = Table(
    "trunk_registrations",
    (
        Column("server_uri", uri=True),
        Column("client_uri", uri=True),
        Column("contact_user"),
        Column("outbound_auth"),
        Column("outbound_proxy", uri=True),
        Column("transport"),
        Column("expiration", "300"),
        Column("retry_interval", "20"),
        Column("forbidden_retry_interval", "60"),
        Column("fatal_retry_interval", "60"),
        Column("max_retries", "1000000"),
        Column("auth_rejection_permanent", "no"),
        Column("max_random_initial_delay", "0"),
    ),
)
#: What the dialplan needs of a trunk to call out; see [to-trunk] in extensions.conf.
TRUNKS = Table(
    "ddi_trunks",
    (
        Column("country"),
        Column("caller_out", "from"),
        Column("number_out", "plus"),
        Column("prefix_out"),
        Column("national", "0"),
        Column("international", "00"),
        Column("servers"),
    ),
)
NUMBERS = Table(
    "ddi_numbers",
    (
        Column("display"),
        Column("anonymous", "ring"),
        Column("callers", "open"),
        Column("longest", "0"),
        Column("show", "label"),
        Column("final", "auto"),
    ),
)
NAMES = Table("ddi_names", (Column("name"),))
MAILBOXES = Table(
    "ddi_mailboxes",
    (
        Column("uniqueid"),
        Column("mailbox"),
        Column("context", "ddi"),
        Column("password"),
        Column("fullname"),
        Column("maxsecs", "180"),
    ),
)
RANGES = Table("ddi_ranges", (Column("number"), Column("wild", "0")))
CALLERS = Table("ddi_callers", (Column("verdict", "block"),))
STEPS = Table(
    "ddi_steps",
    (
        Column("kind", "reject"),
        Column("target"),
        Column("timeout", "30"),
        Column("schedule"),
        Column("cause", "unavailable"),
        Column("sound"),
        Column("policy"),
    ),
)
SCHEDULES = Table("ddi_schedules", (Column("zone", "UTC"),))
TIMES = Table(
    "ddi_times",
    (
        Column("open", "no"),
        Column("days", "1234567"),
        Column("begin", "0000"),
        Column("finish", "2400"),
        Column("first"),
        Column("last"),
    ),
)
_CAPS = (Column("calls", "0"), Column("minute", "0"), Column("seconds", "0"), Column("money", "0"))
OUTGOING = Table("ddi_outgoing", (Column("policy"), Column("number")))
POLICIES = Table(
    "ddi_policies",
    (
        Column("trunks"),
        Column("emergency"),
        Column("country"),
        Column("international", "00"),
        Column("national", "0"),
        Column("bare", "no"),
        Column("longest", "0"),
        Column("limit", "3600"),
        *_CAPS,
    ),
)
DESTINATIONS = Table("ddi_destinations", (Column("verdict", "deny"),))
# Its ids are all; a table of one column would be none to Asterisk's functions.
EMERGENCY = Table("ddi_emergency", (Column("kind", "emergency"),))
TOLLS = Table("ddi_tolls", (Column("channels", "0"), Column("longest", "0"), *_CAPS))
RATES = Table("ddi_rates", (Column("rate", "0"), Column("setup", "0"), Column("increment", "60")))

TABLES = (
    ENDPOINTS, AUTHS, AORS, IAX, TRUNK_ENDPOINTS, TRUNK_AORS, IDENTIFIES, REGISTRATIONS, TRUNKS,
    NUMBERS, STEPS, SCHEDULES, TIMES, CALLERS, RANGES, NAMES, MAILBOXES, OUTGOING, POLICIES,
    DESTINATIONS, EMERGENCY, TOLLS, RATES,
)  # fmt: skip
#: Tables that Asterisk loads whole, each as a file of its own name with ``.conf``.
STATIC = (TRUNK_ENDPOINTS, TRUNK_AORS, IDENTIFIES, REGISTRATIONS)
BY_NAME = {table.name: table for table in TABLES}
#: One row, ``id`` = ``fence``: the highest fence that ever wrote. Asterisk does not read it.
FENCE = Table("ddi_fence", (Column("value", "0"),))
#: What Asterisk must still be told, written with the rows that make it necessary.
OWED = Table("ddi_owed", ())
