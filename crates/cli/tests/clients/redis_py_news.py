"""redis-py's PubSub as it is, on an invalidation route whose Redis goes away and comes back: see invalidation_clients.rs."""

import sys

import redis

port, protocol = int(sys.argv[1]), int(sys.argv[2])
client = redis.Redis(port=port, protocol=protocol, decode_responses=True)
pubsub = client.pubsub()
pubsub.subscribe("news:a")
pubsub.psubscribe("news:*")


def heard():
    message = pubsub.get_message(timeout=30)
    assert message is not None, "nothing was heard"
    return message["type"], message["channel"], message["data"]


assert heard() == ("subscribe", "news:a", 1)
assert heard() == ("psubscribe", "news:*", 2)
assert {heard(), heard()} == {("message", "news:a", "one"), ("pmessage", "news:a", "one")}
connection = pubsub.connection
gaps = {heard(), heard()}
assert gaps == {("message", "news:a", "failsoft:gap"), ("pmessage", "news:*", "failsoft:gap")}, gaps
assert {heard(), heard()} == {("message", "news:a", "two"), ("pmessage", "news:a", "two")}
assert pubsub.connection is connection
pubsub.unsubscribe("news:a")
assert heard() == ("unsubscribe", "news:a", 1)
pubsub.close()
print("fine")
