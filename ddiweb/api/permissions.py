"""Who may do what: Django's model permissions, reading included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission, DjangoModelPermissions

if TYPE_CHECKING:  # rest_framework.views imports this module while it is being imported itself
    from collections.abc import Sequence

    from rest_framework.request import Request
    from rest_framework.views import APIView


class ModelPermissions(DjangoModelPermissions):
    """``view`` to read, ``add``, ``change`` and ``delete`` to write.

    A view's ``action_permissions`` name what an action of its own needs instead.
    """

    perms_map = DjangoModelPermissions.perms_map | {
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
        "OPTIONS": ["%(app_label)s.view_%(model_name)s"],
    }

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Ask for the action's own permissions, or for the model's."""
        special: dict[str, Sequence[str]] = getattr(view, "action_permissions", {})
        needed = special.get(getattr(view, "action", None) or "")
        if needed is not None:
            return bool(request.user.is_authenticated and request.user.has_perms(needed))
        return super().has_permission(request, view)


class Needs(BasePermission):
    """The permissions that a view without a model names in ``required_permissions``."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Refuse who lacks one, and everybody if the view names none."""
        needed: Sequence[str] = getattr(view, "required_permissions", ())
        return bool(needed and request.user.is_authenticated and request.user.has_perms(needed))
