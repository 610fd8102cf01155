"""What a suite is run against: a Redis of its own, behind a plain TCP pass-through or behind failsoft.

Everything is fresh for every run: suites leave settings behind that make the next run hang. The pass-through is socat,
which knows nothing of Redis, so that both runs have a process in between and differ in nothing but which it is.
"""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 20

# Taken one by one, by several threads.
PORTS = iter(random.sample(range(10_000, 20_000), 10_000))

# What has been started and not ended, so that an interrupted run leaves no process behind.
RUNNING = set()

# Redis' own continuous integration starts the server of its external tests with these.
REDIS_SETTINGS = ["--save", "", "--enable-debug-command", "yes", "--enable-protected-configs", "yes",
                  "--enable-module-command", "yes"]

# No routes: every key is unclassified and gets exactly what Redis says. A suite provokes errors and stalls on purpose,
# so circuits are set to stay closed and time-outs to the longest there are; what failsoft does when Redis is sick is
# what its own tests are about.
FAILSOFT_SETTINGS = """\
[server]
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{admin}"
max_output_buffer = "1GiB"

[log]
level = "info"

[redis]
nodes = ["redis://127.0.0.1:{redis}"]
timeout = "1m"
connect_timeout = "1m"
max_pending = 1000000
max_dedicated = 100000
probe_interval = "1m"

[request]
deadline = "1m"

[breaker]
failures = 10000
failure_ratio = 1.0
slow_ratio = 1.0
slow_call = "1m"
min_calls = 100000

[local]
capacity = "0"
"""


@contextlib.contextmanager
def stand(through, port=None):
    """The port a suite is to connect to, with a fresh Redis behind it and `through` ("socat", "failsoft") in between."""
    with tempfile.TemporaryDirectory(prefix="failsoft-compat-") as folder, contextlib.ExitStack() as stack:
        folder = pathlib.Path(folder)
        redis = free_port()
        stack.enter_context(redis_server(folder, redis))
        door = port or free_port()
        stack.enter_context({"socat": pass_through, "failsoft": failsoft}[through](folder, door, redis))
        yield Stand(door, folder)


class Stand:
    """Where a suite connects to, and a folder that is there for as long."""

    def __init__(self, port, folder):
        self.port = port
        self.folder = folder

    def logs(self):
        """What the servers have said."""
        return "".join(f"\n== {log.name}\n{log.read_text(errors='replace')}" for log in sorted(self.folder.glob("*.log")))


def redis_server(folder, port):
    command = ["redis-server", "--port", str(port), "--dir", str(folder), "--loglevel", "notice", *REDIS_SETTINGS]
    return process("redis", command, folder, port)


def pass_through(folder, port, redis):
    command = ["socat", "-b", "65536", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=511,nodelay",
               f"TCP:127.0.0.1:{redis},nodelay"]
    return process("socat", command, folder, port)


def failsoft(folder, port, redis):
    settings = folder / "failsoft.toml"
    settings.write_text(FAILSOFT_SETTINGS.format(port=port, admin=free_port(), redis=redis))
    return process("failsoft", [str(failsoft_binary()), "serve", "-c", str(settings)], folder, port)


def failsoft_binary():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return pathlib.Path(os.environ.get("FAILSOFT", target / "release" / "failsoft"))


@contextlib.contextmanager
def process(name, command, folder, port):
    if not shutil.which(command[0]):
        raise SystemExit(f"compat: {command[0]} is missing\nhint: `make compat` installs or builds it")
    with open(folder / f"{name}.log", "wb") as log:
        running = start(command, stdout=log, stderr=log)
    try:
        wait_until_open(name, port, running, folder)
        yield running
    finally:
        end_group(running)


def wait_until_open(name, port, running, folder):
    due = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < due:
        if running.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise SystemExit(f"compat: {name} did not start:\n{(folder / f'{name}.log').read_text(errors='replace')}")


def start(command, **options):
    running = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    RUNNING.add(running)
    return running


def end_everything(*_):
    """What an interrupted run does."""
    # A thread that has just been robbed of its processes may start others.
    while RUNNING:
        end_group(next(iter(RUNNING)))
    os._exit(1)


def end_group(running):
    """Ends a process and what it has started; only its own process group is meant."""
    RUNNING.discard(running)
    for last_resort in (False, True):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL if last_resort else signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(timeout=5)
            return


def run_bounded(command, seconds, **options):
    """What a command printed, and whether it ended by itself within `seconds`."""
    running = start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options)
    try:
        return running.communicate(timeout=seconds)[0], True
    except subprocess.TimeoutExpired:
        end_group(running)
        return running.communicate()[0], False
    finally:
        end_group(running)


def free_port():
    """A port that nobody listens on, and that was not given out before; below those the kernel takes for connections."""
    for port in PORTS:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise SystemExit("compat: no port is free between 10,000 and 20,000")
