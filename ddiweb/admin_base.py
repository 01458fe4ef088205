"""What the panel's pages share: an edit asks for a deployment, in its own transaction."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.db import models, transaction
from django.http import HttpRequest
from django.utils.text import get_text_list

from ddiweb.deploy.models import Node
from ddiweb.deploy.services import request_deployment
from ddiweb.fields import NetworkField
from ddiweb.form_fields import CidrField, OneLineField, without_extras

#: Names of more objects than this are counted instead of listed in a deployment's reason.
NAMED = 3


class PlainFields(BaseModelAdmin):
    """One-line text fields that refuse control characters; choices without icons beside them."""

    formfield_overrides: ClassVar[dict[Any, Any]] = {
        models.CharField: {"form_class": OneLineField},
        NetworkField: {"form_class": CidrField},
    }

    def formfield_for_dbfield(
        self, db_field: models.Field, request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        """Leave out the icons: adding an object in passing would hide what it needs."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            without_extras([field])
        return field

    def formfield_for_foreignkey(
        self, db_field: "models.ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Where there is only one node, it is chosen already."""
        if db_field.related_model is Node and "initial" not in kwargs:
            nodes = list(Node.objects.values_list("pk", flat=True)[:2])
            if len(nodes) == 1:
                kwargs["initial"] = nodes[0]
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class TitledAdmin(admin.ModelAdmin):
    """Pages are headed by what they show, not by what could be done to it."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """``Peers`` instead of “Select peer to change”."""
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title} | (extra_context or {}))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """The object's own name instead of “Change peer”."""
        original = context.get("original")
        if original is not None:
            context |= {"title": str(original), "subtitle": str(self.opts.verbose_name)}
        return super().render_change_form(request, context, *args, **kwargs)


class DeployingAdmin(PlainFields, TitledAdmin):
    """Adds, changes and deletions ask for a deployment of every node that they touch.

    The request is part of the edit's own transaction: neither exists without the other. Nothing
    is asked for if nothing changed.
    """

    list_per_page = 50
    #: Fields that can't be changed once the object is there.
    fixed: Sequence[str] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Show ``fixed`` as text on an existing object."""
        shown: list[str] = list(super().get_readonly_fields(request, obj))
        return [*shown, *self.fixed] if obj is not None else shown

    def node_ids(self, obj: Any) -> Iterable[int]:
        """The nodes on which ``obj`` has an effect."""
        return [obj.node_id]

    def deploy(self, request: HttpRequest, node_ids: Iterable[int], reason: str) -> None:
        """Ask for one deployment a node."""
        for node_id in sorted(set(node_ids)):
            request_deployment(node_id, reason, request.user)

    def after_save(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """Called in the edit's transaction when something changed."""
        verb = "changed" if change else "added"
        self.deploy(request, self.node_ids(obj), f"{self.opts.verbose_name} {obj} {verb}")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the inlines; then the whole edit is known."""
        super().save_related(request, form, formsets, change)
        changed = form.has_changed() or any(formset.has_changed() for formset in formsets)
        if changed or not change:
            self.after_save(request, form.instance, change=change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete one object (the admin has a transaction open)."""
        self.delete_all(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Delete many objects; here the admin opens no transaction."""
        with transaction.atomic():
            self.delete_all(request, list(queryset))

    def delete_all(self, request: HttpRequest, objects: Sequence[Any]) -> None:
        """Delete ``objects`` and ask for deployments."""
        node_ids = {node_id for obj in objects for node_id in self.node_ids(obj)}
        reason = f"{self.name_them(objects)} deleted"
        for obj in objects:
            obj.delete()
        self.deploy(request, node_ids, reason)

    def name_them(self, objects: Sequence[Any]) -> str:
        """``trunk Vendor``, ``trunks A and B``, or ``17 trunks``."""
        plural = self.opts.verbose_name_plural if len(objects) > 1 else self.opts.verbose_name
        if len(objects) > NAMED:
            return f"{len(objects)} {plural}"
        return f"{plural} {get_text_list([str(obj) for obj in objects], 'and')}"


class ReadOnlyAdmin(TitledAdmin):
    """Pages that only show: their rows are written by the pipeline or the watch."""

    actions: Sequence[str] | None = None
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False
