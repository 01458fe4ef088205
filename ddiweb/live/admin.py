"""Contacts, calls and security events: shown, never edited."""

import re
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ddiweb.admin_base import ReadOnlyAdmin
from ddiweb.deploy.templatetags.panel import ago, clock, moment, pill, plus
from ddiweb.live.models import Call, Channel, Contact, SecurityEvent, TrunkState
from ddiweb.live.names import label_column
from ddiweb.live.standing import trunk_pill
from firewall.ban_admin import ban_link


class SeenAdmin(ReadOnlyAdmin):
    """Rows that the watch wrote, all of their fields as text."""

    list_select_related = ("node",)

    #: The column that holds Asterisk's name of a phone or trunk, if there is one.
    key_column = ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows with people's names for phones and trunks."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.annotate(label=label_column(self.key_column)) if self.key_column else rows

    def get_readonly_fields(self, request: Any, obj: Any = None) -> Any:
        """Every field."""
        return [field.name for field in self.opts.fields if field.name != "id"]


@admin.register(Contact)
class ContactAdmin(SeenAdmin):
    """Where phones and vendors are reached now."""

    key_column = "endpoint"
    list_display = (
        *("who", "address", "transport", "standing", "round_trip"),
        *("token", "user_agent", "last", "node"),
    )
    list_filter = ("status", "node")
    search_fields = ("endpoint", "address", "user_agent")

    @admin.display(description="phone or trunk", ordering="endpoint")
    def who(self, contact: Contact) -> str:
        """The peer's or trunk's own name."""
        return str(getattr(contact, "label", contact.endpoint))

    @admin.display(description="state", ordering="status")
    def standing(self, contact: Contact) -> str:
        """What Asterisk says of it."""
        return pill(
            "bad" if "un" in contact.status.lower() else "good", contact.status or "registered"
        )

    @admin.display(description="round trip", ordering="round_trip_us")
    def round_trip(self, contact: Contact) -> str:
        """Milliseconds there and back."""
        micro = contact.round_trip_us
        return "" if micro is None else f"{micro / 1000:.0f} ms"

    @admin.display(description="seen", ordering="seen_at")
    def last(self, contact: Contact) -> str:
        """How long ago."""
        return ago(contact.seen_at)


_GROUPED = re.compile(r"\A\s*\+[0-9][0-9 ().-]*\Z")


def digits(term: str) -> str:
    """A number in E.164, in any grouping, as Asterisk keeps it; another term as it is."""
    return "".join(filter(str.isdigit, term)) if _GROUPED.fullmatch(term) else term


class CalledAdmin(SeenAdmin):
    """Rows with the number that was called: Asterisk keeps digits, people write E.164."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find a number with its plus too, in any grouping."""
        return super().get_search_results(request, queryset, digits(search_term))

    def get_readonly_fields(self, request: Any, obj: Any = None) -> Any:
        """The number as in the list."""
        fields = super().get_readonly_fields(request, obj)
        return ["called" if name == "number" else name for name in fields]

    def get_fields(self, request: Any, obj: Any = None) -> Any:
        """What is shown, in the order of the columns."""
        return self.get_readonly_fields(request, obj)

    @admin.display(description="number", ordering="number")
    def called(self, row: Call | Channel) -> str:
        """In E.164."""
        return plus(row.number)


@admin.register(Call)
class CallAdmin(CalledAdmin):
    """The call log."""

    key_column = "peer"
    list_display = ("started", "caller", "called", "phone", "result", "length", "node")
    list_filter = ("disposition", "node", "started_at")
    search_fields = ("caller", "number", "peer", "trunk", "unique_id")
    date_hierarchy = "started_at"

    @admin.display(description="started (UTC)", ordering="started_at")
    def started(self, call: Call) -> str:
        """Day and time."""
        return moment(call.started_at)

    @admin.display(description="phone", ordering="peer")
    def phone(self, call: Call) -> str:
        """The peer's own name."""
        return str(getattr(call, "label", call.peer))

    @admin.display(description="result", ordering="disposition")
    def result(self, call: Call) -> str:
        """Whether somebody answered."""
        answered = call.disposition.upper() == "ANSWERED"
        return pill("good" if answered else "warn", call.disposition.lower() or "unknown")

    @admin.display(description="talked", ordering="billed_seconds")
    def length(self, call: Call) -> str:
        """Minutes and seconds after the answer."""
        return clock(call.billed_seconds)


@admin.register(Channel)
class ChannelAdmin(CalledAdmin):
    """Calls that are up now, a line a leg."""

    key_column = "endpoint"
    list_display = ("who", "caller", "called", "standing", "since", "node")
    list_filter = ("node", "talking")
    search_fields = ("caller", "number", "endpoint")

    @admin.display(description="phone or trunk", ordering="endpoint")
    def who(self, channel: Channel) -> str:
        """The peer's or trunk's own name."""
        return str(getattr(channel, "label", channel.endpoint))

    @admin.display(description="state", ordering="state")
    def standing(self, channel: Channel) -> str:
        """Whether the two talk."""
        word = "talking" if channel.talking else channel.state.lower() or "unknown"
        return pill("good" if channel.talking else "quiet", word)

    @admin.display(description="since", ordering="started_at")
    def since(self, channel: Channel) -> str:
        """How long ago it began."""
        return ago(channel.started_at)


@admin.register(TrunkState)
class TrunkStateAdmin(SeenAdmin):
    """How vendors' trunks stand now."""

    key_column = "endpoint"
    list_display = ("who", "standing", "registration", "round_trip", "since", "node")
    list_filter = ("node", "registration", "answers")

    @admin.display(description="trunk", ordering="endpoint")
    def who(self, state: TrunkState) -> str:
        """The trunk's own name."""
        return str(getattr(state, "label", state.endpoint))

    @admin.display(description="state")
    def standing(self, state: TrunkState) -> str:
        """Up, up with dead hosts, or down and why."""
        return trunk_pill(state)

    @admin.display(description="round trip", ordering="round_trip_us")
    def round_trip(self, state: TrunkState) -> str:
        """Milliseconds there and back."""
        micro = state.round_trip_us
        return "" if micro is None else f"{micro / 1000:.0f} ms"

    @admin.display(description="since", ordering="changed_at")
    def since(self, state: TrunkState) -> str:
        """Since when it stands so."""
        return ago(state.changed_at)


@admin.register(SecurityEvent)
class SecurityEventAdmin(SeenAdmin):
    """Who got through the firewall and failed."""

    list_display = ("when", "what", "account", "address", "ban", "node")
    list_filter = ("kind", "node", "at")
    search_fields = ("account", "address", "kind")
    date_hierarchy = "at"

    @admin.display(description="")
    def ban(self, event: SecurityEvent) -> str:
        """A way to the filled form of a ban."""
        return ban_link(event.node_id, event.address, event.kind)

    @admin.display(description="when (UTC)", ordering="at")
    def when(self, event: SecurityEvent) -> str:
        """Day and time."""
        return moment(event.at)
