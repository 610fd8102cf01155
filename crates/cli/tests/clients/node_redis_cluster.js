// createCluster of the npm package `redis`, against the sidecar before a cluster. Argument: port.
const assert = require("node:assert");
const { createCluster } = require("redis");
const [port] = process.argv.slice(1);
const KEYS = Array.from({ length: 300 }, (_, at) => `key:${at}`);

// Says it until it is heard: the subscription may be on its way yet.
async function until(listen, say) {
  let message;
  listen((heard) => { message = heard; });
  while (message === undefined) await say();
  return message;
}

async function main() {
  const client = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] });
  client.on("error", (error) => { throw error; });
  await client.connect();
  await Promise.all(KEYS.map((key) => client.set(key, `value of ${key}`)));
  for (const key of KEYS) assert.equal(await client.get(key), `value of ${key}`);
  assert.deepEqual(client.masters.map((node) => node.port), [Number(port)]);
  assert.deepEqual(await client.multi().set("{t}a", "1").get("{t}a").exec(), ["OK", "1"]);
  assert.deepEqual(await client.mGet(["{t}a", "{t}b"]), ["1", null]);
  const heard = until((listener) => client.subscribe("news", listener), () => client.publish("news", "hello"));
  assert.equal(await heard, "hello");
  const sharded = until((listener) => client.sSubscribe("a shard's", listener), () => client.sPublish("a shard's", "hello"));
  assert.equal(await sharded, "hello");
  await client.rPush("queue", "first");
  assert.deepEqual(await client.blPop("queue", 10), { key: "queue", element: "first" });
  client.destroy();
  console.log(`node-redis ${require("redis/package.json").version}: fine`);
}

main();
