// node-redis as a subscriber, as it is, on an invalidation route whose Redis goes away and comes back: see
// invalidation_clients.rs.
const { createClient } = require("redis");
const assert = require("assert");

const client = createClient({ socket: { port: Number(process.argv[1]), reconnectStrategy: false } });
client.on("error", (error) => {
  throw error;
});
const expected = ["one", "failsoft:gap", "two"];
(async () => {
  await client.connect();
  await client.subscribe("news:a", async (message, channel) => {
    assert.deepStrictEqual([channel, message], ["news:a", expected.shift()]);
    if (expected.length === 0) {
      await client.unsubscribe("news:a");
      assert.strictEqual(await client.get("nothing"), null);
      client.destroy();
      console.log("fine");
    }
  });
})();
