"""Flask-Session, unmodified and as applications set it up, on a session route. argv: port, phase (well, away, back), cookie.

The application turns what failsoft says of an outage into 503 with Retry-After, as its own error handler, and nothing else:
nobody may be given an empty session in place of his own, or be told that something was kept that was not.
"""

import re
import sys
from importlib.metadata import version

import flask_session
import redis
from flask import Flask, session

port, phase, cookie = int(sys.argv[1]), sys.argv[2], sys.argv[3] if sys.argv[3:] else None
app = Flask("shop")
app.config["SESSION_TYPE"] = "redis"
app.config["SESSION_REDIS"] = redis.Redis(port=port, socket_timeout=20)
flask_session.Session(app)


@app.get("/cart")
def cart():
    return {"user": session.get("user"), "items": session.get("items", [])}


@app.post("/cart/<item>")
def add(item):
    session["user"] = session.get("user", "Ada")
    session["items"] = session.get("items", []) + [item]
    return {"items": session["items"]}


@app.post("/logout")
def logout():
    session.clear()
    return {}


@app.errorhandler(500)
def come_back_later(error):
    why = str(error.original_exception)
    wait = re.search(r"retry-after-ms=(\d+)", why)
    if not why.startswith(("UNAVAILABLE", "OUTCOMEUNKNOWN")) or not wait:
        return {"error": why}, 500
    return {"error": why}, 503, {"Retry-After": str(-(-int(wait[1]) // 1000))}


def browser():
    client = app.test_client()
    if cookie:
        client.set_cookie("session", cookie)
    return client


def check(got, expected):
    assert got == expected, f"{got!r} is not {expected!r}"


def while_all_is_well():
    user = browser()
    check(user.get("/cart").json, {"user": None, "items": []})
    check(user.post("/cart/book").json, {"items": ["book"]})
    check(user.post("/cart/lamp").json, {"items": ["book", "lamp"]})
    check(user.get("/cart").json, {"user": "Ada", "items": ["book", "lamp"]})
    print("cookie", user.get_cookie("session").value)


def while_redis_is_away():
    for _ in range(50):
        for answer in (browser().get("/cart"), browser().post("/cart/pen"), browser().post("/logout")):
            check(answer.status_code, 503)
            assert int(answer.headers["Retry-After"]) >= 1, answer.headers
            assert "Set-Cookie" not in answer.headers, "somebody has been given another session"
    stranger = app.test_client().post("/cart/pen")
    check(stranger.status_code, 503)


def when_redis_is_back():
    user = browser()
    check(user.get("/cart").json, {"user": "Ada", "items": ["book", "lamp"]})
    check(user.post("/cart/pen").json, {"items": ["book", "lamp", "pen"]})
    check(user.post("/logout").status_code, 200)
    check(user.get("/cart").json, {"user": None, "items": []})


{"well": while_all_is_well, "away": while_redis_is_away, "back": when_redis_is_back}[phase]()
print(f"Flask-Session {version('Flask-Session')} {phase}: fine")
