"""The quick lane: what may come into force before a deployment's quiet time (docs/adr/0160)."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import DatabaseError

from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.lock import lease
from ddiweb.deploy.models import Node
from ddiweb.deploy.target import Target

log = logging.getLogger(__name__)


def hurry(node: Node, targets: Sequence[Target]) -> bool:
    """The quick lane, before any quiet time; whether it was taken.

    Its faults are only noted: the run is the truth.
    """
    with _noted(node):
        if node.dry_run or not any(one.hurries(node) for one in targets):
            return False
        with lease(node.pk) as held:
            for target in targets:
                # All, in order: what one brings about may be what the next waits for. One that is
                # down does not keep a revoked phone in.
                with _noted(node):
                    target.hurry(node, held.fence)
    return True


@contextmanager
def _noted(node: Node) -> Iterator[None]:
    try:
        yield
    except (DeployError, DatabaseError) as error:
        log.warning("node %s: the quick lane was not taken: %s", node.pk, error)
    except Exception:  # a defect here must not keep the run behind from proving and mending all
        log.exception("node %s: the quick lane met a defect", node.pk)
