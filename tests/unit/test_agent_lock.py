"""iptables' own lock, which the agent takes for both legacy families; no kernel."""

from pathlib import Path

import pytest

from ddiweb.deploy.errors import Retryable
from firewall.agent.config import Config
from firewall.agent.netfilter import Netfilter
from firewall.ruleset.types import Management

pytestmark = pytest.mark.unit


def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "missing" / "xtables.lock"
    lock_env = {"XTABLES_LOCKFILE": str(lock)}
    management = Management(("198.51.100.0/24",), (22,))
    config = Config(tmp_path / "s", frozenset(), tmp_path, "legacy", {}, lock_env, management)
    with pytest.raises(Retryable, match=str(lock)):
        Netfilter(config).restore_both({4: "*filter\nCOMMIT\n"})
