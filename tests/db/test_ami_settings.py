"""AMI in clear is for loopback alone."""

from pathlib import Path
from typing import Any

import pytest

from ddiweb.deploy.errors import Refused
from peers.realtime.ami_settings import ami_client


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_loopback_needs_no_tls(settings: Any, host: str) -> None:
    settings.AMI_HOST, settings.AMI_CA = host, ""
    ami_client()


@pytest.mark.parametrize("host", ["198.51.100.7", "pbx.example.net", "localhost.example", ""])
def test_any_other_host_is_refused_without_an_authority(settings: Any, host: str) -> None:
    settings.AMI_HOST, settings.AMI_CA = host, ""
    with pytest.raises(Refused, match="DDIWEB_AMI_CA"):
        ami_client()


def test_an_authority_that_is_none_is_refused(settings: Any, tmp_path: Path) -> None:
    settings.AMI_CA = str(tmp_path / "none.pem")
    with pytest.raises(Refused, match="DDIWEB_AMI_CA can't be used"):
        ami_client()
