"""Attempts are counted by the address that nobody can choose for himself."""

import itertools

import pytest
from axes.helpers import get_client_ip_address
from django.conf import LazySettings
from django.core.cache import cache
from django.test import Client, RequestFactory
from rest_framework.settings import api_settings
from rest_framework.throttling import AnonRateThrottle

pytestmark = [pytest.mark.db, pytest.mark.django_db]
FORGED = "198.51.100.7"


def asked(forwarded: str = "") -> str:
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    request = RequestFactory().get("/", REMOTE_ADDR="127.0.0.1", **headers)
    return str(get_client_ip_address(request))


def test_without_a_proxy_nobody_chooses_his_address() -> None:
    assert asked(FORGED) == "127.0.0.1"


def test_behind_a_proxy_it_is_what_the_proxy_wrote(settings: LazySettings) -> None:
    settings.BEHIND_PROXY = True
    assert asked(f"{FORGED}, 203.0.113.5") == "203.0.113.5"


def test_one_who_guesses_behind_the_proxy_does_not_lock_the_administrator_out(
    settings: LazySettings,
) -> None:
    settings.BEHIND_PROXY = True
    browser = Client()
    form = {"username": "admin", "password": "wrong"}
    codes = [
        browser.post("/login/", form, HTTP_X_FORWARDED_FOR=address).status_code
        for address in (*itertools.repeat("203.0.113.5", 12), "203.0.113.6")
    ]
    assert (codes[0], codes[11], codes[12]) == (200, 429, 200)


def test_a_forged_header_does_not_reset_the_count_of_anonymous_requests() -> None:
    assert api_settings.NUM_PROXIES == 0
    cache.clear()
    api = Client()
    codes = [
        api.get("/api/v1/peers/", HTTP_X_FORWARDED_FOR=f"10.0.0.{number}").status_code
        for number in range(62)
    ]
    cache.clear()
    assert (codes[0], codes[-1]) == (401, 429)
    assert AnonRateThrottle().get_ident(RequestFactory().get("/", HTTP_X_FORWARDED_FOR=FORGED)) != (
        FORGED
    )
