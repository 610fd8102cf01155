"""redis-py as applications use it, against the sidecar. argv: port, phase (well, away), protocol if not the default."""

import sys
import threading

import redis

port, phase = int(sys.argv[1]), sys.argv[2]
protocol = {"protocol": int(sys.argv[3])} if sys.argv[3:] else {}
client = redis.Redis(port=port, socket_timeout=20, client_name="a-name", **protocol)
BINARY = bytes(range(256)) + b"\r\n$-1\r\n" + "é".encode()


def check(got, expected):
    assert got == expected, f"{got!r} is not {expected!r}"


def refused(call, *words):
    try:
        got = call()
    except redis.RedisError as error:
        assert any(word in str(error) for word in words), f"{error!r}"
        return
    raise AssertionError(f"answered {got!r}, and an error was due")


def while_all_is_well():
    assert client.ping()
    check(client.echo("hello"), b"hello")
    assert client.client_getname() in ("a-name", b"a-name")
    assert client.set("plain", BINARY, ex=100)
    check(client.get("plain"), BINARY)
    check(client.get("nowhere"), None)
    check(client.exists("plain", "nowhere"), 1)
    check(client.mget("page:kept", "user:7", "nowhere"), [b"kept", b'{"id":7,"name":"users 7"}', None])
    check(client.mget(["user:8"]), [b'{"id":8,"name":"users 8"}'])
    check(client.get("user:9"), b'{"id":9,"name":"users 9"}')
    client.hset("hash", mapping={"a": 1, "b": BINARY})
    check(client.hgetall("hash"), {b"a": b"1", b"b": BINARY})
    check(client.hmget("hash", "b", "c"), [BINARY, None])
    check([client.incr("counter") for _ in range(3)], [1, 2, 3])
    check(client.eval("return {KEYS[1], ARGV[1], 3}", 1, "plain", "x"), [b"plain", b"x", 3])
    check(sorted(client.scan_iter("counter*")), [b"counter"])
    refused(lambda: client.hgetall("plain"), "WRONGTYPE", "wrong kind of value")
    refused(lambda: client.execute_command("NOSUCHCOMMAND"), "unknown command")
    pipelines()
    connections_of_their_own()
    assert client.ping(), "the connection is of use after an error"
    threads()


def connections_of_their_own():
    check(client.pipeline(transaction=True).set("a", 1).get("a").execute(), [True, b"1"])
    check(client.transaction(lambda pipe: (pipe.get("a"), pipe.multi(), pipe.incr("a")), "a"), [2])
    with client.pipeline() as pipe:
        pipe.watch("a")
        client.set("a", 7)
        pipe.multi()
        refused(lambda: pipe.incr("a").execute(), "Watched variable changed")
    listener = client.pubsub()
    listener.subscribe("news")
    check(listener.get_message(timeout=10)["type"], "subscribe")
    check(client.publish("news", "hello"), 1)
    check(listener.get_message(timeout=10)["data"], b"hello")
    listener.close()
    client.rpush("queue", "first")
    check(list(client.blpop("queue", timeout=10)), [b"queue", b"first"])
    check(client.blpop("queue", timeout=0.01), None)
    client.delete("queue")


def pipelines():
    pipe = client.pipeline(transaction=False)
    for at in range(1000):
        pipe.set(f"p:{at}", f"{at}".encode() + BINARY)
        pipe.get(f"p:{at}")
    expected = [reply for at in range(1000) for reply in (True, f"{at}".encode() + BINARY)]
    check(pipe.execute(), expected)
    mixed = client.pipeline(transaction=False).get("plain").hgetall("plain").get("user:10")
    replies = mixed.execute(raise_on_error=False)
    check(replies[0], BINARY)
    assert isinstance(replies[1], redis.ResponseError), replies[1]
    check(replies[2], b'{"id":10,"name":"users 10"}')


def threads():
    wrong = []

    def work(own):
        for at in range(200):
            client.set(f"t:{own}", f"{own}/{at}")
            got = client.get(f"t:{own}")
            if got != f"{own}/{at}".encode():
                wrong.append((own, at, got))

    workers = [threading.Thread(target=work, args=(own,)) for own in range(8)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    check(wrong, [])


def while_redis_is_away():
    assert client.ping()
    for _ in range(50):
        check(client.get("page:kept"), b"kept")
        check(client.get("user:7"), b'{"id":7,"name":"users 7"}')
        check(client.mget("user:7", "page:kept", "user:77"), [b'{"id":7,"name":"users 7"}', b"kept", b'{"id":77,"name":"users 77"}'])
        check(client.get("plan:1"), b"free")
        refused(lambda: client.get("session:1"), "UNAVAILABLE")
        refused(lambda: client.set("session:1", "x"), "UNAVAILABLE", "OUTCOMEUNKNOWN")
        refused(lambda: client.pipeline(transaction=True).set("a", 1).execute(), "UNAVAILABLE")
    replies = client.pipeline(transaction=False).get("page:kept").get("session:1").get("plan:2").execute(raise_on_error=False)
    check((replies[0], replies[2]), (b"kept", b"free"))
    assert "UNAVAILABLE" in str(replies[1]), replies[1]


{"well": while_all_is_well, "away": while_redis_is_away}[phase]()
print(f"redis-py {redis.__version__} {phase}: fine")
