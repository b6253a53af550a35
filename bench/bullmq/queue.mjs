// What both processes have to agree on, and what each of them is told on its command line.

import { parseArgs } from "node:util";

export const QUEUE = "bench";

/** The options, all of them required. */
export function options() {
  const names = ["redis-port", "target", "payloads", "concurrency"];
  const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: "string" }])) });
  const missing = names.find((name) => values[name] === undefined);
  if (missing) throw new Error(`--${missing} is missing`);
  return {
    // As BullMQ asks of connections that workers block on.
    connection: { host: "127.0.0.1", port: Number(values["redis-port"]), maxRetriesPerRequest: null },
    target: values.target,
    payloads: values.payloads,
    concurrency: Number(values.concurrency),
  };
}
