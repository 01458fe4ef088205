"""Forms of trunks and peers: plain choices instead of raw values, secrets that only go in."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from ddiweb.form_fields import OneLineField, OrderedChoiceField, SecretField, SecretForm
from peers import passwords, rules
from peers.choices import Codec
from peers.models import Peer, Trunk, TrunkHost, TrunkNetwork
from peers.tls import choice
from peers.validators import canonical_host, sip_password

CODECS_HELP = "The first one that both sides know is used. Move the better ones up."


class SipAccountForm(SecretForm):
    """What trunks and peers share: a node, a username, a password and codecs."""

    secrets: Sequence[str] = ("password",)
    of_trunk = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            self.initial.setdefault("codecs", self.instance.codecs)

    def clean_password(self) -> str:
        """Blank keeps what is stored."""
        return self.keep("password", self.cleaned_data["password"])

    def _check(self, field: str, check: Callable[[], None]) -> None:
        try:
            check()
        except ValidationError as error:
            if field not in self.errors:
                self.add_error(field, error)

    def clean(self) -> dict[str, Any]:
        """A username belongs to one trunk or one peer of a node."""
        data = super().clean() or self.cleaned_data
        node = data.get("node")
        node_id = node.pk if node else self.instance.node_id
        if node_id and data.get("username"):
            try:
                rules.usernames_differ(node_id, data["username"], of_trunk=self.of_trunk)
            except ValidationError as error:
                self.add_error("username", error)
        return data


class TrunkForm(SipAccountForm):
    """A vendor's service."""

    of_trunk = True
    password = SecretField(
        help_text="Only for vendors that ask for one. It is stored encrypted and never shown."
    )
    codecs = OrderedChoiceField(choices=Codec.choices, help_text=CODECS_HELP)

    class Meta:
        model = Trunk
        fields = (
            "node", "name", "enabled", "register", "host", "port", "username", "password",
            "codecs", "qualify", "ddi_header", "country", "channels_max", "private_allowed",
            "transport", "srtp", "proxy", "proxy_port", "from_domain", "dtmf", "caller_in",
            "caller_out", "number_in", "number_out", "prefix_in", "prefix_out", "national_prefix",
            "international_prefix",
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """To register, three fields are needed."""
        data = super().clean()
        if data.get("register"):
            wanted = {
                "host": "the vendor's host",
                "username": "a username",
                "password": "the account's password",
            }
            for name, what in wanted.items():
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, f"To register with the vendor, give {what}.")
        node = data.get("node") or (self.instance.node if self.instance.node_id else None)
        way = data.get("transport", "")
        if node is not None:
            self._check("transport", partial(rules.transport_is_possible, node, way))
        return data


class TrunkServerFormSet(forms.BaseInlineFormSet):
    """Further hosts, each once."""

    def clean(self) -> None:
        """Refuse one that is the first host again."""
        super().clean()
        drafts = [form.cleaned_data for form in self.forms if hasattr(form, "cleaned_data")]
        kept = [draft for draft in drafts if draft.get("host") and not draft.get("DELETE")]
        trunk = self.instance
        servers = [(draft["host"], draft["port"]) for draft in kept if draft.get("port")]
        rules.servers_differ(trunk.host, trunk.port, servers)


class TrunkNetworkFormSet(forms.BaseInlineFormSet):
    """Networks that no other trunk of the node has."""

    def cidrs(self) -> list[str]:
        """The networks as they would be saved."""
        drafts = [form.cleaned_data for form in self.forms if hasattr(form, "cleaned_data")]
        return [draft["cidr"] for draft in drafts if draft.get("cidr") and not draft.get("DELETE")]

    def clean(self) -> None:
        """Refuse networks that overlap another trunk's."""
        super().clean()
        if self.instance.node_id:
            rules.networks_are_the_trunks_own(self.instance.node_id, self.instance.pk, self.cidrs())


class TrunkNetworkForm(forms.ModelForm):
    """One network of a vendor."""

    class Meta:
        model = TrunkNetwork
        fields = ("cidr", "note")

    def clean_cidr(self) -> str:
        """Make it canonical before it is compared."""
        return str(TrunkNetwork._meta.get_field("cidr").to_python(self.cleaned_data["cidr"]))


