// Processor time of threads, where the system tells it (Linux): beside other programs it says more than a clock.

import { readFileSync, readdirSync } from "node:fs";

/** Linux's name of a worker's thread; names end after 15 bytes. */
const WORKER = "DedicatedWorker";

/** Threads of a process, as folders; none where the system has none. */
function threads(process, wanted = () => true) {
  try {
    return readdirSync(`/proc/${process}/task`).map((thread) => `/proc/${process}/task/${thread}`).filter(wanted);
  } catch {
    return [];
  }
}

/** Milliseconds that these threads have computed so far; `null` of none. */
function computed(threads) {
  const nanoseconds = (thread) => Number(readFileSync(`${thread}/schedstat`, "utf8").split(" ")[0]);
  return threads.length ? threads.reduce((sum, thread) => sum + nanoseconds(thread), 0) / 1e6 : null;
}

/** What all workers of `browser` have computed when it is called. */
export async function workersOf(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const isWorker = (thread) => readFileSync(`${thread}/comm`, "utf8").trim() === WORKER;
  const found = processInfo.filter(({ type }) => type === "renderer").flatMap(({ id }) => threads(id, isWorker));
  return () => computed(found);
}

/** What a process has computed so far. */
export const processOf = (id) => computed(threads(id));

/** Milliseconds of a step, by what had been computed when steps were told, `[step, milliseconds]`; `null` if unknown. */
export function perStep(told) {
  const [[first, before], [last, after]] = [told[0] ?? [0, null], told.at(-1) ?? [0, null]];
  return before !== null && last > first ? (after - before) / (last - first) : null;
}
