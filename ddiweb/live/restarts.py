"""Restarts of Asterisk by a person's word: asked for here, carried out by the node's watch.

The rows are the truth. Asterisk itself waits for the moment without a call, so nobody is cut off
by a call that begins between our look and our order; a watch that dies or an Asterisk that falls
over meanwhile changes nothing: the next watch asks again, or finds it done.
"""

import logging
from collections.abc import Callable

from django.contrib.auth.models import User as Person
from django.db import IntegrityError, transaction
from django.utils import timezone

from ddiweb.deploy.errors import DeployError, Refused, Retryable
from ddiweb.deploy.models import Node
from ddiweb.deploy.services import User, request_deployment
from ddiweb.live.restart_models import Restart
from peers.realtime.ami import ActionRefused, AmiClient
from peers.realtime.ami_settings import restart_client
from peers.realtime.restarting import Order, order, started_at

log = logging.getLogger(__name__)
How, State = Restart.How, Restart.State


def opened(node: Node) -> Restart | None:
    """The restart that is still to come, if one is."""
    return Restart.objects.filter(node=node, state__in=Restart.OPEN).first()


def wish(node: Node, how: str, user: User = None) -> Restart:
    """Ask for a restart; one that waits for calls becomes one that does not, never the reverse.

    Raises Refused for a node in dry run, whose Asterisk is not touched.
    """
    if node.dry_run:
        raise Refused(f"{node} is in dry run: its Asterisk is not touched")
    person = user if isinstance(user, Person) else None
    if how == How.NOW:
        # Back to the watch, which tells Asterisk anew.
        Restart.objects.filter(node=node, state__in=Restart.OPEN, how=How.QUIET).update(
            how=How.NOW, state=State.WAITING, requested_by=person
        )
    try:
        with transaction.atomic():
            return opened(node) or Restart.objects.create(
                node=node, how=how, why=node.owed_to_restart, requested_by=person
            )
    except IntegrityError:
        # Somebody else asked at the same moment: theirs is as good.
        return wish(node, how, user)


def take_back(row: Restart) -> bool:
    """Take a wish back; False if it is over already. Asterisk may still be quicker."""
    mine = Restart.objects.filter(pk=row.pk)
    waits = mine.filter(state=State.WAITING, started_before__isnull=True)
    if waits.update(state=State.CANCELLED, ended_at=timezone.now()):
        return True
    told = mine.filter(state__in=[State.WAITING, State.ASKED])
    return bool(told.update(state=State.CANCELLING))


class Restarter:
    """The watch's part, for one node; used by one thread."""

    def __init__(self, asking: Callable[[], AmiClient] = restart_client) -> None:
        self._asking = asking
        self._given: tuple[int, str, str, int] | None = None

    def step(self, node: Node, client: AmiClient) -> None:
        """Bring the open wish a step further; ``client`` is the connection that listens.

        Raises as ``client``.
        """
        row = opened(node)
        if row is not None and Node.objects.filter(pk=node.pk, dry_run=True).exists():
            # Since the wish: what Asterisk was told already is taken back.
            take_back(row)
            row = opened(node)
        if row is None:
            return
        try:
            started = started_at(client)
        except ActionRefused as error:
            # An account of an earlier version; nothing else of the watch depends on this.
            self._fault(row, error)
            return
        if not started:
            # Nor while it boots; taken for a start, it would seem to have ended a second later.
            self._fault(row, Retryable("Asterisk does not tell when it was started, or not yet"))
            return
        # Not later: the wall clock may have been set meanwhile.
        if row.started_before not in (None, started):
            self._over(node, row)
            return
        if row.state == State.WAITING:
            mine = Restart.objects.filter(pk=row.pk, state=State.WAITING, how=row.how)
            if not mine.update(
                state=State.ASKED, asked_at=timezone.now(), started_before=started, error=""
            ):
                return
            row.state = State.ASKED
        self._tell(row, started)

    def _tell(self, row: Restart, started: int) -> None:
        """Give the order once in the life of this watch and of that Asterisk."""
        given = row.pk, row.state, row.how, started
        if self._given == given:
            return
        what = Order.NOW if row.how == How.NOW else Order.QUIET
        try:
            with self._asking() as client:
                order(client, Order.ABORT if row.state == State.CANCELLING else what)
        except DeployError as error:
            self._fault(row, error)
            return
        self._given = given
        log.info("restart %s: Asterisk was told", row.pk)
        if row.state == State.CANCELLING:
            mine = Restart.objects.filter(pk=row.pk, state=State.CANCELLING)
            mine.update(state=State.CANCELLED, ended_at=timezone.now(), error="")

    def _fault(self, row: Restart, error: DeployError) -> None:
        log.warning("restart %s: %s", row.pk, error)
        Restart.objects.filter(pk=row.pk).update(error=str(error)[:300])

    def _over(self, node: Node, row: Restart) -> None:
        """Another Asterisk answers: rules may follow to where it listens.

        As an edit by whoever asked: what moves a port is tried only by a person's wish.
        """
        mine = Restart.objects.filter(pk=row.pk, state__in=Restart.OPEN)
        with transaction.atomic():
            if mine.update(state=State.DONE, ended_at=timezone.now(), error=""):
                request_deployment(node, "Asterisk was restarted", row.requested_by)
                log.info("restart %s: done", row.pk)
