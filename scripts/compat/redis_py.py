"""redis-py's own tests, file by file, in both protocols, each with a Redis of its own.

Tests that need something else than one plain Redis (a cluster, Sentinel, modules, TLS) are left out: they say nothing.
"""

import os
import pathlib
import subprocess
import xml.etree.ElementTree

from compare import Suite
from stand import ROOT, run_bounded, stand

VERSION = "8.1.0"
CACHE = ROOT / "target" / "compat" / f"redis-py-{VERSION}"
PYTHON = ROOT / "target" / "compat" / "redis-py-venv" / "bin" / "python"

FILE_SECONDS = 900
ELSEWHERE = ["ssl", "cluster", "sentinel", "bloom", "json", "search", "timeseries", "vsets", "multidb", "scenario",
             "observability", "maint_notifications", "auth", "credentials", "http"]
MARKS = "not onlycluster and not redismod and not ssl and not cp_integration and not multidb_integration"


class RedisPy(Suite):
    name = "redis-py"

    def __init__(self, options):
        self.source = source()

    def version(self):
        return f"redis-py {VERSION}, tests/"

    def parts(self):
        files = sorted(self.source.glob("tests/**/test_*.py"))
        names = [str(path.relative_to(self.source)) for path in files]
        return [f"resp{protocol}:{name}" for protocol in (2, 3) for name in names
                if not any(word in name.removeprefix("tests/") for word in ELSEWHERE)]

    def run(self, part, through):
        protocol, name = part.removeprefix("resp").split(":", 1)
        with stand(through) as place:
            results = place.folder / "results.xml"
            command = [str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", MARKS, "--protocol", protocol,
                       "--redis-url", f"redis://127.0.0.1:{place.port}/0", "--junitxml", str(results), name]
            printed, ended = run_bounded(command, FILE_SECONDS, cwd=self.source,
                                         env={**os.environ, "PYTHONPATH": str(self.source), "PYTHONDONTWRITEBYTECODE": "1"})
            found = outcomes(results) if results.exists() else {}
            if not ended:
                found["(the whole file)"] = "failed"
            elif not results.exists():
                raise SystemExit(f"compat: pytest did not run {part}:\n{printed}")
            return found, printed + place.logs()


def outcomes(results):
    found = {}
    for case in xml.etree.ElementTree.parse(results).iter("testcase"):
        words = {child.tag for child in case}
        outcome = "failed" if words & {"failure", "error"} else "skipped" if "skipped" in words else "passed"
        name = f"{case.get('classname').rpartition('.')[2]}.{case.get('name')}"
        found[name] = "failed" if found.get(name) == "failed" else outcome
    return found


def source():
    """The folder of redis-py's source: $REDIS_PY_SOURCE, else PyPI's source archive, unpacked under target/."""
    given = os.environ.get("REDIS_PY_SOURCE")
    folder = pathlib.Path(given) if given else CACHE
    if not given and not (folder / "tests").exists():
        download(folder)
    if not (folder / "tests" / "conftest.py").exists():
        raise SystemExit(f"compat: there is no tests/conftest.py in {folder}")
    return folder


def download(folder):
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([str(PYTHON), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
                    "--dest", str(folder.parent), f"redis=={VERSION}"], check=True)
    archive = folder.parent / f"redis-{VERSION}.tar.gz"
    subprocess.run(["tar", "xzf", str(archive), "-C", str(folder), "--strip-components=1"], check=True)
