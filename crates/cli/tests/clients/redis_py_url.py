"""redis-py on a URL, or on a port with TLS: the carrier must not show. argv: keyword arguments of redis.Redis as JSON."""

import json
import sys

import redis

client = redis.Redis(socket_timeout=30, **json.loads(sys.argv[1]))
BIG = bytes(range(256)) * (1 << 17)  # 32 MiB


def check(got, expected):
    assert got == expected, f"{str(got)[:200]} is not {str(expected)[:200]}"


assert client.ping()
check(client.set("carrier:big", BIG), True)
check(client.get("carrier:big"), BIG)
check(client.get("nowhere"), None)
pipe = client.pipeline(transaction=False)
for at in range(5_000):
    pipe.set(f"carrier:{at}", f"value {at}")
    pipe.get(f"carrier:{at}")
check(pipe.execute(), [reply for at in range(5_000) for reply in (True, f"value {at}".encode())])
client.close()
print(f"redis-py {redis.__version__}: fine")
