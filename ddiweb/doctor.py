"""What is wrong on this machine and how to mend it: a finding a part, none needs another."""

from collections.abc import Callable, Iterable, Iterator

from ddiweb import doctor_machine as machine
from ddiweb import doctor_node as node
from ddiweb import doctor_sandbox
from ddiweb.doctor_findings import Bad, Finding

CHECKS: tuple[Callable[[], str], ...] = (
    *(machine.python, machine.packages, machine.secrets, machine.disk, machine.clock),
    *(machine.database, machine.migrations, machine.broker),
    *(node.node, node.worker, node.watch, node.realtime, node.asterisk, node.records),
    *(node.certificate, node.agent, node.tools, machine.namespaces),
)


def examine(checks: Iterable[Callable[[], str]] = CHECKS) -> Iterator[Finding]:
    """Run each check; a check that breaks is a finding too."""
    for check in checks:
        part = check.__name__
        try:
            yield Finding(part, "ok", check())
        except Bad as bad:
            yield Finding(part, bad.grade, bad.says, doctor_sandbox.remedy(part) or bad.remedy)
        except Exception as error:
            yield Finding(part, "fail", f"{type(error).__name__}: {error}", "mend what comes first")
