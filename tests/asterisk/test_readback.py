"""Asterisk is asked what it holds; what it holds otherwise than the rows is named."""

import dataclasses

import pytest

from lab.process import wait_until
from lab.vendor import FIRST, SECOND
from peers.realtime import dialplan, readback
from peers.realtime.actions import Reload
from peers.realtime.diff import Change, Update, diff
from peers.realtime.facts import TrunkFacts
from peers.realtime.render import render
from peers.realtime.rows import Row, Rows
from tests.asterisk.conftest import Bench, snapshot

pytestmark = pytest.mark.asterisk


def _said(bench: Bench, rows: Rows, *names: str) -> list[str]:
    with bench.pbx.client() as client:
        return readback.differences(client, rows, names)


def test_what_was_applied_is_what_asterisk_holds(bench: Bench) -> None:
    rows = render(snapshot())
    names = readback.touched(diff(rows, Rows()))
    assert set(names) == {"trunk_1", "trunk_2", "alice"}
    assert _said(bench, rows, *names) == []


def test_a_row_that_asterisk_was_not_told_of_is_named(bench: Bench) -> None:
    trunks = ("trunk_1", FIRST), ("trunk_2", SECOND), ("trunk_3", "203.0.113.77")
    rows = render(snapshot(trunks=tuple(TrunkFacts(key, (f"{at}/32",)) for key, at in trunks)))
    change = diff(rows, bench.store.read())
    bench.store.write(dataclasses.replace(change, deletes=(), updates=()), next(bench.fences))
    assert _said(bench, rows, "trunk_3") == ["Asterisk does not know trunk_3"]


def test_an_endpoint_that_should_be_gone_is_named(bench: Bench) -> None:
    assert _said(bench, Rows(), "alice") == ["Asterisk still knows alice"]


def test_another_context_is_named(bench: Bench) -> None:
    (row,) = [row for row in render(snapshot()).table("ps_endpoints") if row.id == "alice"]
    columns = [name for name in row.as_dict() if name != "id"]
    values = list(row.values)
    values[columns.index("context")] = "from-trunk"
    other = Row(row.table, row.id, tuple(values))
    assert _said(bench, Rows((other,)), "alice") == ["Asterisk has another context of alice"]
    assert readback.touched(Change(updates=(Update(row, other),))) == ("alice",)


def _dialplan(bench: Bench) -> tuple[str, ...]:
    with bench.pbx.client() as client:
        return dialplan.differences(client, str(bench.pbx.plan.sounds), 5050)


def test_the_dialplan_in_force_is_the_reviewed_one_to_the_last_line(bench: Bench) -> None:
    assert _dialplan(bench) == ()


@pytest.mark.parametrize(
    "command",
    [
        "dialplan add extension 666,1,Dial,PJSIP/alice into from-peer",
        "dialplan remove extension s@toll-check",
    ],
)
def test_a_line_that_somebody_added_or_removed_is_named_and_mended(
    bench: Bench, command: str
) -> None:
    bench.pbx.command(command)
    context = command.rpartition(" ")[2].rpartition("@")[2]
    (said,) = _dialplan(bench)
    assert said.startswith(f"~ dialplan [{context}]: ")
    with bench.pbx.client() as client:
        Reload("pbx_config.so").perform(client)
    wait_until(lambda: not _dialplan(bench), 3, "the dialplan is as it was")
