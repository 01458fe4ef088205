"""A person who meets an error is told what it is and how to go on, in the panel's own look."""

import pytest
from django.core.exceptions import PermissionDenied
from django.test import RequestFactory
from django.views import defaults

from tests.db import panel

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_a_mistyped_address_is_answered_by_a_page_of_the_panel() -> None:
    answer = panel.client().get("/no-such-page/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def test_who_lacks_a_permission_is_told_so() -> None:
    clerk = panel.client(panel.person("clerk", superuser=False, may=["peers.view_peer"]))
    answer = clerk.get("/peers/trunk/")
    assert answer.status_code == 403
    assert "Your account lacks the permission" in answer.content.decode()


def test_a_defect_is_answered_without_a_context() -> None:
    answer = defaults.server_error(RequestFactory().get("/"))
    assert "Calls and the firewall go on" in answer.content.decode()


def test_a_page_of_an_error_keeps_to_the_policy() -> None:
    html = defaults.permission_denied(
        RequestFactory().get("/"), PermissionDenied()
    ).content.decode()
    assert "<style" not in html
    assert "style=" not in html
