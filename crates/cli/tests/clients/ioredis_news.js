// ioredis as a subscriber, as it is, on an invalidation route whose Redis goes away and comes back: see
// invalidation_clients.rs.
const Redis = require("ioredis");
const assert = require("assert");

const client = new Redis({ port: Number(process.argv[1]), retryStrategy: () => null });
client.on("error", (error) => {
  throw error;
});
const expected = ["one", "failsoft:gap", "two"];
client.on("message", (channel, message) => {
  assert.deepStrictEqual([channel, message], ["news:a", expected.shift()]);
  if (expected.length === 0) {
    client.unsubscribe("news:a").then(async () => {
      assert.strictEqual(await client.get("nothing"), null);
      client.disconnect();
      console.log("fine");
    });
  }
});
client.subscribe("news:a").then((count) => assert.strictEqual(count, 1));
