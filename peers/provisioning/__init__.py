"""Set up a phone by a link or a QR code: one file an app family, and one list of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from peers.choices import PhoneFormat
from peers.phones import Account
from peers.provisioning import generic, linphone, microsip


@dataclass(frozen=True)
class Family:
    """How one kind of app takes its settings.

    ``scans``: it reads a QR code that holds the address. ``says``: what a person does with it.
    """

    name: str
    content_type: str
    file: str
    scans: bool
    says: str
    render: Callable[[Account, str], str]


#: A new family is one file and one line here.
FAMILIES: Mapping[str, Family] = {
    PhoneFormat.LINPHONE: Family(
        "Linphone",
        "application/xml; charset=utf-8",
        "linphone.xml",
        scans=True,
        says="In the app choose “Scan a QR code” at its first start, or open the address in "
        "Settings > Network > Remote provisioning; the app fetches it when it starts.",
        render=linphone.render,
    ),
    PhoneFormat.MICROSIP: Family(
        "MicroSIP",
        "text/plain; charset=utf-8",
        "microsip.ini",
        scans=False,
        says="Close MicroSIP, save the file as microsip.ini in %APPDATA%\\MicroSIP, and start it.",
        render=microsip.render,
    ),
    PhoneFormat.GENERIC: Family(
        "Another app",
        "text/plain; charset=utf-8",
        "phone.txt",
        scans=False,
        says="Open the address on the phone itself and type or copy what it shows into the app.",
        render=generic.render,
    ),
}
