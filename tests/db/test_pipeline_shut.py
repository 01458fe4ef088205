"""Whatever stands in a deployment's way, what was revoked is cut off all the same."""

import pytest

from ddiweb.deploy import pipeline, services
from ddiweb.deploy.errors import DeployError, Failed, Refused, Retryable
from ddiweb.deploy.models import Deployment
from ddiweb.deploy.states import State
from firewall import snapshot
from firewall.ruleset.types import MAX_NETWORKS
from firewall.target import FirewallTarget
from peers.models import TrunkNetwork
from peers.services import compromised, peer_created
from tests import factories
from tests.fakes import MemoryTarget

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def outcome(*targets: MemoryTarget, **options: bool) -> Deployment:
    row = services.request_deployment(factories.node(**options), "compromised", urgent=True)
    pipeline.run(row.pk, targets)
    row.refresh_from_db()
    return row


@pytest.mark.parametrize(
    ("verb", "error", "state"),
    [
        ("render", Refused("step.targets: are too many"), State.REFUSED),
        ("read", Retryable("the realtime database is away"), State.PENDING),
        ("apply", Retryable("Asterisk does not answer"), State.PENDING),
        ("apply", Failed("rows differ"), State.ROLLED_BACK),
        ("verify", ZeroDivisionError(), State.ROLLED_BACK),
    ],
)
def test_a_fault_of_one_target_does_not_keep_the_next_from_shutting_out(
    verb: str, error: Exception, state: State
) -> None:
    rows, rules = MemoryTarget("rows"), MemoryTarget("rules")
    factories.peer(factories.node())
    rows.world = {"old": "old"}
    rows.fail[verb] = [error]
    assert (outcome(rows, rules).state, rules.calls[-1]) == (state, "shut")


def test_shutting_out_comes_after_the_way_back() -> None:
    rows, rules = MemoryTarget("rows", {"old": "old"}), MemoryTarget("rules", {"old": "old"})
    rules.fail["apply"] = [Failed("rules differ")]
    outcome(rows, rules)
    assert rules.calls[-2:] == ["restore", "shut"]


def test_a_shutting_out_that_fails_is_said_beside_the_reason() -> None:
    target = MemoryTarget("rules")
    target.fail = {"render": [Refused("a bad row")], "shut": [Retryable("agent is away")] * 2}
    error = outcome(target).error
    assert error == "a bad row; rules: revoked tokens are not shut out: agent is away"


def test_a_dry_run_shuts_nobody_out() -> None:
    target = MemoryTarget("rules", fail={"render": [Refused("a bad row")]})
    outcome(target, dry_run=True)
    assert "shut" not in target.calls


class Recorder:
    """The agent's channel, as far as shutting out needs it."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], int]] = []

    def revoke(self, marks: list[int], fence: int) -> None:
        self.asked.append((list(marks), fence))


def test_the_firewall_shuts_out_though_its_own_rules_can_not_be_rendered() -> None:
    node = factories.node()
    thief = factories.peer(node)
    old = peer_created(thief)
    off = factories.peer(node, enabled=False)
    switched_off = peer_created(off)
    trunk = factories.trunk(node)
    TrunkNetwork.objects.bulk_create(
        TrunkNetwork(trunk=trunk, cidr=f"10.0.{i // 250}.{i % 250}/32")
        for i in range(MAX_NETWORKS + 1)
    )
    compromised([thief])
    node.refresh_from_db()
    with pytest.raises(DeployError):
        snapshot.take(node)
    channel = Recorder()
    FirewallTarget(channel).shut(node, 7)  # type: ignore[arg-type]
    ((marks, fence),) = channel.asked
    assert (sorted(marks), fence) == ([old.mark, switched_off.mark], 7)


def test_an_urgent_deployment_whose_rules_are_refused_shuts_out_by_what_is_in_force() -> None:
    rows, rules = MemoryTarget("rows", {"old": "old"}), MemoryTarget("rules")
    rules.fail["render"] = [Refused("vendors: has 1202 entries")]
    assert outcome(rows, rules).state == State.REFUSED
    assert "shut" in rules.calls
