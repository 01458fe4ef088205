"""Linphone: remote provisioning, an XML spelling of its configuration (lpconfig).

http://www.linphone.org/xsds/lpconfig.xsd; sections and keys are those of the file linphonerc.
"""

from xml.etree import ElementTree

from peers.choices import Carrier
from peers.phones import Account

_NAMESPACE = "http://www.linphone.org/xsds/lpconfig.xsd"


def render(account: Account, authority: str) -> str:
    """Return the XML for one account, which becomes the app's only one.

    ``authority`` is the root's PEM. Linphone takes roots from a file on the phone and from nowhere
    else, so it stands in a comment for whoever sets up a computer.
    """
    config = ElementTree.Element("config", xmlns=_NAMESPACE)
    for section, values in _sections(account).items():
        part = ElementTree.SubElement(config, "section", name=section)
        for key, value in values.items():
            entry = ElementTree.SubElement(part, "entry", name=key, overwrite="true")
            entry.text = value
    if account.encrypted and authority:
        lines = "\n".join(authority.replace("-----", "").splitlines())
        config.append(
            ElementTree.Comment(f" [sip] root_ca: the authority of this server\n{lines}\n")
        )
    ElementTree.indent(config)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(
        config, encoding="unicode"
    )


def _sections(account: Account) -> dict[str, dict[str, str]]:
    server = f"sip:{account.address};transport={account.transport}"
    proxy = {
        "reg_proxy": f"<{server}>",
        "reg_route": f"<{server}>",
        "reg_identity": f"sip:{account.username}@{account.address}",
        "reg_sendregister": "1",
        "reg_expires": "600",
        "publish": "0",
        "avpf": "0",
    }
    if account.carrier != Carrier.USERNAME:
        # From the first start on; the name in the User-Agent follows with the second.
        proxy["contact_parameters"] = f"x-ddi={account.token}"
    return {
        "sip": {
            "default_proxy": "0",
            "media_encryption": "srtp" if account.encrypted else "none",
            "media_encryption_mandatory": "1" if account.encrypted else "0",
            "verify_server_certs": "1",
            "verify_server_cn": "1",
            "contact": f"sip:{account.username}@{account.server}",
        },
        "proxy_0": proxy,
        "auth_info_0": {
            "username": account.username,
            "passwd": account.password,
            # An old hash would win over the new password at the second start.
            "ha1": "",
            "realm": "",
            "domain": "",
        },
        "app": {"device_name": account.token},
        "ui": {"device_name": account.token},
        # The address is good for one time: the app must not ask for it again.
        "misc": {"config-uri": ""},
    }
