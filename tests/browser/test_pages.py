"""Every page: nothing is complained of, nothing is cut off, wide and narrow, light and dark."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Panel, Visit

pytestmark = pytest.mark.browser
FILL = """
from django.utils import timezone
from ddiweb.deploy.models import *
from ddiweb.live.models import *
from peers import quarantine, services
from tests import factories
node = factories.node(slug="london", name="London")
peers = [factories.peer(node) for _ in range(12)]
for peer in peers:
    services.peer_created(peer)
trunk = factories.trunk(node, "203.0.113.20/32", "2001:db8:113::20/128")
number = factories.number(trunk, "+442079460123", *peers[:3], label="London office")
from peers.models import StepPerson
person = factories.person(node, *peers[:4], name="A" * 80)
StepPerson.objects.create(step=number.steps.get(), person=person, place=1)
factories.person(node)
from peers.models import (
    CallerName, NameLookup, OutgoingPrefix, OutgoingTrunk, Rate, TollAlarm, TrunkToll)
policy = factories.policy(number, zones=["GB", "FR", "DE", "IT"], name="P" * 80)
OutgoingTrunk.objects.create(policy=policy, trunk=trunk, position=1)
OutgoingPrefix.objects.create(policy=policy, prefix="+44207", note="n" * 120)
toll = TrunkToll.objects.create(trunk=trunk, minutes_a_day=600)
Rate.objects.create(toll=toll, prefix="+44", a_minute=1)
NameLookup.objects.create(node=node, url="https://names.example/" + "v" * 200 + "/{number}",
    last_error="e" * 200, failing_since=timezone.now())
CallerName.objects.create(node=node, e164="+441632960555", name="A" * 60)
TollAlarm.objects.create(node=node, who=peers[0].key, cap="calls", times=7, last_at=timezone.now())
from tests.db.test_sounds import tone
box = factories.mailbox(node, peers[0], greeting=factories.sound(node, tone()))
factories.message(box, mail_error="e" * 300)
factories.management(node, "198.51.100.0/28")
now = timezone.now()
Contact.objects.create(node=node, endpoint=peers[0].key, uri="sip:x", seen_at=now,
    address="[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:51234", user_agent="U" * 200)
Call.objects.create(node=node, unique_id="1", started_at=now, caller="+447700900123",
    number="442079460123", disposition="ANSWERED", billed_seconds=65)
Channel.objects.create(node=node, unique_id="1.1", call_id="1.1", endpoint=peers[0].key,
    caller="+447700900123", number="442079460123", state="Up", talking=True, started_at=now)
TrunkState.objects.create(node=node, endpoint=trunk.key, registration="rejected",
    changed_at=now, seen_at=now)
ailing = factories.trunk(node, "203.0.113.21/32", name="Second vendor")
TrunkState.objects.create(node=node, endpoint=ailing.key, registration="registered", answers=True,
    silent_hosts=["a" * 60 + ".example.net:5060", "[2001:db8:113::21]:5060"],
    refusing_hosts=["203.0.113.22:5060"], changed_at=now, seen_at=now)
Node.objects.filter(pk=node.pk).update(sip_port_served=5071)
SecurityEvent.objects.create(node=node, at=now, kind="InvalidPassword", account="a" * 80)
from firewall import questions, traffic
from firewall.models import Question
traffic.record(node, {"epoch": "a", "totals": {"drop": {"no_token": 7}, "vendor": {"v" * 40: 1}}})
asked = Question.objects.create(node=node, source="[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:51234")
questions.answer_alone(asked.pk, "for a test")
factories.ban(node, "2001:db8:9:8::/64", note="n" * 200)
factories.ban(node, "198.18.0.0/16", None)
quarantine.quarantine(peers[1].tokens.get(), "places", [f"10.0.{n}.0/24" for n in range(20)])
SecurityEvent.objects.create(node=node, at=now, kind="spared_phone_online", address="198.51.100.7")
Deployment.objects.all().delete()
Deployment.objects.create(node=node, generation=1, reason="x" * 200, state="failed",
    started_at=now, finished_at=now, error="e" * 300,
    log=[{"at": now.isoformat(timespec="milliseconds"), "state": "failed", "text": "t" * 200}],
    plan={"realtime": ["+ " + "r" * 300], "firewall": ["- " + "f" * 300]})
