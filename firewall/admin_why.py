"""The page “Why?”: a packet is described, the node's kernel is asked, the answer explained."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_safe

from ddiweb.admin_base import PlainFields, TitledAdmin
from ddiweb.deploy.templatetags.panel import ago, pill
from ddiweb.live.models import Contact
from firewall import questions, told
from firewall.models import Question
from firewall.ruleset.values import Invalid
from peers.models import Peer


class QuestionForm(forms.ModelForm):
    """A packet. What is wrong with it is said at its field."""

    payload = forms.CharField(
        label="Payload",
        required=False,
        strip=False,
        max_length=60_000,
        widget=forms.Textarea(attrs={"rows": 8, "cols": 72, "spellcheck": "false"}),
        help_text="Any text, or a SIP message pasted from a log: its line ends are repaired. "
        "It is stored encrypted until it is answered, then forgotten.",
    )

    class Meta:
        model = Question
        fields = ("node", "source", "protocol", "to_port", "peer", "reply", "payload")
        labels = {"source": "From", "to_port": "To port", "peer": "As the phone of",
                  "reply": "The host sent to it first"}  # fmt: skip
        help_texts = {
            "source": "Address and port: 203.0.113.7:5060 or [2001:db8::7]:5060. Without a port "
            "it is 5060.",
            "to_port": "Of the node. 0: its SIP port, or its TLS port for TLS.",
            "peer": "The packet comes from where this peer's phone registered just now with its "
            "token, which is used and not shown. Without a payload it is that registration.",
        }

    def clean(self) -> dict[str, Any]:
        """Build the packets; raises ValidationError naming the field."""
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        peer = cleaned.get("peer")
        if peer is not None and peer.node_id != cleaned["node"].pk:
            raise ValidationError(
                {"peer": f"{peer} is a phone of another node; choose {peer.node}."}
            )
        try:
            questions.packets(Question(**cleaned))
        except Invalid as error:
            field = error.field if error.field in self.fields else None
            text = f"{'It' if field else error.field} {error.fault}; {error.remedy}."
            raise ValidationError({field: text} if field else text) from None
        return cleaned


@admin.register(Question)
class QuestionAdmin(PlainFields, TitledAdmin):
    """Questions of the last day, and the page that asks one."""

    form = QuestionForm
    actions = None
    list_display = ("packet", "node", "verdict", "when", "asked_by")
    list_select_related = ("node", "asked_by", "peer")
    change_form_template = "admin/firewall/question/change_form.html"
    add_form_template = "admin/firewall/question/add_form.html"
    list_per_page = 50

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: an answer stands."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: they are forgotten after a day."""
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All when asking; the answer's page is a template."""
        return () if obj is not None else QuestionForm.Meta.fields

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """From a peer's page: its node, and the address where its phone was last."""
        initial: dict[str, Any] = dict(super().get_changeform_initial_data(request))
        number = str(initial.get("peer", ""))
        peer = Peer.objects.filter(pk=int(number)).first() if _is_id(number) else None
        if peer is not None and "source" not in initial:
            last = Contact.objects.filter(node=peer.node_id, endpoint=peer.key).order_by("-seen_at")
            address = last.exclude(address="").values_list("address", flat=True).first()
            initial |= {"node": peer.node_id} | ({"source": address} if address else {})
        return initial

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """Titled by what it is for."""
        words = {"title": "Why?", "subtitle": "Would this packet get through, and by which rule?",
                 "show_save_and_add_another": False, "show_save_and_continue": False}  # fmt: skip
        return super().add_view(request, form_url, words | (extra_context or {}))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Ask it; a crowd of waiting ones is answered by the oracle at once."""
        obj.asked_by = request.user
        questions.ask(obj)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """A question changes nothing: there is nothing to log."""
        return None

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        """To its answer."""
        return HttpResponseRedirect(reverse("admin:firewall_question_change", args=[obj.pk]))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Say it if too many questions wait."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except questions.Busy as error:
            messages.error(request, f"Nothing was asked: {error}.")
            return HttpResponseRedirect(reverse("admin:firewall_question_changelist"))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """The answer, or the place where it will appear."""
        asked = context.get("original")
        if isinstance(asked, Question):
            context |= answered(asked) | {"title": "Why?"}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        """The fragment that waits for the answer."""
        view = self.admin_site.admin_view(require_safe(self.answer_view))
        return [
            path("<int:pk>/answer/", view, name="firewall_question_answer"),
            *super().get_urls(),
        ]

    def answer_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The answer, for polling."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = get_object_or_404(Question.objects.select_related("node", "peer"), pk=pk)
        response = render(request, "firewall/answer.html", answered(asked))
        if asked.answered_at is not None:
            response["X-Poll"] = "stop"
        return response

    @admin.display(description="packet")
    def packet(self, asked: Question) -> str:
        """What was asked."""
        return str(asked) + (f" as the phone of {asked.peer}" if asked.peer else "")

    @admin.display(description="verdict")
    def verdict(self, asked: Question) -> str:
        """The answer in a word."""
        if asked.answered_at is None:
            return pill("warn", "waits")
        if asked.error:
            return pill("bad", "no answer")
        found = (asked.answer["kernel"] or asked.answer["oracle"])["verdict"]
        return pill("good", "gets through") if found == "accept" else pill("quiet", "dropped")

    @admin.display(description="asked")
    def when(self, asked: Question) -> str:
        """How long ago."""
        return ago(asked.asked_at)


def answered(asked: Question) -> dict[str, Any]:
    """The context of an answer."""
    questions.overdue(asked)
    context: dict[str, Any] = {"asked": asked}
    if asked.answered_at is not None and not asked.error:
        context["told"] = told.tell(asked)
    return context


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 18
