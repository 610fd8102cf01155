// createCluster of the npm package `redis`, against the sidecar before a cluster. Argument: port.
const assert = require("node:assert");
const { createCluster } = require("redis");
const [port] = process.argv.slice(1);
const KEYS = Array.from({ length: 300 }, (_, at) => `key:${at}`);

async function main() {
  const client = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] });
  client.on("error", (error) => { throw error; });
  await client.connect();
  await Promise.all(KEYS.map((key) => client.set(key, `value of ${key}`)));
  for (const key of KEYS) assert.equal(await client.get(key), `value of ${key}`);
  assert.deepEqual(client.masters.map((node) => node.port), [Number(port)]);
  assert.deepEqual(await client.multi().set("{t}a", "1").get("{t}a").exec(), ["OK", "1"]);
  assert.deepEqual(await client.mGet(["{t}a", "{t}b"]), ["1", null]);
  const heard = new Promise((resolve) => client.subscribe("news", (message) => resolve(message)));
  const told = (async () => {
    while (await client.publish("news", "hello") === 0) { /* the subscription is on its way */ }
  })();
  assert.equal(await heard, "hello");
  await told;
  const sharded = new Promise((resolve) => client.sSubscribe("shard news", (message) => resolve(message)));
  const toldToo = (async () => {
    while (await client.sPublish("shard news", "hello") === 0) { /* the subscription is on its way */ }
  })();
  assert.equal(await sharded, "hello");
  await toldToo;
  await client.rPush("queue", "first");
  assert.deepEqual(await client.blPop("queue", 10), { key: "queue", element: "first" });
  client.destroy();
  console.log(`node-redis ${require("redis/package.json").version}: fine`);
}

main();
