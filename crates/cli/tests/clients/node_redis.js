// The npm package `redis` as applications use it, against the sidecar. Arguments: port, phase (well, away).
const assert = require("node:assert");
const { createClient, RESP_TYPES } = require("redis");
const [port, phase] = process.argv.slice(1);

const BINARY = Buffer.concat([Uint8Array.from(Array(256).keys()), Buffer.from("\r\n$-1\r\né")]);
const user = (id) => `{"id":${id},"name":"users ${id}"}`;

async function well(client) {
  assert.equal(await client.ping(), "PONG");
  assert.equal(await client.set("plain", BINARY, { EX: 100 }), "OK");
  const raw = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  assert.ok(BINARY.equals(await raw.get("plain")));
  assert.equal(await client.get("nowhere"), null);
  assert.deepEqual(await client.mGet(["page:kept", "user:7", "nowhere"]), ["kept", user(7), null]);
  assert.deepEqual(await client.mGet(["user:8"]), [user(8)]);
  await client.hSet("hash", { a: "1", b: "2" });
  assert.deepEqual({ ...(await client.hGetAll("hash")) }, { a: "1", b: "2" });
  assert.deepEqual(await client.hmGet("hash", ["b", "c"]), ["2", null]);
  await assert.rejects(client.hGetAll("plain"), /WRONGTYPE/);
  await assert.rejects(client.sendCommand(["NOSUCHCOMMAND"]), /unknown command/);
  // One tick, so one pipeline.
  const many = Array.from({ length: 1000 }, (_, at) => at);
  await Promise.all(many.map((at) => client.set(`p:${at}`, `value ${at}`)));
  assert.deepEqual(await Promise.all(many.map((at) => client.get(`p:${at}`))), many.map((at) => `value ${at}`));
  assert.deepEqual(await client.multi().set("a", "1").get("a").exec(), ["OK", "1"]);
  const listener = client.duplicate();
  await listener.connect();
  const heard = new Promise((resolve) => listener.subscribe("news", resolve));
  while ((await client.publish("news", "hello")) === 0);
  assert.equal(await heard, "hello");
  listener.destroy();
  await client.rPush("queue", "first");
  assert.deepEqual(await client.blPop("queue", 10), { key: "queue", element: "first" });
  assert.equal(await client.ping(), "PONG");
}

async function away(client) {
  for (let round = 0; round < 50; round++) {
    assert.equal(await client.get("page:kept"), "kept");
    assert.deepEqual(await client.mGet(["user:7", "page:kept", "user:78"]), [user(7), "kept", user(78)]);
    assert.equal(await client.get("plan:1"), "free");
    await assert.rejects(client.get("session:1"), /UNAVAILABLE/);
    await assert.rejects(client.set("session:1", "x"), /UNAVAILABLE|OUTCOMEUNKNOWN/);
    await assert.rejects(client.multi().set("a", "1").exec(), /UNAVAILABLE|EXECABORT/);
  }
}

async function main() {
  const client = createClient({ socket: { port: Number(port), host: "127.0.0.1", reconnectStrategy: false } });
  client.on("error", (error) => { throw error; });
  await client.connect();
  await { well, away }[phase](client);
  client.destroy();
  console.log(`redis ${require("redis/package.json").version} ${phase}: fine`);
}

main();
