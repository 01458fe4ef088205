"""From an empty panel to a phone that rings, as a person would do it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Panel, Visit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def told(panel: Panel, browser: Browser) -> Iterator[dict[str, str]]:
    """Walk the whole way once; the tests look at what was seen on it."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    visit = Visit(panel, context)
    seen = walk(visit)
    seen["complaints"] = "\n".join(visit.complaints)
    yield seen
    context.close()


def walk(visit: Visit) -> dict[str, str]:
    seen: dict[str, str] = {}
    page = visit.log_in()
    seen["empty"] = page.inner_text("#content")

    page.click("text=Add a node")
    page.fill("#id_name", "London")
    page.fill("#id_slug", "london")
    page.fill("#id_public_ipv4", "203.0.113.10")
    visit.save()

    visit.go("/").click("text=Add a trunk")
    page.fill("#id_name", "Vendor London")
    page.click("text=Add another Trunk network")
    page.fill("#id_networks-0-cidr", "203.0.113.20")
    page.fill("#id_networks-1-cidr", "2001:db8:113::20")
    visit.save()

    visit.go("/").click("text=Add a peer")
    page.fill("#id_name", "Ada mobile")
    page.fill("#id_username", "ada")
    page.click("summary:has-text('Sound')")
    page.click("[data-move='1'][aria-label*='Opus']")
    visit.save()

    visit.go("/").click("text=Add a number")
    page.fill("#id_e164", "+44 20 7946 0123")
    page.fill("#id_label", "London office")
    page.check("text=Ada mobile (ada)")
    visit.save()
    seen["route"] = page.inner_text("#result_list")

    visit.go("/peers/peer/").click("text=Ada mobile")
    seen["peer"] = page.inner_text("#content")
    page.click("button:has-text('Set up the phone')")
    seen["setup"] = page.inner_text("#content")

    page.click("text=Back to the peer")
    page.click("button:has-text('Rotate token')")
    seen["question"] = page.inner_text("#content")
    page.check("text=24 hours")
    page.click("button:has-text('Rotate')")
    seen["rotated"] = page.inner_text("main")

    page.click("button:has-text('compromised')")
    page.click("button:has-text('Cut off now')")
    seen["cut"] = page.inner_text("main")
    seen["deployments"] = visit.go("/deploy/deployment/").inner_text("#result_list")
    seen["board"] = visit.go("/").inner_text("#content")
    return seen


def test_an_empty_panel_leads_to_the_first_node(told: dict[str, str]) -> None:
    assert "First steps" in told["empty"]


def test_the_number_rings_the_phone(told: dict[str, str]) -> None:
    assert re.search(r"\+442079460123\s+London office\s+Ada mobile for 25 s", told["route"])


def test_a_new_phone_was_never_seen(told: dict[str, str]) -> None:
    assert "It was never seen" in told["peer"]


def test_the_set_up_shows_server_name_password_and_token(told: dict[str, str]) -> None:
    assert re.search(r"203\.0\.113\.10", told["setup"])
    assert re.search(r"Password\s+[a-z2-7]{26}\b", told["setup"])
    assert re.search(r"ddi-[a-z2-7]{8}-[a-z2-7]{26}", told["setup"])


def test_the_question_before_a_rotation_says_what_will_happen(told: dict[str, str]) -> None:
    assert "The old token is accepted until the grace ends" in told["question"]


def test_a_rotation_is_confirmed_with_its_grace(told: dict[str, str]) -> None:
    assert "accepted for another 24 hours" in told["rotated"]
    assert "was not yet seen with the new one" in told["rotated"]


def test_a_compromise_is_confirmed(told: dict[str, str]) -> None:
    assert "cut off now" in told["cut"]
    assert told["cut"].count("compromised, being cut") == 2


def test_all_edits_wait_in_one_deployment(told: dict[str, str]) -> None:
    assert told["deployments"].count("pending") == 1


def test_the_first_steps_are_gone_when_a_call_can_come_in(told: dict[str, str]) -> None:
    assert "First steps" not in told["board"]


def test_the_browser_complained_of_nothing_on_the_way(told: dict[str, str]) -> None:
    assert told["complaints"] == ""


def test_codecs_are_stored_in_the_order_that_was_chosen(told: dict[str, str], visit: Visit) -> None:
    page = visit.go("/peers/peer/")
    page.click("text=Ada mobile")
    page.click("summary:has-text('Sound')")
    expect(page.locator(".ordered li").first).to_contain_text("G.722")


def test_a_step_that_rejects_does_not_ask_who_rings(told: dict[str, str], visit: Visit) -> None:
    page = visit.go("/peers/number/add/")
    page.select_option("#id_steps-0-kind", "reject")
    expect(page.locator("#id_steps-0-phones")).to_be_hidden()
    expect(page.locator("#id_steps-0-cause")).to_be_visible()
