"""Errors that carry the decision.

Django-free: the agent's channel and the AMI client raise them too.
"""


class DeployError(Exception):
    """Something kept a deployment from being done; its text is fit for a person."""


class Retryable(DeployError):  # noqa: N818 - it names the decision
    """Busy, unreachable or timed out: nothing is decided, try again."""


class Refused(DeployError):  # noqa: N818
    """Bad input or a lost lease: nothing was changed, trying again would not help."""


class Failed(DeployError):  # noqa: N818
    """Something was changed and is not as wanted: put back what was there."""
