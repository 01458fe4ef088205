"""``manage.py apitoken``: make, list and revoke what programs sign in with."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from ddiweb.api.models import ApiToken


class Command(BaseCommand):
    """API tokens are stored as hashes: what ``create`` prints is never to be had again."""

    help = "Make, list and revoke API tokens."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Three verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make a token and print it, once")
        create.add_argument("name", help="what will use it, such as “provisioning script”")
        create.add_argument("--user", required=True, help="on whose behalf it acts")
        create.add_argument("--read-only", action="store_true", help="it can write nothing")
        create.add_argument("--expires", type=int, metavar="DAYS", help="days until it expires")
        verbs.add_parser("list", help="show all tokens, without their values")
        revoke = verbs.add_parser("revoke", help="delete a token; who uses it is refused at once")
        revoke.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked; raises CommandError with a remedy."""
        match options["verb"]:
            case "create":
                self._create(options)
            case "list":
                self._list()
            case "revoke":
                self._revoke(options["name"])

    def _create(self, options: dict[str, Any]) -> None:
        user = get_user_model()._default_manager.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"there is no user {options['user']!r}; name one of the panel's")
        days = options["expires"]
        if days is not None and not 1 <= days <= 3650:
            raise CommandError("--expires: write a number of days from 1 to 3650")
        draft = ApiToken(user=user, name=options["name"])
        try:
            draft.full_clean(exclude=["digest", "token_key"])
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from None
        _, value = ApiToken.objects.create(
            user,
            expiry=timedelta(days=days) if days else None,
            name=options["name"],
            read_only=options["read_only"],
        )
        self.stderr.write("Keep it now: only its hash is stored.")
        self.stdout.write(value)

    def _list(self) -> None:
        for token in ApiToken.objects.select_related("user"):
            rights = "read-only" if token.read_only else "read-write"
            until = f"until {token.expiry:%Y-%m-%d}" if token.expiry else "no end"
            ended = " EXPIRED" if token.expired else ""
            used = f"{token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never"
            self.stdout.write(
                f"{token.name}\t{token.user.get_username()}\t{rights}\t{until}{ended}\tused {used}"
            )

    def _revoke(self, name: str) -> None:
        deleted, _ = ApiToken.objects.filter(name=name).delete()
        if not deleted:
            raise CommandError(f"there is no token {name!r}; `apitoken list` shows them")
        self.stdout.write(f"{name} is revoked")
