"""A mailbox as a form: greeting and phones of its own node."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from ddiweb.form_fields import BoxList, limit
from peers import rules
from peers.models import Mailbox, Peer, Sound


class MailboxForm(forms.ModelForm):
    """A mailbox with the phones that it serves."""

    peers = forms.ModelMultipleChoiceField(
        queryset=Peer.objects.select_related("node"),
        widget=BoxList,
        required=False,
        label="Phones",
        help_text=Mailbox._meta.get_field("peers").help_text,
    )

    class Meta:
        model = Mailbox
        fields = ("node", "name", "greeting", "email", "attach", "longest", "keep_days", "peers")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            node = self.instance.node_id
            limit(self.fields.get("greeting"), Sound.objects.filter(node_id=node))
            limit(self.fields.get("peers"), Peer.objects.filter(node_id=node))

    def clean(self) -> dict[str, Any]:
        """What it plays and whom it serves are of its node."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        node = data.get("node") or (self.instance.node if self.instance.node_id else None)
        if node is not None:
            try:
                rules.mailbox_is_of_its_node(node.pk, data.get("greeting"), data.get("peers") or ())
            except ValidationError as error:
                self.add_error(None, error)
        return data
