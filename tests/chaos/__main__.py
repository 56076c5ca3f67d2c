"""Run the whole service through random faults, one seed after another, and hold what came of it against the claims.

python -m tests.chaos --seeds 2000          # from a seed that is drawn and printed
python -m tests.chaos --first 7 --seeds 1   # one run again, told line by line
python -m tests.chaos --planted             # plant each bug of tests/chaos/planted.py and see it caught
"""

import argparse
import secrets
import sys
import time

from rich.console import Console

from tests.chaos.planted import plant_all
from tests.chaos.suite import ENOUGH, failures, rarest, run_all, tell, total


def main() -> None:
    """Run the suite, or plant the bugs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=ENOUGH, help="how many runs")
    parser.add_argument("--first", type=int, help="the first seed; drawn when it is not given")
    parser.add_argument("--planted", action="store_true", help="plant the bugs of tests/chaos/planted.py one by one")
    options = parser.parse_args()
    console = Console(width=160, highlight=False)
    if options.planted:
        sys.exit(plant_all(console))
    first = secrets.randbelow(10**9) if options.first is None else options.first
    began = time.monotonic()
    console.print(f"{options.seeds} runs from seed {first}")
    if options.seeds == 1:
        tell(first, console)
    results = run_all(first, options.seeds)
    console.print(rarest(total(results)))
    found = failures(results)
    for text in found[:50]:
        console.print(text, markup=False)
    unanswered = sum(result.excused for result in results)
    requests = sum(result.requests for result in results)
    console.print(
        f"{len(results)} runs, {requests} requests in {time.monotonic() - began:.0f} s: {len(found)} violations; "
        f"nobody could have answered {unanswered} of the requests in time"
    )
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
