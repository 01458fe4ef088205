"""The realtime target: rows in one transaction, then the AMI actions that this difference needs.

Rows are in force at the next request. What Asterisk has to be *told* (a reload, a contact to
forget) is owed: it is written with the rows, in the same transaction, and crossed out when done,
so that a worker that dies in between leaves a debt and not a ghost.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.conf import settings

from ddiweb.deploy.errors import Failed, Refused, Retryable
from ddiweb.deploy.models import Node
from ddiweb.deploy.target import Plan
from ddiweb.redact import redacted
from peers.realtime import iax, listening, quick, readback, schema, snapshot
from peers.realtime.actions import Action, list_contacts, parse_action, remove_contacts
from peers.realtime.ami import AmiClient
from peers.realtime.ami_settings import ami_client, restart_client
from peers.realtime.diff import Change, diff
from peers.realtime.render import render
from peers.realtime.rows import Rows
from peers.realtime.snapshot import ContactCut
from peers.realtime.store import Store, open_store

#: Seconds within which Asterisk's registrar ends a contact that was told to go (it looks each 1 s).
GONE_WITHIN = 5.0


@dataclass(frozen=True)
class Desired:
    """What should be: rows, and contacts that must not be."""

    rows: Rows
    cuts: tuple[ContactCut, ...]


@dataclass(frozen=True)
class Actual:
    """What is there: rows, and what Asterisk was not told yet."""

    rows: Rows
    owed: tuple[Action, ...] = ()


class RealtimeTarget:
    """Trunks, peers and routes of one node."""

    name = "realtime"

    def __init__(
        self,
        store: Store | None = None,
        ami: Callable[[], AmiClient] = ami_client,
        asking: Callable[[], AmiClient] = restart_client,
    ) -> None:
        self._store = store
        self._ami = ami
        self._asking = asking
        self._touched: tuple[str, ...] = ()

    @property
    def store(self) -> Store:
        """The realtime database of this node, opened at first use."""
        if self._store is None:
            self._store = open_store(settings.REALTIME_URL)
            self._store.create_schema()
        return self._store

    def hurries(self, node: Node) -> bool:
        """Whether phones were edited whose rows need not wait for all others."""
        return bool(quick.changed(node))

    def hurry(self, node: Node, fence: int) -> None:
        """Write the rows of those phones."""
        self._touched = readback.touched(quick.bring(node, self.store, fence))

    def render(self, node: Node) -> Desired:
        """Return the rows of the newest generation."""
        if not node.dry_run:
            # Rules are rendered after rows: they open the ports where Asterisk listens.
            listening.look(node, self._ami, self._asking)
        facts, cuts = snapshot.take(node)
        return Desired(render(facts), cuts)

    def read(self, node: Node) -> Actual:
        """Return all rows, and what is owed to Asterisk."""
        if node.dry_run:
            return Actual(Rows())
        owed = tuple(parse_action(text) for text in self.store.owed())
        rows = self.store.read()
        return Actual(rows, (*owed, *self._missing(rows)))

    def _missing(self, rows: Rows) -> tuple[Action, ...]:
        """What an Asterisk that was started anew lacks; nothing if it can't be asked."""
        if not rows.table(schema.IAX.name):
            return ()
        try:
            with self._ami() as client:
                return () if iax.is_loaded(client) else (iax.Iax(True),)
        except Retryable:
            return ()

    def as_applied(self, node: Node, actual: Actual) -> bool:
        """Only a comparison of the rows can tell."""
        return False

    def diff(self, node: Node, desired: Desired, actual: Actual) -> Plan:
        """Compare rows; debts and contacts to cut count as differences too."""
        listens = () if node.dry_run else listening.news(node)
        change = diff(desired.rows, actual.rows)
        todo = [*actual.owed, *change.actions]
        told = tuple(redacted(f"! {action}") for action in dict.fromkeys(todo))
        cuts = tuple(f"! forget the contact of {name}" for name in _names(desired.cuts))
        return Plan((*change.lines(), *told, *cuts, *listens), change)

    def apply(self, node: Node, desired: Desired, plan: Plan, fence: int) -> None:
        """Write the rows, then tell Asterisk what it is owed."""
        listening.keep(node)
        change: Change = plan.payload
        self._touched = (*self._touched, *readback.touched(change))
        if not change.empty:
            self.store.write(change, fence, owed=[str(action) for action in change.actions])
        try:
            self._tell(desired.cuts)
            if missing := self._missing(desired.rows):
                with self._ami() as client:
                    for action in missing:
                        action.perform(client)
        except Refused as error:
            if change.empty:
                raise
            raise Failed(f"the rows are written, and Asterisk was not told: {error}") from error

    def verify(self, node: Node, desired: Desired) -> list[str]:
        """Read rows and debts back, and ask Asterisk what it holds of what was written.

        Contacts that must be gone have to be gone from it.
        """
        actual = self.read(node)
        differences = list(self.diff(node, Desired(desired.rows, ()), actual).lines)
        known = {row.id for row in desired.rows.table("ps_aors")}
        deadline = time.monotonic() + GONE_WITHIN
        with self._ami() as client:
            while ghosts := _ghosts(client, known, desired.cuts):
                if time.monotonic() > deadline:
                    # It registered anew before the firewall cut it: once more, never back.
                    raise Retryable(f"contact of {', '.join(ghosts)} is still there")
                time.sleep(0.1)
            differences += readback.differences(client, desired.rows, self._touched)
        return differences

    def restore(self, node: Node, before: Actual, fence: int) -> None:
        """Write back the rows that were there before."""
        change = diff(before.rows, self.store.read())
        if not change.empty:
            self.store.write(change, fence, owed=[str(action) for action in change.actions])
        self._tell(())

    def shut(self, node: Node, fence: int) -> None:
        """Nothing: a packet that the firewall drops finds no account either."""

    def settle(self, node: Node, desired: Desired) -> None:
        """Nothing: the firewall, applied after the rows, is what proves a token cut."""

    def _tell(self, cuts: Iterable[ContactCut]) -> None:
        owed = self.store.owed()
        cuts = tuple(cuts)
        if not owed and not cuts:
            return
        with self._ami() as client:
            for text in owed:
                parse_action(text).perform(client)
                self.store.paid(text)
            for cut in cuts:
                part = None if cut.whole else cut.token
                remove_contacts(client, cut.username, part, wait=False)


def _names(cuts: Iterable[ContactCut]) -> list[str]:
    """The names of contacts to cut, once each, fit for the screen."""
    return list(dict.fromkeys(redacted(cut.username) for cut in cuts))


def _ghosts(client: AmiClient, known: set[str], cuts: Iterable[ContactCut]) -> list[str]:
    """Names of contacts that Asterisk holds though their account or their token is gone."""
    dead = tuple(cuts)
    return sorted(
        redacted(contact.aor)
        for contact in list_contacts(client)
        if contact.aor not in known
        or any(cut.ends(contact.aor, f"{contact.user_agent} {contact.uri}") for cut in dead)
    )
