"""Any other app: what to type, as text."""

from peers.choices import Carrier
from peers.phones import Account


def render(account: Account, authority: str) -> str:
    """Return the lines to type, and the authority's certificate if the phone needs it."""
    lines = [
        ("Server", account.server),
        ("Port", str(account.port)),
        ("Transport", account.transport.upper()),
        ("Username", account.username),
        ("Password", account.password),
    ]
    if account.encrypted:
        lines.append(("Media encryption", "SRTP (SDES), mandatory"))
    if account.carrier == Carrier.CONTACT:
        lines.append(("Contact parameter", f"x-ddi={account.token}"))
    elif account.carrier != Carrier.USERNAME:
        lines.append(("User-Agent", account.token))
    text = "".join(f"{name + ':':<18}{value}\n" for name, value in lines)
    if account.encrypted and authority:
        text += f"\nThe phone must trust this authority:\n\n{authority}"
    return text
