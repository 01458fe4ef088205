"""The countdown of a change on trial, as a person sees it."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Panel, Visit

pytestmark = pytest.mark.browser
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
FILL = """
from datetime import timedelta
from ddiweb import clock
from ddiweb.deploy.models import *
from tests import factories
node = Node.objects.first() or factories.node(slug="london", name="London")
Node.objects.update(generation=2)
Deployment.objects.all().delete()
row = Deployment.objects.create(node=node, generation=2, state="confirming", reason="a network",
    trial=["management network 2001:db8:1234:5678::/64 is removed",
           "the SIP port moves from 5060 to 5070"],
    started_at=clock.now(), confirm_until=clock.now() + timedelta(seconds=90))
print(row.pk)
"""
END = "from ddiweb.deploy.models import *; from django.utils import timezone; "
END += "Deployment.objects.update(state='{}', finished_at=timezone.now(), error='{}')"


@pytest.fixture
def trial(panel: Panel) -> str:
    """A deployment on trial; its page."""
    number = panel.manage("shell", "-v0", "-c", FILL).split()[-1]
    return f"/deploy/deployment/{number}/change/"


@pytest.mark.parametrize(
    "visit", [{}, PHONE, {"color_scheme": "dark"}], indirect=True, ids=("wide", "phone", "dark")
)
def test_the_seconds_count_down_and_nothing_is_cut_off(visit: Visit, trial: str) -> None:
    page = visit.go(trial)
    counter = page.locator("[data-seconds]")
    before = int(counter.inner_text())
    expect(counter).not_to_have_text(str(before), timeout=5000)
    assert before - 8 < int(counter.inner_text()) < before
    wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert (wide, visit.complaints) == (False, [])


def test_confirming_without_redis_names_the_way_that_needs_none(visit: Visit, trial: str) -> None:
    page = visit.go(trial)
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator(".messagelist")).to_contain_text("manage.py confirm london", timeout=30_000)


def test_the_page_shows_by_itself_that_it_was_confirmed(visit: Visit, trial: str) -> None:
    page = visit.go(trial)
    visit.panel.manage("shell", "-v0", "-c", END.format("done", ""))
    expect(page.get_by_role("button", name="Confirm")).to_have_count(0, timeout=15_000)
    assert visit.complaints == []


def test_a_trial_that_nobody_confirmed_offers_another(visit: Visit, trial: str) -> None:
    page = visit.go(trial)
    visit.panel.manage("shell", "-v0", "-c", END.format("rolled_back", "nobody confirmed it"))
    expect(page.get_by_role("button", name="Try again")).to_be_visible(timeout=15_000)
    visit.go("/")
    expect(page.locator(".notice-bad").first).to_contain_text("is not in force")


def test_the_countdown_page_works_without_scripts(panel: Panel, visit: Visit, trial: str) -> None:
    context = visit.page.context.browser
    assert context is not None
    plain = context.new_context(
        java_script_enabled=False, storage_state=visit.page.context.storage_state()
    )
    page = plain.new_page()
    page.goto(panel.url + trial)
    expect(page.get_by_role("button", name="Roll back")).to_be_visible()
    expect(page.locator("[data-trial]")).to_contain_text("ends in")
    plain.close()
