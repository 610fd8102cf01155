"""ioredis' own functional tests, file by file, each with a Redis of its own.

They connect to port 6379, so the whole comparison runs in a network of its own where the machine allows it (see
scripts/compat.sh), and says so where it does not and the port is taken. ioredis' packages carry no tests: $IOREDIS_SOURCE
names a checkout of the tag, else one is cloned from GitHub.
"""

import json
import os
import pathlib
import subprocess

from compare import Suite
from stand import ROOT, run_bounded, stand

VERSION = "5.11.1"
REPOSITORY = "https://github.com/redis/ioredis"
CACHE = ROOT / "target" / "compat" / f"ioredis-{VERSION}"

PORT = 6379
FILE_SECONDS = 300
ELSEWHERE = ["cluster/", "sentinel", "tls", "elasticache", "exports"]


class IoRedis(Suite):
    name = "ioredis"
    alone = True

    def __init__(self, options):
        self.source = source()

    def version(self):
        return f"ioredis {VERSION}, test/functional/"

    def parts(self):
        folder = self.source / "test" / "functional"
        names = sorted(str(path.relative_to(folder)) for path in folder.glob("**/*.ts"))
        return [name for name in names if not any(word in name for word in ELSEWHERE)]

    def run(self, part, through):
        with stand(through, port=PORT) as place:
            results = place.folder / "results.json"
            command = ["node_modules/.bin/mocha", "--no-experimental-strip-types", "--reporter", "json",
                       "--reporter-option", f"output={results}", "test/helpers/*.ts", f"test/functional/{part}"]
            environment = {**os.environ, "TS_NODE_TRANSPILE_ONLY": "true", "NODE_ENV": "test"}
            printed, ended = run_bounded(command, FILE_SECONDS, cwd=self.source, env=environment)
            found = outcomes(results) if results.exists() else {}
            if not ended or not results.exists():
                found["(the whole file)"] = "failed"
            return found, printed + (results.read_text() if results.exists() else "") + place.logs()


def outcomes(results):
    told = json.loads(results.read_text())
    words = (("passes", "passed"), ("failures", "failed"), ("pending", "skipped"))
    return {test["fullTitle"]: outcome for key, outcome in words for test in told[key]}


def source():
    """The folder of ioredis' source with what its tests need installed."""
    given = os.environ.get("IOREDIS_SOURCE")
    folder = pathlib.Path(given) if given else CACHE
    if not given and not folder.exists():
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", "--branch", f"v{VERSION}", REPOSITORY, str(folder)],
                       check=True)
    if not (folder / "test" / "functional").exists():
        raise SystemExit(f"compat: there is no test/functional in {folder}")
    if not (folder / "node_modules" / "mocha").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder,
                       check=True, stdout=subprocess.DEVNULL)
    return folder
