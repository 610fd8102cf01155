"""Python's limits, unmodified: exact while Redis is there, an error of its own while Redis is away."""

import sys

import redis
from limits import RateLimitItemPerHour, storage, strategies
from limits.errors import StorageError

port, state = sys.argv[1], sys.argv[2]


def strategies_at(stance, **options):
    store = storage.RedisStorage(f"redis://127.0.0.1:{port}/0?socket_timeout=10", key_prefix=stance, **options)
    kinds = (strategies.FixedWindowRateLimiter, strategies.MovingWindowRateLimiter, strategies.SlidingWindowCounterRateLimiter)
    return [(kind.__name__, kind(store)) for kind in kinds]


def well():
    for stance in ("closed", "open", "local"):
        for name, limiter in strategies_at(stance):
            item = RateLimitItemPerHour(7)
            hits = [limiter.hit(item, name) for _ in range(10)]
            assert hits == [True] * 7 + [False] * 3, (stance, name, hits)
            assert not limiter.test(item, name)
            limiter.clear(item, name)
            assert limiter.hit(item, name), (stance, name)


def away():
    for stance in ("closed", "open", "local"):
        for name, limiter in strategies_at(stance):
            try:
                limiter.hit(RateLimitItemPerHour(7), name)
            except redis.exceptions.ResponseError as error:
                assert "UNAVAILABLE" in str(error), error
            else:
                raise AssertionError(f"{stance} {name} was let through")
        for name, limiter in strategies_at(stance, wrap_exceptions=True):
            try:
                limiter.hit(RateLimitItemPerHour(7), name)
            except StorageError:
                pass
            else:
                raise AssertionError(f"{stance} {name} was let through")
    counting()


def counting():
    """What many applications write by hand, one of two instances: half the limit, rounded up."""
    client = redis.Redis(port=int(port), socket_timeout=10)
    passed = 0
    for _ in range(20):
        count = client.incr("local:by-hand")
        if count == 1:
            client.expire("local:by-hand", 60)
        passed += count <= 7
    assert passed == 4, passed
    with client.pipeline(transaction=False) as pipe:
        assert pipe.incr("local:piped").expire("local:piped", 60).execute() == [1, True]
    try:
        with client.pipeline() as pipe:
            pipe.incr("local:transaction").expire("local:transaction", 60).execute()
    except redis.exceptions.RedisError:
        pass
    else:
        raise AssertionError("a transaction was answered without Redis")


{"well": well, "away": away}[state]()
print("fine")
