"""Redis' own suite in external-server mode, file by file, each with a Redis of its own.

Twice: as it comes, where every connection of the suite selects database 9 and so has a state, and with `--singledb`, where
a connection has none until a test gives it one. Through failsoft these are two different paths.
"""

import os
import pathlib
import random
import re
import shutil
import subprocess

from compare import Suite
from stand import ROOT, run_bounded, stand

VERSION = "7.0.15"
CACHE = ROOT / "target" / "compat" / f"redis-{VERSION}"

# A file that makes no progress for this long hangs; one that takes longer altogether is ended.
STALL_SECONDS = 180
FILE_SECONDS = 900

LINE = re.compile(r"\[(?P<word>ok|err|ignore|skip|exception|TIMEOUT)\]: (?P<rest>.*)")
MODES = {"own-database": [], "singledb": ["--singledb"]}


class Tcl(Suite):
    name = "tcl"

    def __init__(self, options):
        self.source = source()
        self.units = units(self.source)
        self.tags = options.tags

    def version(self):
        return f"Redis {VERSION}, tests/"

    def parts(self):
        return [f"{mode}:{unit}" for mode in MODES for unit in self.units]

    def run(self, part, through):
        mode, unit = part.split(":", 1)
        with stand(through) as place:
            command = [tclsh(), "tests/test_helper.tcl", "--host", "127.0.0.1", "--port", str(place.port), "--single", unit,
                       "--durable", "--timeout", str(STALL_SECONDS), "--baseport", str(base_port()), *MODES[mode]]
            for name in self.left_out(part):
                command += ["--skiptest", name]
            if self.tags:
                command += ["--tags", self.tags]
            printed, ended = run_bounded(command, FILE_SECONDS, cwd=self.source, env={**os.environ, "TERM": "dumb"})
            return outcomes(printed, ended), printed + place.logs()


def outcomes(printed, ended):
    """Test name to outcome, from what the suite prints. A name that comes again is told apart by its count."""
    if "Testing " not in printed:
        raise SystemExit(f"compat: the suite did not start:\n{printed}")
    found, seen = {}, {}
    for line in printed.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        word, rest = match["word"], match["rest"]
        if word in ("ok", "err"):
            name = re.sub(r" \(\d+ ms\)$", "", rest) if word == "ok" else re.sub(r" in tests/\S+$", "", rest)
            seen[name] = seen.get(name, 0) + 1
            found[name if seen[name] == 1 else f"{name} #{seen[name]}"] = "passed" if word == "ok" else "failed"
        elif word in ("exception", "TIMEOUT"):
            found["(the whole file)"] = "failed"
    if not ended or "The End" not in printed:
        found["(the whole file)"] = "failed"
    return found


def base_port():
    """Where the suite looks for a port for its own coordination; below what the kernel gives to others."""
    return random.randrange(22_100, 32_000)


def units(source):
    printed = subprocess.run([tclsh(), "tests/test_helper.tcl", "--list-tests"], cwd=source, capture_output=True, text=True,
                             check=True).stdout
    return printed.split()


def tclsh():
    return shutil.which("tclsh8.6") or shutil.which("tclsh") or "tclsh"


def source():
    """The folder of Redis' source: $REDIS_SOURCE, else what `scripts/setup.sh compat` has unpacked under target/."""
    folder = pathlib.Path(os.environ.get("REDIS_SOURCE", CACHE))
    if not (folder / "tests" / "test_helper.tcl").exists():
        raise SystemExit(f"compat: there is no tests/test_helper.tcl in {folder}\nhint: `make compat` gets Redis' source")
    borrow_programs(folder)
    return folder


def borrow_programs(folder):
    """The suite looks for redis-cli and its like where a build would have put them."""
    for name in ("redis-server", "redis-cli", "redis-benchmark"):
        place, program = folder / "src" / name, shutil.which(name)
        if program and not place.exists():
            place.symlink_to(program)
