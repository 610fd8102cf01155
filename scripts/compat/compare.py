"""Running one suite through both, and telling what differs.

A part of a suite (a file) in which a test differs without an explanation is run again, both ways, up to TRIES times. A test
that passed every time behind the pass-through and did not every time behind failsoft is different, also if it failed once
only: luck explains nothing. The reverse counts as well. One that is unsteady behind the pass-through too is told, and counts
as the suite's own. Each difference has to be explained in docs/compat/SUITE.txt, or the exit status is 1. What such a test
leaves behind when it fails can spoil every test after it; so those that do are left out, both ways, and listed there as well.
"""

import collections
import concurrent.futures
import re
import sys
import time

from stand import ROOT

TRIES = 3
PLAIN, OURS = "socat", "failsoft"
EXPLANATIONS = ROOT / "docs" / "compat"


class Suite:
    """What a suite must say about itself."""

    name = None
    # Whether there can be only one run of it at a time.
    alone = False

    def version(self):
        raise NotImplementedError

    def parts(self):
        raise NotImplementedError

    def left_out(self, part):
        """Names of tests of a part that are not to be run."""
        prefix = f"{part}: "
        return [name.removeprefix(prefix) for name in explanations(self, "left out") if name.startswith(prefix)]

    def run(self, part, through):
        """Outcome by test name ("passed", "failed", "skipped"), and everything that was printed."""
        raise NotImplementedError


class Verdict:
    """What one test did, all tries together: the set of its outcomes each way."""

    def __init__(self, name):
        self.name = name
        self.outcomes = {PLAIN: set(), OURS: set()}

    def kind(self):
        plain, ours = self.outcomes[PLAIN], self.outcomes[OURS]
        if plain == ours and len(plain) == 1:
            return "same"
        return "unsteady" if len(plain) > 1 else "different"

    def words(self):
        return f"{' or '.join(sorted(self.outcomes[PLAIN]))} -> {' or '.join(sorted(self.outcomes[OURS]))}"


def compare(suite, parts, logs, tries, jobs):
    """The verdict on every test of these parts, by name."""
    verdicts = {}
    with concurrent.futures.ThreadPoolExecutor(1 if suite.alone else jobs) as pool:
        for judged in pool.map(lambda part: compare_part(suite, part, logs, tries), parts):
            verdicts.update(judged)
    return verdicts


def compare_part(suite, part, logs, tries):
    started, explained = time.monotonic(), explanations(suite, "different")
    for attempt in range(1, tries + 1):
        runs = {}
        for through in (PLAIN, OURS):
            runs[through], printed = suite.run(part, through)
            (logs / f"{suite.name}-{part.replace('/', '-')}-{through}-{attempt}.log").write_text(printed)
        if attempt == 1:
            judged = {}
        for test in runs[PLAIN].keys() | runs[OURS].keys():
            verdict = judged.setdefault(test, Verdict(f"{part}: {test}"))
            for through in (PLAIN, OURS):
                verdict.outcomes[through].add(runs[through].get(test, "not run"))
        differ = [test for test in judged if runs[PLAIN].get(test) != runs[OURS].get(test)]
        if all(reason_for(f"{part}: {test}", explained) for test in differ):
            break
    counts = collections.Counter(verdict.kind() for verdict in judged.values())
    say(f"{part}: {counts['same']} same, {counts['different']} different, {counts['unsteady']} unsteady"
        f" ({time.monotonic() - started:.0f} s)")
    return {verdict.name: verdict for verdict in judged.values()}


def report(suite, verdicts, whole):
    """Prints the counts and every difference; true if all of them are explained."""
    explained = explanations(suite, "different")
    counts = collections.Counter(verdict.kind() for verdict in verdicts.values())
    passed = sum(verdict.outcomes[PLAIN] == {"passed"} for verdict in verdicts.values())
    different = [verdict for verdict in verdicts.values() if verdict.kind() == "different"]
    reasons = {verdict.name: reason_for(verdict.name, explained) for verdict in different}
    left_out = explanations(suite, "left out")
    print(f"{suite.name} ({suite.version()}): {len(verdicts)} tests, {passed} pass behind the pass-through;"
          f" {counts['same']} same, {counts['different']} different, {counts['unsteady']} unsteady behind both,"
          f" {len(left_out)} left out")
    for verdict in verdicts.values():
        if verdict.kind() == "unsteady":
            print(f"  unsteady     {verdict.name}: {verdict.words()}")
    for verdict in different:
        mark = "explained  " if reasons[verdict.name] else "UNEXPLAINED"
        print(f"  {mark}  {verdict.name}: {verdict.words()}")
    for name in left_out:
        print(f"  left out     {name}")
    if whole:
        for pattern in explained:
            if not any(matches(pattern, name) for name in reasons):
                print(f"  not needed   {pattern}")
    return all(reasons.values())


def explanations(suite, what):
    """Reason by pattern for `part: test`, from the lines `what | pattern | reason`."""
    path = EXPLANATIONS / f"{suite.name}.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [line.split(" | ", 2) for line in lines if line.strip() and not line.startswith("#")]
    return {pattern.strip(): reason.strip() for kind, pattern, reason in rows if kind.strip() == what}


def reason_for(name, explained):
    return next((reason for pattern, reason in explained.items() if matches(pattern, name)), None)


def matches(pattern, name):
    """Brackets are part of names, so only `*` means something."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def say(text):
    print(f"compat: {text}", file=sys.stderr, flush=True)
