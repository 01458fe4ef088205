"""How a phone signs in, is reached and is kept reachable: the columns of a peer."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from ddiweb.fields import EncryptedTextField
from peers.choices import Carrier, Digest, Nat, Transport

#: Seconds. What a REGISTER asks for is brought between the least and the most.
SHORTEST, LONGEST = 30, 7 * 86_400


def _seconds(label: str, default: int, low: int, high: int, help_text: str) -> Any:
    limits = [MinValueValidator(low), MaxValueValidator(high)]
    return models.PositiveIntegerField(
        label, default=default, validators=limits, help_text=help_text
    )


class Connection(models.Model):
    """Password hashes, digest, NAT, qualify and registration times."""

    transport = models.CharField(
        max_length=3,
        choices=Transport.choices,
        default=Transport.UDP,
        help_text="TLS, TCP and IAX2 must be switched on for the node first.",
    )
    digest = models.CharField(
        "password is proved by",
        max_length=6,
        choices=Digest.choices,
        default=Digest.MD5,
        help_text="With SHA-256 an app that does not know it can't sign in. The phone keeps its "
        "password when this is changed.",
    )
    nat = models.CharField(
        "the phone is",
        max_length=6,
        choices=Nat.choices,
        default=Nat.BEHIND,
        help_text="Behind a router, answers and audio go to where its packets come from; "
        "otherwise to the addresses that the phone names.",
    )
    qualify = _seconds(
        "ask every (seconds)", 30, 0, 3600,
        "How often the phone is asked whether it is there, which also keeps its way through a "
        "router open. 0: never. An app that sleeps (iPhone, Android with battery saving) does not "
        "answer, and each question wakes the radio: choose 0 for apps that are woken by a push "
        "message, 25 to 30 for apps that stay awake.",
    )  # fmt: skip
    expires_min = _seconds(
        "shortest registration (seconds)", 60, SHORTEST, 86_400,
        "A phone that asks for less is given this.",
    )  # fmt: skip
    expires_default = _seconds(
        "usual registration (seconds)", 300, SHORTEST, LONGEST,
        "For a phone that names no time.",
    )  # fmt: skip
    expires_max = _seconds(
        "longest registration (seconds)", 3600, SHORTEST, LONGEST,
        "A phone that asks for more is given this. An app that sleeps must wake to register anew "
        "before it ends: for iPhone apps with push messages 604800 (a week) is usual, for Android "
        "apps in the foreground 600 to 3600.",
    )  # fmt: skip
    # Both in one column: a node's snapshot opens it once a peer.
    hashes = EncryptedTextField(default="", blank=True, editable=False)
    iax_secret = EncryptedTextField(default="", blank=True, editable=False)
    password_made_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True


#: What history must not hold.
SECRETS = ("hashes", "iax_secret")
CONSTRAINTS = (
    models.CheckConstraint(condition=Q(transport__in=Transport.values), name="peer_transport"),
    models.CheckConstraint(condition=Q(digest__in=Digest.values), name="peer_digest"),
    models.CheckConstraint(condition=Q(nat__in=Nat.values), name="peer_nat"),
    models.CheckConstraint(condition=Q(qualify__lte=3600), name="peer_qualify"),
    models.CheckConstraint(
        condition=Q(
            expires_min__gte=SHORTEST,
            expires_min__lte=F("expires_default"),
            expires_default__lte=F("expires_max"),
            expires_max__lte=LONGEST,
        ),
        name="peer_registration_times",
        violation_error_message="The registration times must rise: shortest, usual, longest.",
    ),
    models.CheckConstraint(
        condition=~Q(transport=Transport.IAX) | Q(carrier=Carrier.USERNAME),
        name="peer_iax_signs_in_with_its_token",
        violation_error_message="IAX2 has no User-Agent: choose “SIP username” as the place of "
        "the token.",
    ),
)
