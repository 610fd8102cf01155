"""redis-py's RedisCluster as a user of failsoft's own that may touch few keys. argv: port."""

import sys

import redis
from redis.cluster import RedisCluster

client = RedisCluster(host="127.0.0.1", port=int(sys.argv[1]), username="tenant", password="letmein", socket_timeout=20)
for at in range(20):
    assert client.set(f"tenant:{at}", at)
    assert client.get(f"tenant:{at}") == str(at).encode()
for refused in [lambda: client.get("other"), lambda: client.mget_nonatomic("tenant:1", "other"), client.flushall]:
    try:
        refused()
    except redis.exceptions.NoPermissionError:
        continue
    raise AssertionError("it was let through")
print("redis-py: fine")
