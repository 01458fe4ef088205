"""Clockwork of the tokens."""

from ddiweb.celery import app
from peers import services


@app.task
def expire_tokens() -> int:
    """Every five seconds: revoke the tokens whose grace has ended."""
    return services.expire_tokens()
