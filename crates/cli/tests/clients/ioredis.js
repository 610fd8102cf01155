// The npm package `ioredis` as applications use it, against the sidecar. Arguments: port, phase (well, away).
const assert = require("node:assert");
const { Redis } = require("ioredis");
const [port, phase] = process.argv.slice(1);

const BINARY = Buffer.concat([Uint8Array.from(Array(256).keys()), Buffer.from("\r\n$-1\r\né")]);
const user = (id) => `{"id":${id},"name":"users ${id}"}`;

async function well(client) {
  assert.equal(await client.ping(), "PONG");
  assert.equal(await client.set("plain", BINARY, "EX", 100), "OK");
  assert.ok(BINARY.equals(await client.getBuffer("plain")));
  assert.equal(await client.get("nowhere"), null);
  assert.deepEqual(await client.mget("page:kept", "user:7", "nowhere"), ["kept", user(7), null]);
  await client.hset("hash", { a: "1", b: "2" });
  assert.deepEqual(await client.hgetall("hash"), { a: "1", b: "2" });
  await assert.rejects(client.hgetall("plain"), /WRONGTYPE/);
  const pipeline = client.pipeline();
  for (let at = 0; at < 1000; at++) pipeline.set(`p:${at}`, `value ${at}`).get(`p:${at}`);
  const replies = await pipeline.exec();
  for (let at = 0; at < 1000; at++) assert.deepEqual(replies[2 * at + 1], [null, `value ${at}`]);
  assert.deepEqual(await client.multi().set("a", "1").get("a").exec(), [[null, "OK"], [null, "1"]]);
  const listener = client.duplicate();
  const heard = new Promise((resolve) => listener.once("message", (channel, message) => resolve([channel, message])));
  await listener.subscribe("news");
  assert.equal(await client.publish("news", "hello"), 1);
  assert.deepEqual(await heard, ["news", "hello"]);
  listener.disconnect();
  await client.rpush("queue", "first");
  assert.deepEqual(await client.blpop("queue", 10), ["queue", "first"]);
  assert.equal(await client.ping(), "PONG");
}

async function away(client) {
  for (let round = 0; round < 50; round++) {
    assert.equal(await client.get("page:kept"), "kept");
    assert.deepEqual(await client.mget("user:7", "page:kept", "user:79"), [user(7), "kept", user(79)]);
    assert.equal(await client.get("plan:1"), "free");
    await assert.rejects(client.get("session:1"), /UNAVAILABLE/);
    await assert.rejects(client.set("session:1", "x"), /UNAVAILABLE|OUTCOMEUNKNOWN/);
    await assert.rejects(client.multi().set("a", "1").exec(), /EXECABORT/);
  }
}

async function main() {
  const client = new Redis({ port: Number(port), host: "127.0.0.1", retryStrategy: null });
  client.on("error", (error) => { throw error; });
  await { well, away }[phase](client);
  client.disconnect();
  console.log(`ioredis ${require("ioredis/package.json").version} ${phase}: fine`);
}

main();
