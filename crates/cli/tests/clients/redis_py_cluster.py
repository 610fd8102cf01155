"""redis-py's RedisCluster, against the sidecar before a cluster. argv: port, phase (well, moving), protocol if not the default."""

import sys

import redis
from redis.cluster import RedisCluster

port, phase = int(sys.argv[1]), sys.argv[2]
protocol = {"protocol": int(sys.argv[3])} if sys.argv[3:] else {}
client = RedisCluster(host="127.0.0.1", port=port, socket_timeout=20, **protocol)
KEYS = [f"key:{at}" for at in range(300)]


def check(got, expected):
    assert got == expected, f"{got!r} is not {expected!r}"


def well():
    nodes = client.get_nodes()
    check([(node.host, node.port, node.server_type) for node in nodes], [("127.0.0.1", port, "primary")])
    for key in KEYS:
        assert client.set(key, f"value of {key}")
    for key in KEYS:
        check(client.get(key), f"value of {key}".encode())
    check(client.mget_nonatomic(KEYS), [f"value of {key}".encode() for key in KEYS])
    assert client.mset_nonatomic({key: "new" for key in KEYS})
    check(client.exists(*KEYS), len(KEYS))
    check(client.touch(*KEYS), len(KEYS))
    check(set(client.scan_iter("key:*")), {key.encode() for key in KEYS})
    check(set(client.keys("key:*")), {key.encode() for key in KEYS})
    assert client.dbsize() >= len(KEYS)
    check(client.delete(*KEYS[:100]), 100)
    check(client.unlink(*KEYS[100:]), 200)
    pipe = client.pipeline()
    for key in KEYS:
        pipe.set(key, 1).incr(key)
    check(pipe.execute(), [True, 2] * len(KEYS))
    check(client.eval("return redis.call('GET', KEYS[1])", 1, KEYS[0]), b"2")
    with client.pipeline(transaction=True) as pipe:
        check(pipe.set("{t}a", 1).incr("{t}a").get("{t}a").execute()[1:], [2, b"2"])
    check(client.cluster_keyslot("foo"), 12182)
    client.rpush("queue", "first")
    check(list(client.blpop("queue", timeout=10)), [b"queue", b"first"])
    subscriptions()
    assert client.ping()


def subscriptions():
    listener = client.pubsub()
    listener.subscribe("news")
    check(listener.get_message(timeout=10)["type"], "subscribe")
    client.publish("news", "hello")
    check(listener.get_message(timeout=10)["data"], b"hello")
    listener.close()


def moving():
    """Until somebody says stop, nothing may fail and nothing may be lost."""
    rounds = 0
    client.set("begun", "now")
    while client.get("stop") is None:
        rounds += 1
        for key in KEYS:
            assert client.set(key, rounds)
            check(client.get(key), str(rounds).encode())
        check(client.mget_nonatomic(KEYS), [str(rounds).encode()] * len(KEYS))
    assert rounds > 0


{"well": well, "moving": moving}[phase]()
print(f"redis-py {redis.__version__} {phase}: fine")
