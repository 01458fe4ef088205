"""``/api/v1/``: one list of all resources."""

from django.contrib.auth.decorators import login_required
from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from ddiweb.api import pages
from ddiweb.deploy import api as deploy
from ddiweb.live import api as live
from ddiweb.live import restart_api as restarts
from firewall import api as firewall
from firewall import api_explain as explain
from firewall import ban_api as bans
from peers.api import (
    caller_names,
    callers,
    certificates,
    name_lookups,
    outgoing,
    persons,
    schedules,
    sounds,
    tolls,
    trunk_presets,
    voicemail,
)
from peers.api import views as peers

app_name = "api"

router = SimpleRouter()
router.register("nodes", deploy.NodeViewSet, "nodes")
router.register("deployments", deploy.DeploymentViewSet, "deployments")
router.register("trunks", peers.TrunkViewSet, "trunks")
router.register("numbers", peers.NumberViewSet, "numbers")
router.register("callers", callers.CallerRuleViewSet, "callers")
router.register("caller-names", caller_names.CallerNameViewSet, "caller-names")
router.register("name-lookups", name_lookups.NameLookupViewSet, "name-lookups")
router.register("schedules", schedules.ScheduleViewSet, "schedules")
router.register("sounds", sounds.SoundViewSet, "sounds")
router.register("outgoing-policies", outgoing.OutgoingPolicyViewSet, "outgoing-policies")
router.register("toll-limits", tolls.TollLimitViewSet, "toll-limits")
router.register("rates", tolls.RateViewSet, "rates")
router.register("toll-alarms", tolls.TollAlarmViewSet, "toll-alarms")
router.register("mailboxes", voicemail.MailboxViewSet, "mailboxes")
router.register("voicemail", voicemail.VoiceMessageViewSet, "voicemail")
router.register("peers", peers.PeerViewSet, "peers")
router.register("persons", persons.PersonViewSet, "persons")
router.register("tokens", peers.TokenViewSet, "tokens")
router.register("certificates", certificates.CertificateViewSet, "certificates")
router.register("management-networks", firewall.ManagementNetworkViewSet, "management-networks")
router.register("allowed-services", firewall.AllowedServiceViewSet, "allowed-services")
router.register("address-exceptions", firewall.AddressExceptionViewSet, "address-exceptions")
router.register("bans", bans.BanViewSet, "bans")
router.register("contacts", live.ContactViewSet, "contacts")
router.register("channels", live.ChannelViewSet, "channels")
router.register("trunk-states", live.TrunkStateViewSet, "trunk-states")
router.register("calls", live.CallViewSet, "calls")
router.register("restarts", restarts.RestartViewSet, "restarts")
router.register("security-events", live.SecurityEventViewSet, "security-events")

urlpatterns = [
    path("authority/", certificates.AuthorityView.as_view(), name="authority"),
    path("trunk-presets/", trunk_presets.TrunkPresetsView.as_view(), name="trunk-presets"),
    path("status/", live.StatusView.as_view(), name="status"),
    path("nodes/<slug:slug>/why/", explain.WhyView.as_view(), name="nodes-why"),
    path("nodes/<slug:slug>/traffic/", explain.TrafficView.as_view(), name="nodes-traffic"),
    path("schema/", pages.SchemaView.as_view(), name="schema"),
    path("docs/", login_required(pages.DocsView.as_view()), name="docs"),
    *router.urls,
    re_path(r"\A.*\Z", pages.NothingHere.as_view(), name="nothing"),
]
