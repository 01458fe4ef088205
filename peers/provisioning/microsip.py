"""MicroSIP: its microsip.ini, sections ``Settings`` and ``Account1``."""

from peers.choices import Carrier
from peers.phones import Account


def render(account: Account, authority: str) -> str:
    """Return the ini. MicroSIP trusts what Windows trusts: ``authority`` is added there."""
    settings = {"accountId": "1", "singleMode": "1"}
    if account.carrier != Carrier.USERNAME:
        settings["userAgent"] = f"MicroSIP {account.token}"
    entry = {
        "label": "ddiweb",
        "server": account.address,
        "proxy": "",
        "domain": account.address,
        "username": account.username,
        "password": account.password,
        "authID": account.username,
        "transport": account.transport,
        "SRTP": "mandatory" if account.encrypted else "disabled",
        "registerRefresh": "300",
        "keepAlive": "15",
        "publish": "0",
    }
    text = _section("Settings", settings) + _section("Account1", entry)
    if account.encrypted and authority:
        text += "; Add this authority to Windows' trusted roots:\r\n"
        text += "".join(f"; {line}\r\n" for line in authority.splitlines())
    return text


def _section(name: str, values: dict[str, str]) -> str:
    return f"[{name}]\r\n" + "".join(f"{key}={value}\r\n" for key, value in values.items())
