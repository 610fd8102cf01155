// node-redis' createCluster as a user of failsoft's own that may touch few keys. Argument: port.
const assert = require("node:assert");
const { createCluster } = require("redis");
const [port] = process.argv.slice(1);

async function main() {
  const defaults = { username: "tenant", password: "letmein" };
  const client = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }], defaults });
  client.on("error", (error) => { throw error; });
  await client.connect();
  for (let at = 0; at < 20; at += 1) assert.equal(await client.set(`tenant:${at}`, "v"), "OK");
  await assert.rejects(client.get("other"), /NOPERM/);
  client.destroy();
  console.log("node-redis: fine");
}

main();
