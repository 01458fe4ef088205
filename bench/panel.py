"""The panel as a browser uses it: sign in, open a form, change a field, save."""

import urllib.parse
import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from typing import Any


class _Form(HTMLParser):
    """The fields of the page's forms, with the values that a browser would send."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self._select = ""
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note inputs, chosen options and the beginning of text areas."""
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "input" and name and given.get("type") not in {"submit", "file", "button"}:
            choice = given.get("type") in {"checkbox", "radio"}
            if not choice or "checked" in given:
                self.fields.append((name, given.get("value", "on" if choice else "")))
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            self.fields.append((self._select, given.get("value", "")))
        elif tag == "textarea":
            self._area = name

    def handle_data(self, data: str) -> None:
        """Note what a text area holds."""
        if self._area:
            self.fields.append((self._area, data.strip()))
            self._area = ""

    def handle_endtag(self, tag: str) -> None:
        """Leave a list of options, or a text area that held nothing."""
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""


class Panel:
    """A signed-in administrator; raises AssertionError if a form is refused."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._open = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar())
        ).open
        self.save("/login/", {"username": user, "password": password})

    def save(self, path: str, changes: dict[str, str]) -> None:
        """Open the form at ``path``, change some fields and send it."""
        fields = [(name, value) for name, value in self._fields(path) if name not in changes]
        data = urllib.parse.urlencode([*fields, *changes.items()]).encode()
        request = urllib.request.Request(  # noqa: S310 - our own loopback
            self._url + path, data, {"Referer": self._url + path}
        )
        with self._open(request, timeout=20) as answer:
            page = answer.read().decode()
            assert answer.geturl() != self._url + path, _errors(page)

    def _fields(self, path: str) -> list[tuple[str, str]]:
        with self._open(self._url + path, timeout=20) as answer:
            form: Any = _Form()
            form.feed(answer.read().decode())
        found: list[tuple[str, str]] = form.fields
        return found


def _errors(page: str) -> str:
    """What the panel said against a form."""
    return " ".join(page.partition('class="errorlist')[2][:300].split()) or "the form came back"
