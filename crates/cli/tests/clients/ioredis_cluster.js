// The Cluster of the npm package `ioredis`, against the sidecar before a cluster. Argument: port.
const assert = require("node:assert");
const { Cluster } = require("ioredis");
const [port] = process.argv.slice(1);
const KEYS = Array.from({ length: 300 }, (_, at) => `key:${at}`);

async function main() {
  const client = new Cluster([{ port: Number(port), host: "127.0.0.1" }], { clusterRetryStrategy: null });
  client.on("error", (error) => { throw error; });
  for (const key of KEYS) assert.equal(await client.set(key, `value of ${key}`), "OK");
  for (const key of KEYS) assert.equal(await client.get(key), `value of ${key}`);
  assert.deepEqual(client.nodes().map((node) => node.options.port), [Number(port)]);
  const pipeline = client.pipeline();
  for (const key of KEYS.map((key) => `{p}${key}`)) pipeline.set(key, "1").incr(key);
  for (const [error, reply] of await pipeline.exec()) assert.ok(error === null && (reply === "OK" || reply === 2));
  assert.deepEqual(await client.multi().set("{t}a", "1").get("{t}a").exec(), [[null, "OK"], [null, "1"]]);
  assert.deepEqual(await client.mget("{t}a", "{t}b"), ["1", null]);
  const found = new Set();
  let cursor = "0";
  do {
    const [next, keys] = await client.nodes("master")[0].scan(cursor, "MATCH", "key:*", "COUNT", 100);
    keys.forEach((key) => found.add(key));
    cursor = next;
  } while (cursor !== "0");
  assert.deepEqual([...found].sort(), [...KEYS].sort());
  const heard = new Promise((resolve) => client.once("message", (channel, message) => resolve([channel, message])));
  await client.subscribe("news");
  await client.publish("news", "hello");
  assert.deepEqual(await heard, ["news", "hello"]);
  await client.rpush("queue", "first");
  assert.deepEqual(await client.blpop("queue", 10), ["queue", "first"]);
  client.disconnect();
  console.log(`ioredis ${require("ioredis/package.json").version}: fine`);
}

main();
