"""`python -m firewall.agent --config FILE`: serve; with `--restore`: load the last good rules."""

import argparse
import gc
import signal
import sys
from pathlib import Path
from types import FrameType

from ddiweb.deploy.errors import DeployError
from firewall.agent.config import Config
from firewall.agent.log import log
from firewall.agent.netfilter import Netfilter
from firewall.agent.server import Server
from firewall.agent.staging import Stager
from firewall.agent.state import State
from firewall.agent.trial import TrialEngine


def main() -> int:
    """Exit 0 when ended, 1 when the configuration is wrong or the rules could not be loaded."""
    parser = argparse.ArgumentParser(prog="firewall.agent", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--restore", action="store_true", help="load the last good rules and exit")
    options = parser.parse_args()
    # Rules are values that live long and hold no cycles: to look for some among 100,000 of them
    # at each thousand new ones doubles the time of an amendment.
    gc.set_threshold(100_000, 50, 100)
    try:
        config = Config.load(options.config)
        engine = TrialEngine(config, Netfilter(config), State(config.state_dir), Stager(config))
    except (DeployError, OSError) as error:
        log("configuration", error=str(error))
        return 1
    loaded = _reload(engine, config)
    if options.restore:
        return 0 if loaded else 1
    server = Server(config, engine)

    def end(signum: int, frame: FrameType | None) -> None:
        server.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    log("ready", socket=str(config.socket), backend=config.backend)
    server.serve()
    return 0


def _reload(engine: TrialEngine, config: Config) -> bool:
    """The last good rules; a failure leaves what the kernel has, and the agent still serves."""
    missing = config.missing()
    if missing:
        log("tools", missing=missing)
    try:
        done = engine.restore()
    except DeployError as error:
        log("restore", error=str(error))
        return False
    log("restore", **(done or {"changed": False}))
    return True


if __name__ == "__main__":
    sys.exit(main())
