"""A refusal that comes after the rows were written is no refusal: something was changed."""

from pathlib import Path

import pytest

from ddiweb.deploy.errors import Failed, Refused
from peers.realtime.ami import ActionRefused, AmiClient
from peers.realtime.store import open_store
from peers.realtime.target import Desired, RealtimeTarget
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def locked_out() -> AmiClient:
    """Asterisk that takes no login of ours."""
    raise ActionRefused("AMI Login: Authentication failed")


@pytest.fixture
def target(tmp_path: Path) -> RealtimeTarget:
    store = open_store(f"sqlite:///{tmp_path}/realtime.sqlite3")
    store.create_schema()
    return RealtimeTarget(store, locked_out)


def apply(target: RealtimeTarget) -> Desired:
    node = factories.node()
    factories.trunk(
        node, "203.0.113.20/32", host="sip.example.net", username="u", password="abcdefgh",
        register=True,
    )  # fmt: skip
    desired = target.render(node)
    target.apply(node, desired, target.diff(node, desired, target.read(node)), 1)
    return desired


def test_rows_that_asterisk_was_not_told_of_are_to_be_put_back(target: RealtimeTarget) -> None:
    with pytest.raises(Failed, match="rows are written"):
        apply(target)


def test_an_overtaken_fence_is_still_a_refusal(target: RealtimeTarget) -> None:
    with pytest.raises(Failed):
        apply(target)
    node = factories.node()
    plan = target.diff(node, target.render(node), target.read(node))
    with pytest.raises(Refused):
        target.apply(node, target.render(node), plan, 0)
