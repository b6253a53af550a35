// One measurement: all jobs are added in bulk, then the worker is started, and timed until each of
// them is completed. Prints a line of JSON.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Queue } from "bullmq";
import { QUEUE, options } from "./queue.mjs";

const BULK = 1_000;
// As seldom as `sundial bench run` looks.
const LOOK_EVERY_MS = 25;

const { connection, payloads } = options();
const lines = readFileSync(payloads, "utf8").split("\n").filter(Boolean);
const jobs = lines.map((line) => JSON.parse(line)).map((data) => ({
  name: data.apiName,
  data,
  // Results are kept, as Sundial keeps them, and failures are tried again as often.
  opts: { attempts: 3, backoff: 1_000, removeOnComplete: false, removeOnFail: false },
}));

const queue = new Queue(QUEUE, { connection });
const adding = performance.now();
for (let first = 0; first < jobs.length; first += BULK) await queue.addBulk(jobs.slice(first, first + BULK));
const addedAfter = performance.now() - adding;

const program = fileURLToPath(new URL("worker.mjs", import.meta.url));
const worker = spawn(process.execPath, [program, ...process.argv.slice(2)], { stdio: ["pipe", "pipe", "inherit"] });
await once(worker.stdout, "data");
const begun = performance.now();
worker.stdin.write("go\n");
let counts;
do {
  await sleep(LOOK_EVERY_MS);
  counts = await queue.getJobCounts("completed", "failed");
  if (counts.failed > 0 || worker.exitCode !== null) throw new Error(`not all went well: ${JSON.stringify(counts)}`);
} while (counts.completed < jobs.length);
const seconds = (performance.now() - begun) / 1_000;
worker.stdin.end();
const [processorSeconds] = await once(worker.stdout, "data");

// Every job has its result.
for (let first = 0; first < jobs.length; first += BULK) {
  for (const job of await queue.getCompleted(first, first + BULK - 1)) {
    if (job.returnvalue?.n !== job.data.parameters.n) throw new Error(`job ${job.id} has no result of its own`);
  }
}
await queue.close();
console.log(JSON.stringify({
  addingSeconds: addedAfter / 1_000,
  runSeconds: seconds,
  payloadsPerSecond: jobs.length / seconds,
  workerProcessorSeconds: Number(processorSeconds),
}));
