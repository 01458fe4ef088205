"""The one error of the lab."""


class LabError(Exception):
    """The lab cannot do what was asked on this machine; the message says what is missing."""