class HostNameFormField(OneLineField):
    """A host name, in any spelling."""

    def to_python(self, value: Any) -> str:
        """Return the spelling under which it is stored."""
        text = super().to_python(value)
        return canonical_host(text) if text else text

    def has_changed(self, initial: Any, data: Any) -> bool:
        """``SIP.example.net.`` and ``sip.example.net`` are the same name."""
        return str(initial or "") != str(data or "").strip().removesuffix(".").lower()


class TrunkHostForm(forms.ModelForm):
    """One name of a vendor."""

    class Meta:
        model = TrunkHost
        fields = ("name", "kind", "note")
        field_classes: ClassVar = {"name": HostNameFormField}

    def save(self, commit: bool = True) -> Any:
        """Another name is another host: what the old one led to is let in no longer."""
        if self.instance.pk and {"name", "kind"} & set(self.changed_data):
            self.instance.addresses.all().delete()
            for name in ("checked_at", "next_check_at", "failing_since"):
                setattr(self.instance, name, None)
            self.instance.last_error = ""
        return super().save(commit)


class TrunkHostFormSet(forms.BaseInlineFormSet):
    """Names of one trunk, not too many."""

    def clean(self) -> None:
        """Refuse more than a run could look up."""
        super().clean()
        drafts = [form.cleaned_data for form in self.forms if hasattr(form, "cleaned_data")]
        names = [draft for draft in drafts if draft.get("name") and not draft.get("DELETE")]
        if len(names) > rules.MOST_HOSTS:
            raise ValidationError(
                f"A trunk has at most {rules.MOST_HOSTS} names; write networks for the rest.",
                code="too_many_hosts",
            )


class PeerForm(SipAccountForm):
    """One app on one device."""

    secrets = ()
    password = SecretField(
        label="SIP password",
        validators=[sip_password],
        help_text="Leave it blank: “Set up the phone” makes a random one and shows it once. What "
        "is stored is a hash, so it can't be shown again. (For IAX2, which needs the password "
        "itself at both ends, it is stored encrypted.)",
    )
    codecs = OrderedChoiceField(choices=Codec.choices, help_text=CODECS_HELP)

    class Meta:
        model = Peer
        fields = (
            "node", "name", "owner", "username", "carrier", "enabled", "codecs",
            "transport", "strict_names", "digest", "nat", "qualify",
            "expires_min", "expires_default", "expires_max", "outgoing", "caller_number",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._username = self.instance.username

    def clean_password(self) -> str:
        """Blank keeps what is stored."""
        return str(self.cleaned_data["password"] or "")

    def clean(self) -> dict[str, Any]:
        """The node offers the transport."""
        data = super().clean()
        node = data.get("node") or (self.instance.node if self.instance.node_id else None)
        if node is not None and data.get("transport"):
            self._check("transport", lambda: choice.is_possible(node, data["transport"]))
            if data.get("strict_names"):
                self._check(
                    "strict_names",
                    lambda: choice.strict_is_possible(node.pk, self.instance.pk, data["transport"]),
                )
        return data

    def save(self, commit: bool = True) -> Any:
        """What is stored in place of the password follows from the row as it will be."""
        passwords.fit(self.instance, self._username)
        if self.cleaned_data.get("password"):
            passwords.put(self.instance, self.cleaned_data["password"])
        return super().save(commit)


class PhoneNumberField(OneLineField):
    """E.164 as people write it: spaces, hyphens, dots and brackets are left out."""

    #: Characters that may be typed or pasted; what is stored is shorter.
    LONGEST = 40

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The model's length is that of the bare number. As the box's limit, a browser would cut
        # a pasted "+33 1 42 27 81 86" to another number, without a word.
        super().__init__(*args, **kwargs | {"max_length": self.LONGEST})

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """No ``maxlength``: what is too long must be refused, not cut."""
        return {
            name: value
            for name, value in super().widget_attrs(widget).items()
            if name != "maxlength"
        }

    def to_python(self, value: Any) -> str:
        """Return the number without its decoration; raises ValidationError for ``(0)``."""
        text = super().to_python(value)
        if "(0)" in text:
            raise ValidationError(
                "holds (0), which is dialled only within the country; leave it out, "
                "such as +442079460123",
                code="trunk_prefix",
            )
        return text.translate(str.maketrans("", "", " -.()/\u00a0"))
