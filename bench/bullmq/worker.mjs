// The worker process: calls the target for each job, over connections that are kept, and returns
// the result, which BullMQ stores. It says "ready" when it is, and begins when it is told to.

import { once } from "node:events";
import { Worker } from "bullmq";
import { Pool } from "undici";
import { QUEUE, options } from "./queue.mjs";

const { connection, target, concurrency } = options();
const pool = new Pool(target, { connections: concurrency });

async function call({ data: { apiName, parameters } }) {
  const answer = await pool.request({
    method: "POST",
    path: `/${apiName}`,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ api: apiName, parameters }),
  });
  const body = await answer.body.json();
  if (answer.statusCode !== 200) throw new Error(`http-${answer.statusCode}`);
  return body.result;
}

const worker = new Worker(QUEUE, call, { connection, concurrency, autorun: false });
await worker.waitUntilReady();
process.stdout.write("ready\n");
await once(process.stdin, "data");
worker.run();

// The other process closes our input when all is done.
await once(process.stdin, "end");
const { user, system } = process.cpuUsage();
process.stdout.write(`${(user + system) / 1e6}\n`);
process.exit(0);
