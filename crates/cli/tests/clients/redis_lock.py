"""redis-py's own lock on a lock route, unmodified, beside FAILSOFT LOCK on the same key. argv: port, phase (well, away)."""

import sys
import threading
import time

import redis
from redis.exceptions import LockError, LockNotOwnedError
from redis.lock import Lock

port, phase = int(sys.argv[1]), sys.argv[2]
client = redis.Redis(port=port, socket_timeout=20)
NAME = "lock:shared"


def check(got, expected):
    assert got == expected, f"{got!r} is not {expected!r}"


def refused(call, kind, *words):
    try:
        got = call()
    except kind as error:
        assert not words or any(word in str(error) for word in words), f"{error!r}"
        return
    raise AssertionError(f"answered {got!r}, and an error was due")


def failsoft(*words):
    return client.execute_command("FAILSOFT", *words)


def while_all_is_well():
    lock = Lock(client, NAME, timeout=10)
    assert lock.acquire(blocking=False)
    assert lock.owned() and lock.locked()
    check(failsoft("LOCK", NAME, 10_000), None)
    refused(lambda: failsoft("UNLOCK", NAME, 1), redis.RedisError, "NOTHELD")
    assert lock.extend(5)
    assert lock.reacquire()
    lock.release()
    token = failsoft("LOCK", NAME, 10_000)
    assert not Lock(client, NAME, timeout=10).acquire(blocking=False)
    refused(lock.release, LockError)
    stranger = Lock(client, NAME, timeout=10)
    stranger.local.token = b"not mine"
    refused(stranger.release, LockNotOwnedError)
    check(failsoft("EXTEND", NAME, token, 10_000), 1)
    waiting = Lock(client, NAME, timeout=10, sleep=0.01, blocking_timeout=20)
    threading.Timer(0.1, lambda: failsoft("UNLOCK", NAME, token)).start()
    assert waiting.acquire()
    waiting.release()
    assert failsoft("LOCK", NAME, 10_000) > token
    check(client.delete(NAME), 1)
    many()


def many():
    """Threads that count with a lock around the counting lose nothing."""
    count = {"value": 0}

    def work():
        own = redis.Redis(port=port, socket_timeout=20)
        for _ in range(10):
            with own.lock("lock:count", timeout=20, sleep=0.002, blocking_timeout=30):
                seen = count["value"]
                time.sleep(0.0005)
                count["value"] = seen + 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    check(count["value"], 80)


def while_redis_is_away():
    lock = Lock(client, NAME, timeout=10)
    for call in (lambda: lock.acquire(blocking=False), lambda: client.get(NAME), lambda: failsoft("LOCK", NAME, 1000)):
        refused(call, redis.RedisError, "UNAVAILABLE", "OUTCOMEUNKNOWN")


{"well": while_all_is_well, "away": while_redis_is_away}[phase]()
print("fine")