"""
PAGES = [
    "/", "/peers/peer/", "/peers/peer/add/", "/peers/peer/1/change/", "/peers/peer/1/delete/",
    "/peers/peer/1/history/", "/peers/trunk/", "/peers/trunk/add/", "/peers/trunk/1/change/",
    "/peers/trunk/2/change/",
    "/peers/person/", "/peers/person/add/", "/peers/person/1/change/", "/peers/person/2/change/",
    "/peers/person/1/delete/", "/peers/number/", "/peers/number/add/",
    "/peers/number/1/change/", "/peers/token/",
    "/peers/schedule/", "/peers/schedule/add/", "/peers/callerrule/",
    "/peers/callerrule/add/", "/peers/sound/", "/peers/sound/1/change/", "/peers/sound/add/",
    "/peers/mailbox/", "/peers/mailbox/1/change/", "/peers/voicemessage/",
    "/peers/voicemessage/1/change/", "/peers/callername/", "/peers/callername/add/",
    "/peers/outgoingpolicy/", "/peers/outgoingpolicy/add/", "/peers/outgoingpolicy/1/change/",
    "/peers/trunktoll/", "/peers/trunktoll/add/", "/peers/trunktoll/1/change/",
    "/peers/tollalarm/", "/peers/tollalarm/1/change/", "/peers/namelookup/",
    "/peers/namelookup/add/", "/peers/namelookup/1/change/",
    "/peers/token/1/change/", "/deploy/node/", "/deploy/node/add/", "/deploy/node/1/change/",
    "/deploy/node/1/restart/", "/deploy/node/1/plan/",
    "/deploy/deployment/", "/deploy/deployment/LAST/change/",
    "/firewall/trafficsample/", "/firewall/question/", "/firewall/question/add/",
    "/firewall/question/1/change/", "/firewall/allowedservice/", "/firewall/allowedservice/add/",
    "/firewall/addressexception/", "/firewall/addressexception/add/",
    "/firewall/ban/", "/firewall/ban/add/", "/firewall/ban/1/change/",
    "/firewall/managementnetwork/", "/firewall/managementnetwork/1/change/", "/live/contact/",
    "/live/contact/1/change/", "/live/call/", "/live/securityevent/",
    "/live/channel/", "/live/trunkstate/", "/auth/user/",
    "/auth/user/add/", "/auth/user/1/change/", "/auth/group/add/", "/password_change/",
]  # fmt: skip
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
WINDOWS = [
    pytest.param({}, id="wide"),
    pytest.param({"color_scheme": "dark"}, id="dark"),
    pytest.param(PHONE, id="phone"),
]


@pytest.fixture(scope="module")
def last(panel: Panel) -> str:
    """Fill the panel; the newest deployment's number."""
    panel.manage("shell", "-v0", "-c", FILL)
    text = "import json; print(json.dumps(Deployment.objects.first().pk))"
    command = f"from ddiweb.deploy.models import Deployment; {text}"
    return str(json.loads(panel.manage("shell", "-v0", "-c", command)))


@pytest.mark.parametrize("visit", WINDOWS, indirect=True)
def test_no_page_makes_the_browser_complain_or_scroll_sideways(last: str, visit: Visit) -> None:
    faults = []
    for path in PAGES:
        page = visit.page
        reply = page.goto(visit.panel.url + path.replace("LAST", last))
        assert reply is not None
        if reply.status != 200:
            faults.append(f"{path}: {reply.status}")
        # On a phone innerWidth grows with what is too wide.
        root = "document.documentElement"
        if page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"):
            faults.append(f"{path}: wider than the window")
    assert [*faults, *visit.complaints] == []


BRIGHTNESS = """selector => {
  const rgb = getComputedStyle(document.querySelector(selector)).backgroundColor;
  const [r, g, b] = rgb.match(/[0-9.]+/g).map(Number);
  return (r * 299 + g * 587 + b * 114) / 1000;
}"""


@pytest.mark.parametrize("visit", [{"color_scheme": "dark"}], indirect=True)
def test_a_dark_system_gets_dark_pages(last: str, visit: Visit) -> None:
    page = visit.go("/")
    assert page.evaluate(BRIGHTNESS, "body") < 60
    assert page.evaluate(BRIGHTNESS, ".card") < 60


