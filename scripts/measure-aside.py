#!/usr/bin/env python3
"""What an outage of Redis does to an application that does its own cache-aside, through failsoft and without it.

The application is ordinary: redis-py, `get`; if there is nothing, ask the database and `set` with a time to live; whoever
changes a row deletes its key, and deletes it again a second later, because a reader may have had the old row in hand. Its
database can do so many queries a second and no more: ten at a time, each taking its time, the others in line. Readers come
at a rate, whether or not those before them have been answered, and choose among the keys at random. In the middle Redis is
killed with SIGKILL, and started again half a minute later, empty (`--back empty`) or with what it had saved before (`--back
old`). With `--cold` there is no outage: Redis is empty when the readers come.

    scripts/measure-aside.py                          both sides, Redis empty afterwards
    scripts/measure-aside.py --back old --json
    scripts/measure-aside.py --cold

Told are the share of reads answered within a second, what the database was asked in its busiest second and its busiest
tenth (leaving out the first second after the readers came, and after each change), and how many answers after the recovery
showed less than a row's last change during the outage. (With `--back old` those of before are told too: what Redis had been
told after it last saved, it has forgotten, and nobody tells it again.) It wants a failsoft (`--failsoft`, target/release/failsoft), a
redis-server, and a Python with redis-py (scripts/setup.sh has made one: target/test-clients/venv).
"""

import argparse
import asyncio
import collections
import json
import multiprocessing
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What the application is given before its own caller has had enough.
PATIENCE = 1.0
# Queries that the database works on at once.
AT_ONCE = 10
# Connections of each process of the application: to Redis, and to the database.
CONNECTIONS = 250
# Rows change this many times a second.
UPDATES = 20
# How long Redis may take as far as the application is concerned, and failsoft, which answers for it.
REDIS_TIMEOUT = 0.25
FAILSOFT_TIMEOUT = 0.9
SETTINGS = """
[server]
listen = "127.0.0.1:{listen}"
admin = "127.0.0.1:{admin}"
threads = 1
[redis]
nodes = ["redis://127.0.0.1:{redis}"]
[[routes]]
keys = "page:*"
role = "cache"
ttl = "5m"
max_stale = "10m"
lease_wait = "500ms"
max_misses = {max_misses}
"""


def now():
    return time.clock_gettime(time.CLOCK_MONOTONIC)


class Database:
    """Versions of rows, and no more queries a second than it can do."""

    def __init__(self, capacity):
        self.takes = AT_ONCE / capacity
        self.free = asyncio.Semaphore(AT_ONCE)
        self.versions = collections.defaultdict(int)
        self.asked = []

    async def serve(self, reader, writer):
        try:
            await self.serve_one(reader, writer)
        except ConnectionError:
            pass  # Whoever asked has had enough; the work is done all the same.
        finally:
            writer.close()

    async def serve_one(self, reader, writer):
        while line := await reader.readline():
            what, key = line.decode().split()
            self.asked.append(now())
            async with self.free:
                await asyncio.sleep(self.takes)
                if what == "UPDATE":
                    self.versions[key] += 1
                writer.write(f"{self.versions[key]}\n".encode())
            await writer.drain()


def run_database(path, capacity, told):
    async def main():
        database = Database(capacity)
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: done.done() or done.set_result(None))
        async with await asyncio.start_unix_server(database.serve, path):
            await done
        told.send(database.asked)

    asyncio.run(main())


class Queries:
    """The application's connections to its database."""

    def __init__(self, path):
        self.path, self.idle, self.free = path, [], asyncio.Semaphore(CONNECTIONS)

    async def ask(self, what, key):
        async with self.free:
            return await self.ask_on_one(what, key)

    async def ask_on_one(self, what, key):
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_unix_connection(self.path)
        try:
            writer.write(f"{what} {key}\n".encode())
            version = int(await reader.readline())
        except BaseException:
            writer.close()
            raise
        self.idle.append((reader, writer))
        return version


