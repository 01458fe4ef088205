"""How a trunk stands, as a coloured word for the panel's pages."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

from ddiweb.deploy.templatetags.panel import ago, pill
from ddiweb.live.models import TrunkState
from peers.models import Trunk


def trunk_pill(state: TrunkState) -> SafeString:
    """Up, up with dead hosts, or down and why."""
    if state.down:
        return pill("bad", f"down: {state.cause}")
    if state.faults:
        return format_html("{} {}", pill("warn", "up, host down"), state.faults)
    known = state.answers or state.registration == "registered"
    return pill("good", "up") if known else pill("quiet", "not watched")


def trunk_standing(trunk: Trunk) -> SafeString:
    """The same of a trunk, as the watch last saw it, and since when."""
    state = TrunkState.objects.filter(node_id=trunk.node_id, endpoint=trunk.key).first()
    if state is None:
        return pill("quiet", "not watched")
    return format_html("{}, {}", trunk_pill(state), ago(state.changed_at))
