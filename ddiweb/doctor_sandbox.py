"""Remedies of `manage.py doctor` in a developer's checkout, where `make run` starts what runs."""

from django.conf import settings

#: Parts that `make run` brings along.
SERVED = frozenset({"migrations", "broker", "worker", "watch", "asterisk"})
MADE = SERVED | {"node", "realtime", "records", "certificate", "agent", "tools"}


def remedy(part: str) -> str:
    """What mends a part that `make run` starts; empty if the check's own remedy fits."""
    from lab import beside
    from lab.keys import Places

    where = Places(settings.VAR_DIR)
    if part not in MADE or not where.settings.is_file():
        return ""
    if beside.held(where):
        if not where.state.is_file():
            return "`make run` is still starting: look again"
        return f"look into {where.log}, or start `make run` again" if part in SERVED else ""
    return "`make run` does not run: start it"
