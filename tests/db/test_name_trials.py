"""“Try it” of a look-up: asked in the panel or by the API, answered by the node's watch."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from ddiweb.deploy.models import Node
from ddiweb.live.names_desk import NamesDesk
from ddiweb.live.purge import purge
from peers import name_trials
from peers.callernames.fetch import FetchError, Lookup
from peers.models import NameLookup, NameTrial
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, operator, user

pytestmark = [pytest.mark.db, pytest.mark.django_db]
NUMBER = "+442079460123"


class Watch:
    """The node's watch, which looks once whenever somebody waits for it; and what it was told."""

    def __init__(self) -> None:
        self.desk = NamesDesk("london", 0, threading.Event())
        self.desk.names._ask = self._ask
        self.asked: list[tuple[Lookup, str]] = []
        self.said: str | Exception = "Ada Lovelace"
        self.alive = True

    def _ask(self, lookup: Lookup, digits: str) -> str:
        self.asked.append((lookup, digits))
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    def pause(self, _: float) -> None:
        if self.alive:
            assert self.desk._look() == ""


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    made = Watch()
    waited = name_trials.wait
    monkeypatch.setattr(name_trials, "wait", lambda trial: waited(trial, made.pause))
    monkeypatch.setattr(name_trials, "PATIENCE", 2.0)
    yield made
    made.desk.names.close()


@pytest.fixture
def lookup() -> NameLookup:
    node = factories.node(slug="london")
    return NameLookup.objects.create(node=node, url="https://names.example/{number}")


def form(lookup: NameLookup, number: str = NUMBER, person: Any = None) -> str:
    place = f"/peers/namelookup/{lookup.pk}/try/"
    answer = panel.client(person).post(place, {"number": number}, follow=True)
    return answer.content.decode()


def api(lookup: NameLookup, number: str = NUMBER, person: Any = None) -> Any:
    place = f"{V1}name-lookups/{lookup.pk}/try/"
    return client(person or operator()).post(place, {"number": number})


def test_the_panel_shows_the_name_and_the_time_that_it_took(
    lookup: NameLookup, watch: Watch
) -> None:
    page = form(lookup, "+44 20 7946 0123")
    assert "<strong>Ada Lovelace</strong>" in page
    assert f"{NUMBER}, took " in page
    assert [digits for _, digits in watch.asked] == ["442079460123"]


def test_the_api_answers_the_name_and_the_time_that_it_took(
    lookup: NameLookup, watch: Watch
) -> None:
    answer = api(lookup)
    body = answer.json()
    assert answer.status_code == 200
    assert (body["name"], body["fault"], body["milliseconds"] >= 0) == ("Ada Lovelace", "", True)


def test_the_fault_is_told_as_a_call_would_meet_it(lookup: NameLookup, watch: Watch) -> None:
    watch.said = FetchError("names.example can't be reached at port 443: nobody listens there")
    assert api(lookup).json()["fault"] == str(watch.said)
    assert "port 443: nobody listens there" in form(lookup)


def test_it_is_asked_with_the_stored_settings_also_while_it_is_switched_off(
    lookup: NameLookup, watch: Watch
) -> None:
    NameLookup.objects.update(enabled=False, json_field="a.b")
    assert api(lookup).json()["name"] == "Ada Lovelace"
    assert watch.asked[0][0] == NameLookup.objects.get().lookup()


def test_what_is_remembered_answers_no_trial(lookup: NameLookup, watch: Watch) -> None:
    api(lookup)
    watch.said = "Another"
    assert api(lookup).json()["name"] == "Another"


@pytest.mark.parametrize(
    "number", ["", "0044207946", "+44", "+44 207\n9", "${SHELL(id)}", "x" * 50]
)
def test_what_is_no_number_is_refused_at_its_field_and_asked_nowhere(
    lookup: NameLookup, watch: Watch, number: str
) -> None:
    assert list(faults(api(lookup, number))) == ["number"]
    assert "Nothing was asked. The number:" in form(lookup, number)
    assert (watch.asked, NameTrial.objects.count()) == ([], 0)


def test_whoever_may_only_look_may_not_try(lookup: NameLookup, watch: Watch) -> None:
    viewer = user(only=("view_namelookup",))
    assert api(lookup, person=viewer).status_code == 403
    staff = panel.person("viewer2", superuser=False, may=("peers.view_namelookup",))
    browser = panel.client(staff)
    place = f"/peers/namelookup/{lookup.pk}/"
    assert browser.post(place + "try/", {"number": NUMBER}).status_code == 403
    assert "Ask for the name" not in browser.get(place + "change/").content.decode()
    assert watch.asked == []


def test_a_link_tries_nothing(lookup: NameLookup, watch: Watch) -> None:
    answer = panel.client().get(f"/peers/namelookup/{lookup.pk}/try/", {"number": NUMBER})
    assert (answer.status_code, watch.asked) == (405, [])


def test_it_is_tried_six_times_a_minute_by_panel_and_api_together(
    lookup: NameLookup, watch: Watch
) -> None:
    for _ in range(3):
        api(lookup)
    boss = panel.person()
    for _ in range(3):
        form(lookup, person=boss)
    assert api(lookup).status_code == 429
    assert "Nothing was asked: tried 6 times within a minute" in form(lookup, person=boss)
    assert len(watch.asked) == 6
    NameTrial.objects.update(asked_at=timezone.now() - timedelta(seconds=61))
    assert api(lookup).status_code == 200


def test_a_trial_counts_among_the_questions_of_the_minute(lookup: NameLookup, watch: Watch) -> None:
    NameLookup.objects.update(a_minute=1)
    api(lookup)
    assert "1 times within a minute" in api(lookup).json()["fault"]
    assert len(watch.asked) == 1


def test_who_asked_for_which_number_stands_in_the_history(lookup: NameLookup, watch: Watch) -> None:
    form(lookup)
    api(lookup, "+33142278186")
    told = [(entry.user.username, entry.change_message) for entry in LogEntry.objects.all()]
    assert [text for _, text in told] == [
        "Tried it: the service was asked for +33142278186.",
        f"Tried it: the service was asked for {NUMBER}.",
    ]
    history = panel.client(panel.person("reader")).get(f"/peers/namelookup/{lookup.pk}/history/")
    assert NUMBER in history.content.decode()


def test_a_watch_that_is_silent_is_named_and_asks_nothing_later(
    lookup: NameLookup, watch: Watch
) -> None:
    watch.alive = False
    answer = api(lookup)
    assert (answer.status_code, "watch" in str(answer.json())) == (503, True)
    assert "watch has not asked yet" in form(lookup)
    NameTrial.objects.update(asked_at=timezone.now() - timedelta(seconds=31))
    watch.desk._look()
    assert watch.asked == []


def test_the_watch_of_another_node_leaves_it_alone(lookup: NameLookup, watch: Watch) -> None:
    Node.objects.update(slug="paris")
    assert api(lookup).status_code == 503
    assert watch.asked == []


def test_trials_are_forgotten_after_a_day(lookup: NameLookup, watch: Watch) -> None:
    api(lookup)
    assert purge()["name trials"] == 0
    NameTrial.objects.update(asked_at=timezone.now() - timedelta(days=1, seconds=1))
    assert purge()["name trials"] == 1