class Application:
    def __init__(self, port, timeout, database, ttl):
        import redis.asyncio

        pool = redis.asyncio.BlockingConnectionPool(
            port=port, socket_timeout=timeout, socket_connect_timeout=timeout, max_connections=CONNECTIONS,
            timeout=PATIENCE, retry=None,
        )
        self.redis = redis.asyncio.Redis(connection_pool=pool)
        self.down = (redis.ConnectionError, redis.TimeoutError)
        self.errors = redis.RedisError
        self.database, self.ttl = database, ttl

    async def read(self, key):
        """As most do it: a cache that does not answer is one that holds nothing."""
        try:
            value = await self.redis.get(key)
        except self.down:
            value = None
        if value is not None:
            return int(value)
        version = await self.database.ask("GET", key)
        try:
            await self.redis.set(key, version, ex=random.randint(self.ttl // 2, self.ttl))
        except self.errors:
            pass
        return version

    async def update(self, key):
        version = await self.database.ask("UPDATE", key)
        for pause in (0, 1):
            await asyncio.sleep(pause)
            try:
                await self.redis.delete(key)
            except self.errors:
                pass
        return version


async def paced(rate, seconds, act):
    """Begins `act` at a rate, whether or not those before it have ended."""
    begin, tasks = now(), set()
    for nth in range(int(rate * seconds)):
        due = begin + nth / rate
        if due > now():
            await asyncio.sleep(due - now())
        task = asyncio.create_task(act(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    while tasks:
        await asyncio.wait(tasks)


def run_application(options, nth, port, timeout, path, told, start):
    """One process of the application: its reads (due, took, key, version or None), and in the first the updates."""
    reads, updates = [], []
    dice = random.Random(nth)
    keys = [f"page:{n}" for n in range(options.keys)]

    async def main():
        application = Application(port, timeout, Queries(path), options.ttl)
        for _ in range(5):
            await asyncio.gather(*(application.redis.ping() for _ in range(CONNECTIONS)), return_exceptions=True)
        told.send("ready")
        await asyncio.get_running_loop().run_in_executor(None, start.wait)

        async def read(due):
            key = dice.choice(keys)
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + due + PATIENCE - now()):
                    version = await application.read(key)
            except (application.errors, TimeoutError, OSError, ValueError):
                version = None
            reads.append((due, now() - due, key, version))

        async def update(due):
            key = dice.choice(keys)
            try:
                updates.append((key, await application.update(key), now()))
            except (OSError, ValueError):
                pass

        work = [paced(options.rate / options.processes, options.lasts, read)]
        if nth == 0:
            work.append(paced(UPDATES, options.lasts, update))
        await asyncio.gather(*work)

    asyncio.run(main())
    told.send((reads, updates))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    until = now() + 30
    while now() < until:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port}")


def start_redis(port, folder):
    words = ["redis-server", "--port", str(port), "--dir", folder, "--save", "", "--bind", "127.0.0.1"]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    wait_for(port)
    return server


def fill(port, options):
    """Every row as it is at the beginning."""
    import redis

    pipe = redis.Redis(port=port).pipeline(transaction=False)
    for n in range(options.keys):
        pipe.set(f"page:{n}", 0, ex=random.randint(options.ttl // 2, options.ttl))
    pipe.execute()


def start_failsoft(options, redis, folder):
    listen, admin = free_port(), free_port()
    file = pathlib.Path(folder) / "failsoft.toml"
    file.write_text(SETTINGS.format(listen=listen, admin=admin, redis=redis, max_misses=options.max_misses))
    log = open(pathlib.Path(folder) / "failsoft.log", "w")
    sidecar = subprocess.Popen([options.failsoft, "serve", "-c", str(file)], stdout=log, stderr=log)
    wait_for(listen)
    return sidecar, listen, admin


def metrics(admin):
    import urllib.request

    page = urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics").read().decode()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if "failsoft_lease" in line and line[0] != "#"}


def measure(options, side):
    with tempfile.TemporaryDirectory(prefix="aside-") as folder:
        port, path = free_port(), f"{folder}/database"
        server = start_redis(port, folder)
        sidecar = admin = None
        to, timeout = port, REDIS_TIMEOUT
        if side == "failsoft":
            sidecar, to, admin = start_failsoft(options, port, folder)
            timeout = FAILSOFT_TIMEOUT
        pipes = [multiprocessing.Pipe(duplex=False) for _ in range(options.processes + 1)]
        database = multiprocessing.Process(target=run_database, args=(path, options.capacity, pipes[-1][1]))
        database.start()
        while not os.path.exists(path):
            time.sleep(0.02)
        if not options.cold:
            fill(port, options)
        start = multiprocessing.Event()
        readers = [
            multiprocessing.Process(target=run_application, args=(options, nth, to, timeout, path, pipes[nth][1], start))
            for nth in range(options.processes)
        ]
        for reader in readers:
            reader.start()
        for nth in range(options.processes):
            pipes[nth][0].recv()
        begin = now()
        start.set()
        gone = back = None
        if not options.cold:
            time.sleep(options.before)
            if options.back == "old":
                subprocess.run(["redis-cli", "-p", str(port), "SAVE"], check=True, stdout=subprocess.DEVNULL)
                time.sleep(5)
            server.kill()
            server.wait()
            gone = now()
            time.sleep(options.outage)
            server = start_redis(port, folder)
            back = now()
        told = [pipes[nth][0].recv() for nth in range(options.processes)]
        leases = metrics(admin) if admin else {}
        database.terminate()
        asked = pipes[-1][0].recv()
        for process in [*readers, database]:
            process.join()
        for process in (sidecar, server):
            if process:
                process.terminate()
                process.wait()
    reads = [read for own, _ in told for read in own]
    updates = [update for _, own in told for update in own]
    return judge(options, reads, updates, asked, [at for at in (begin, gone, back) if at], leases)


def judge(options, reads, updates, asked, changes, leases):
    def share(chosen):
        chosen = list(chosen)
        answered = sum(version is not None and took <= PATIENCE for _, took, _, version in chosen)
        return 100 * answered / len(chosen) if chosen else None

    figures = {"reads": len(reads), "answered": share(reads)}
    names = ["before", "outage", "after"]
    edges = [*changes, float("inf")]
    for name, since, until in zip(names, edges, edges[1:]):
        figures[f"answered_{name}"] = share(read for read in reads if since <= read[0] < until)
    took = sorted(took for _, took, _, version in reads if version is not None)
    figures |= {f"p{part}_ms": 1e3 * took[len(took) * part // 100] for part in (50, 95, 99)}
    calm = [at for at in asked if not any(change <= at < change + 1 for change in changes)]
    figures |= {"queries": len(asked), "busiest_second": busiest(calm, 1), "busiest_tenth": busiest(calm, 0.1)}
    figures |= {"busiest_second_of_all": busiest(asked, 1)}
    if len(changes) == 3:
        late = [(key, version) for due, took, key, version in reads if due > changes[2] and version is not None]
        for name, since, until in (("outage", changes[1], changes[2]), ("before", 0, changes[1])):
            known = collections.defaultdict(int)
            for key, version, at in updates:
                if since <= at < until:
                    known[key] = max(known[key], version)
            figures[f"rows_changed_{name}"] = len(known)
            figures[f"stale_of_{name}"] = sum(version < known.get(key, 0) for key, version in late)
    return figures | {"leases": leases}


def busiest(moments, width):
    """The most of them in any window of this width, in seconds."""
    moments, first, most = sorted(moments), 0, 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - width:
            first += 1
        most = max(most, last - first + 1)
    return most


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--failsoft", default=str(ROOT / "target/release/failsoft"))
    parser.add_argument("--side", choices=["failsoft", "direct", "both"], default="both")
    parser.add_argument("--back", choices=["empty", "old"], default="empty")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--rate", type=int, default=2_000, help="reads a second")
    parser.add_argument("--keys", type=int, default=5_000)
    parser.add_argument("--capacity", type=int, default=500, help="queries a second that the database can do")
    parser.add_argument("--max-misses", type=int, default=450)
    parser.add_argument("--ttl", type=int, default=300)
    parser.add_argument("--before", type=int, default=20)
    parser.add_argument("--outage", type=int, default=30)
    parser.add_argument("--after", type=int, default=20)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    saved = 5 if options.back == "old" else 0
    options.lasts = options.before if options.cold else options.before + saved + options.outage + options.after
    sides = ["failsoft", "direct"] if options.side == "both" else [options.side]
    told = {}
    for side in sides:
        print(f"{side}: {options.lasts} s ...", file=sys.stderr)
        told[side] = measure(options, side)
    if options.json:
        json.dump(told, sys.stdout, indent=2)
        return
    for figure in next(iter(told.values())):
        if figure != "leases":
            values = [told[side][figure] for side in sides]
            print(f"{figure:<26}" + "".join(f"{value if value is not None else '-':>14.6g}" for value in values))


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
