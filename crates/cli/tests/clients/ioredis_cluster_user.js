// ioredis' Cluster as a user of failsoft's own that may touch few keys. Argument: port.
const assert = require("node:assert");
const { Cluster } = require("ioredis");
const [port] = process.argv.slice(1);

async function main() {
  const redisOptions = { username: "tenant", password: "letmein" };
  const client = new Cluster([{ port: Number(port), host: "127.0.0.1" }], { clusterRetryStrategy: null, redisOptions });
  client.on("error", (error) => { throw error; });
  for (let at = 0; at < 20; at += 1) assert.equal(await client.set(`tenant:${at}`, "v"), "OK");
  await assert.rejects(client.get("other"), /NOPERM/);
  client.disconnect();
  console.log("ioredis: fine");
}

main();
