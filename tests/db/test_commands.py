"""manage.py doctor, plan, deploy, status: what they say, and the exit status scripts rely on."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from ddiweb import doctor, doctor_machine, doctor_node
from ddiweb.deploy import pipeline, registry
from ddiweb.deploy.errors import Refused, Retryable
from ddiweb.deploy.models import Deployment, Node
from ddiweb.doctor_findings import Bad
from tests import factories
from tests.fakes import MemoryTarget

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node(slug=settings.NODE)


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> MemoryTarget:
    made = MemoryTarget()
    monkeypatch.setattr(registry, "targets", lambda: [made])
    return made


def run(*arguments: str, **options: Any) -> tuple[int, str]:
    """Run a command; its exit status and what it printed."""
    out = io.StringIO()
    try:
        call_command(*arguments, stdout=out, no_color=True, **options)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_plan_of_a_node_with_changes_ends_with_2(node: Node, target: MemoryTarget) -> None:
    factories.peer(node, name="Ada mobile")
    status, said = run("plan")
    assert (status, "+ Ada mobile" in said) == (2, True)


def test_plan_of_a_node_without_changes_ends_with_0(node: Node, target: MemoryTarget) -> None:
    assert run("plan") == (0, "memory: nothing to do\n")


def test_plan_changes_nothing(node: Node, target: MemoryTarget) -> None:
    factories.peer(node)
    run("plan")
    assert target.world == {}


def test_plan_of_another_machines_node_is_refused(target: MemoryTarget) -> None:
    factories.node(slug="elsewhere")
    with pytest.raises(CommandError, match="another machine"):
        run("plan", "elsewhere")


def test_a_node_that_is_not_there_is_named_with_those_that_are(node: Node) -> None:
    with pytest.raises(CommandError, match=f"no node 'nowhere'.*{node.slug}"):
        run("plan", "nowhere")


def test_plan_says_why_it_can_not_tell(node: Node, target: MemoryTarget) -> None:
    target.fail["read"] = [Retryable("the agent can't be reached")]
    with pytest.raises(CommandError, match="the agent can't be reached"):
        run("plan")


@pytest.fixture
def worker(target: MemoryTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs what is requested, as a worker would, while the command waits."""
    from ddiweb.deploy.management.commands import deploy

    def work(_seconds: float) -> None:
        for row in Deployment.objects.filter(state="pending"):
            pipeline.run(row.pk, registry.targets(), sleep=lambda _: None)

    monkeypatch.setattr(deploy.time, "sleep", work)


@pytest.mark.usefixtures("worker")
def test_deploy_ends_with_0_when_it_is_done(node: Node, target: MemoryTarget) -> None:
    factories.peer(node, name="Ada mobile")
    status, said = run("deploy")
    assert (status, " done " in said, list(target.world)) == (0, True, ["Ada mobile"])


@pytest.mark.usefixtures("worker")
def test_deploy_fails_when_nothing_was_changed(node: Node, target: MemoryTarget) -> None:
    target.fail["render"] = [Refused("a bad value")]
    with pytest.raises(CommandError, match=r"refused: nothing was changed\. a bad value"):
        run("deploy")


@pytest.mark.usefixtures("worker")
def test_deploy_fails_when_the_old_state_was_put_back(node: Node, target: MemoryTarget) -> None:
    factories.peer(node)
    target.lie = True
    with pytest.raises(CommandError, match="rolled_back"):
        run("deploy")


def test_deploy_without_a_worker_says_where_to_look(node: Node, target: MemoryTarget) -> None:
    with pytest.raises(CommandError, match=r"still pending.*doctor"):
        run("deploy", timeout=0.2)


def test_deploy_without_waiting_leaves_a_request(node: Node) -> None:
    status, _ = run("deploy", "--no-wait")
    assert (status, Deployment.objects.get().state) == (0, "pending")


def test_status_as_json_is_one_object_a_node(node: Node) -> None:
    factories.node()
    assert len(json.loads(run("status", "--json")[1])) == 2


def test_status_of_a_node_that_waits_for_an_apply_is_not_in_force(node: Node) -> None:
    Node.objects.update(generation=3, applied_generation=2)
    assert "not in force" in run("status")[1]


