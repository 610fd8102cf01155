"""Other people's tests, through failsoft and without it, compared test by test.

    scripts/compat.sh                     every suite
    scripts/compat.sh tcl                 one: tcl, redis-py, ioredis
    scripts/compat.sh tcl --part unit/multi --part 'singledb:*'
    scripts/compat.sh tcl --only socat    what the suite does without failsoft

What each run printed stays under target/compat/logs. The exit status is 1 if a difference is not explained.
"""

import argparse
import signal
import sys

from compare import OURS, PLAIN, TRIES, compare, matches, report, say
from stand import ROOT, end_everything
from ioredis import IoRedis
from redis_py import RedisPy
from tcl import Tcl

SUITES = {suite.name: suite for suite in (Tcl, RedisPy, IoRedis)}


def main():
    options = arguments()
    for interruption in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(interruption, end_everything)
    logs = ROOT / "target" / "compat" / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    explained = True
    for name in [options.suite] if options.suite else SUITES:
        suite = SUITES[name](options)
        if options.prepare:
            continue
        parts = suite.parts()
        if options.part:
            parts = [part for part in parts if any(matches(f"*{wanted}", part) for wanted in options.part)]
        if options.only:
            for part in parts:
                look(suite, part, options.only, logs)
            continue
        explained &= report(suite, compare(suite, parts, logs, options.tries, options.jobs), whole=not options.part)
    sys.exit(0 if explained else 1)


def look(suite, part, through, logs):
    outcomes, printed = suite.run(part, through)
    (logs / f"{suite.name}-{part.replace('/', '-')}-{through}-only.log").write_text(printed)
    say(f"{part}: {sum(outcome == 'passed' for outcome in outcomes.values())} of {len(outcomes)} pass")
    for test, outcome in outcomes.items():
        if outcome == "failed":
            print(f"  {part}: {test}")


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/compat.sh", description=__doc__.splitlines()[0])
    parser.add_argument("suite", nargs="?", choices=SUITES, help="one suite only")
    parser.add_argument("--part", action="append", help="one part of it only: a pattern for its end; may be repeated")
    parser.add_argument("--only", choices=[PLAIN, OURS], help="one way only, nothing is compared")
    parser.add_argument("--prepare", action="store_true", help="only download what is needed")
    parser.add_argument("--tries", type=int, default=TRIES, help=f"runs of a part that differs (default {TRIES})")
    parser.add_argument("--jobs", type=int, default=2, help="parts at the same time (default 2)")
    parser.add_argument("--tags", default="-slow", help="of the TCL suite (default -slow, as in Redis' own runs of this kind)")
    return parser.parse_args()


main()