@pytest.mark.parametrize("visit", [{"color_scheme": "dark"}], indirect=True)
def test_light_can_be_chosen_on_a_dark_system(last: str, visit: Visit) -> None:
    page = visit.go("/")
    page.click(".theme-toggle")
    assert page.evaluate(BRIGHTNESS, "body") > 200


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
def test_the_menu_opens_and_leads_on_and_closes_on_a_phone(last: str, visit: Visit) -> None:
    page = visit.go("/")
    menu = page.locator("#panel-menu")
    expect(menu).to_be_hidden()
    page.tap(".nav-toggle")
    page.tap("text=Close the menu")
    expect(menu).to_be_hidden()
    page.tap(".nav-toggle")
    page.tap("#panel-menu >> text=Numbers")
    page.wait_for_url("**/peers/number/")
    expect(menu).to_be_hidden()


#: The boxes that can be ticked and are smaller than a finger (WCAG 2.2, 2.5.8), by their names.
SMALL = """() =>
  [...document.querySelectorAll("input[type=checkbox], input[type=radio], .nav-toggle")]
  .map(box => [box.name || box.className, box.getBoundingClientRect()])
  .filter(([, at]) => at.width && (at.width < 24 || at.height < 24))
  .map(([name, at]) => `${name}: ${at.width} x ${at.height}`)"""


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
@pytest.mark.parametrize(
    "path",
    ["/peers/peer/", "/peers/peer/add/", "/peers/trunk/1/change/", "/peers/number/1/change/",
     "/peers/schedule/add/", "/peers/namelookup/add/", "/deploy/node/1/change/",
     "/auth/user/1/change/"],
)  # fmt: skip
def test_what_is_ticked_on_a_phone_is_as_large_as_a_finger(
    last: str, visit: Visit, path: str
) -> None:
    page = visit.go(path)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.evaluate(SMALL) == []


def test_the_dashboard_renews_itself(last: str, visit: Visit) -> None:
    page = visit.go("/")
    visit.panel.manage(
        "shell", "-v0", "-c",
        "from tests import factories; from ddiweb.deploy.models import Node; "
        "factories.peer(Node.objects.get(slug='london'), name='Newcomer', username='newcomer')",
    )  # fmt: skip
    expect(page.locator(".tile").first).to_contain_text("of 13", timeout=15_000)


def test_the_dashboard_says_when_it_is_old(last: str, visit: Visit) -> None:
    page = visit.go("/")
    page.route("**/board/", lambda route: route.abort())
    expect(page.locator(".stale-note")).to_be_visible(timeout=20_000)


def test_a_deployment_page_follows_its_deployment(last: str, visit: Visit) -> None:
    visit.panel.manage(
        "shell", "-v0", "-c",
        "from ddiweb.deploy.models import *; Deployment.objects.create("
        "node=Node.objects.get(slug='london'), generation=2, reason='followed')",
    )  # fmt: skip
    page = visit.go("/deploy/deployment/")
    page.click("#result_list tbody tr:first-child th a")
    expect(page.locator(".card .pill").first).to_have_text("pending")
    visit.panel.manage(
        "shell", "-v0", "-c",
        "from ddiweb.deploy.models import *; from django.utils import timezone; "
        "Deployment.objects.filter(reason='followed').update("
        "state='done', finished_at=timezone.now())",
    )  # fmt: skip
    expect(page.locator(".card .pill").first).to_have_text("done", timeout=15_000)


def test_a_policy_violation_would_be_seen(last: str, visit: Visit) -> None:
    """The other tests believe the console; so it must speak up."""
    page = visit.go("/")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p>')")
    page.wait_for_timeout(200)
    assert any("Content Security Policy" in said for said in visit.complaints)


@pytest.mark.parametrize("name", ["peer", "trunk", "number"])
def test_a_refused_form_shows_what_is_wrong(last: str, visit: Visit, name: str) -> None:
    page = visit.go(f"/peers/{name}/add/")
    page.click("input[name=_save]")
    expect(page.locator(".errornote")).to_be_visible()
    assert page.locator(".errorlist li").count() >= 1
