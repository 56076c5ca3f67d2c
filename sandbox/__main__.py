"""`make sandbox`: leave the sandbox running, with the waiter deployed, until Ctrl-C."""

import argparse
import ipaddress
import json
import shlex
import signal
import socket
import sys
from collections.abc import Mapping

from .cloud import STACK, STATE, Cloud
from .processes import PortTaken, ProgramDied, require_free
from .serving import Service, Whole


def main() -> int:
    """Start, say how to use it, and wait."""
    usage = "make sandbox [PORT=4566] [BIND=127.0.0.1]"
    parser = argparse.ArgumentParser(usage=usage, description=main.__doc__)
    parser.add_argument(
        "--port", type=int, required=True, help="of AWS; ECR, the answers and builds take the next three"
    )
    parser.add_argument("--bind", required=True, help="address to listen on; 0.0.0.0 lets containers in")
    options = parser.parse_args()
    if not 0 < options.port <= 65532:
        parser.error(f"PORT: received {options.port}, allowed: 1 to 65532, because the next three are used as well")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    require_free(options.port + 2, options.bind)
    if not ipaddress.ip_address(socket.gethostbyname(options.bind)).is_loopback:
        print(f"Warning: on {options.bind}, whoever reaches this machine can run code on it: no password is asked for.")
    answers = _Answers(bind=options.bind, port=options.port + 2)
    with answers, Cloud(log=STATE / "log", port=options.port, bind=options.bind) as cloud:
        print("Deploying the waiter ...", flush=True)
        cloud.deploy_waiter()
        print("The sandbox is up. In another terminal:\n")
        for key, value in cloud.environment.items():
            print(f"  export {key}={shlex.quote(value)}")
        print(
            f"""
  .venv/bin/python -m sandbox.images REPOSITORY TAG    # push an image for linux/arm64
  aws cloudformation deploy --stack-name app --template-file TEMPLATE --capabilities CAPABILITY_IAM
  aws logs tail {cloud.output(STACK, "LogGroupName")}

Answers PUT to port {options.port + 2} are printed here. Logs: {STATE / "log"}. Ctrl-C ends it.""",
            flush=True,
        )
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("\nStopping ...", flush=True)
    return 0


class _Answers(Service):
    """Takes what `sam local invoke` answers to the events in events/, and prints it as one line of JSON."""

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Whole:  # noqa: ARG002  # it has one address
        try:
            print(json.dumps(json.loads(body)), flush=True)
        except ValueError:
            print(f"not JSON: {body[:200]!r}", flush=True)
        return 200, [], b""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (PortTaken, ProgramDied) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