def test_status_of_a_dry_node_never_says_in_force(node: Node) -> None:
    Node.objects.update(dry_run=True)
    assert json.loads(run("status", "--json")[1])[0]["in_force"] is False


def good() -> str:
    return "fine"


def bad() -> str:
    raise Bad("it is broken", "mend it")


def warned() -> str:
    raise Bad("it is odd", "look at it", "warn")


def broken() -> str:
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(("check", "status"), [(good, 0), (warned, 0), (bad, 1), (broken, 1)])
def test_doctor_ends_with_1_only_if_a_part_fails(
    check: Any, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = list(doctor.examine([check]))
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert run("doctor")[0] == status


def test_doctor_prints_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = list(doctor.examine([bad]))
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert "→ mend it" in run("doctor")[1]


def test_doctor_as_json_names_part_grade_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = list(doctor.examine([warned]))
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert json.loads(run("doctor", "--json")[1]) == [
        {"part": "warned", "grade": "warn", "says": "it is odd", "remedy": "look at it"}
    ]


def test_doctor_names_redis_when_it_is_away() -> None:
    finding = next(iter(doctor.examine([doctor_machine.broker])))
    assert (finding.grade, "DDIWEB_REDIS_URL" in finding.remedy) == ("fail", True)


def test_doctor_asks_a_dry_node_for_no_asterisk(node: Node) -> None:
    Node.objects.update(dry_run=True)
    parts = doctor.examine(
        [doctor_node.watch, doctor_node.realtime, doctor_node.asterisk, doctor_node.agent]
    )
    assert {finding.grade for finding in parts} == {"ok"}


def test_doctor_finds_the_agent_away(node: Node) -> None:
    finding = next(iter(doctor.examine([doctor_node.agent])))
    assert (finding.grade, "can't be reached" in finding.says) == ("fail", True)


def test_doctor_never_prints_the_databases_url(node: Node, settings: Any) -> None:
    settings.REALTIME_URL = "postgresql://u:s3cret@/nowhere?host=/nowhere"
    said = str(list(doctor.examine([doctor_node.realtime])))
    assert "s3cret" not in said


def test_every_check_of_the_doctor_has_a_short_name() -> None:
    assert all(len(check.__name__) <= 12 for check in doctor.CHECKS)


@pytest.fixture
def ami_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDIWEB_AMI_SECRET", "s" * 32)


def asterisk_config(tmp_path: Path) -> tuple[int, str]:
    names = ("etc", "modules", "data", "state", "spool", "run", "log")
    return run("asterisk_config", **{name: tmp_path / name for name in names})


@pytest.mark.usefixtures("ami_secret")
def test_asterisks_files_are_readable_by_their_owner_alone(node: Node, tmp_path: Path) -> None:
    asterisk_config(tmp_path)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "etc").iterdir()}
    assert modes == {0o600}


@pytest.mark.usefixtures("ami_secret")
def test_no_placeholder_is_left_in_asterisks_files(node: Node, tmp_path: Path) -> None:
    asterisk_config(tmp_path)
    text = "".join(path.read_text() for path in (tmp_path / "etc").iterdir())
    assert not re.search(r"@[A-Z_]+@", text)


def test_asterisks_configuration_needs_a_node(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="add it there first"):
        asterisk_config(tmp_path)


@pytest.fixture
def sandbox_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)
    (tmp_path / "sandbox.env").touch(mode=0o600)
    return tmp_path


@pytest.mark.usefixtures("sandbox_tree")
def test_in_a_sandbox_tree_doctor_names_make_run_not_a_servers_unit(node: Node) -> None:
    (found,) = doctor.examine([doctor_node.worker])
    assert (found.grade, found.remedy) == ("fail", "`make run` does not run: start it")


def test_on_a_server_doctor_names_the_unit(
    node: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)
    (found,) = doctor.examine([doctor_node.worker])
    assert "start ddiweb-worker" in found.remedy


def test_in_dry_run_doctor_asks_for_no_programs_and_no_certificate(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    Node.objects.filter(pk=node.pk).update(dry_run=True)
    monkeypatch.setattr("lab.tools.system_program", lambda _name: None)
    said = [found.says for found in doctor.examine([doctor_node.certificate, doctor_node.tools])]
    assert said == ["not needed: dry run"] * 2
