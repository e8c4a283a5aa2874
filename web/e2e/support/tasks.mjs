// Long tasks of the page's main thread, by the browser's own tracing.

/** A task above this is a long one (W3C Long Tasks), in milliseconds: printed, for a slow machine makes any task long. */
const LONG = 50;

/** Largest share of the traced time that one task may take, and that all may take together. */
const LONGEST = 0.02;
const BUSY = 0.5;

/**
 * Traces the page during `act`. A task counts by the processor time it took, as a share of the time that `act` took on
 * the same machine: work that belongs into the worker (reading a model, a training step) is a large share of it.
 */
export async function mainThread(lab, act) {
  const browser = lab.visit.browser();
  await browser.startTracing(lab.page, { categories: ["toplevel", "devtools.timeline", "__metadata"] });
  let trace;
  const began = performance.now();
  let elapsed;
  try {
    await act();
    elapsed = performance.now() - began;
  } finally {
    trace = JSON.parse(await browser.stopTracing());
  }
  const events = trace.traceEvents;
  const main = new Set(
    events
      .filter((event) => event.name === "thread_name" && event.args?.name === "CrRendererMain")
      .map((event) => `${event.pid}/${event.tid}`),
  );
  const tasks = events
    .filter((event) => event.ph === "X" && main.has(`${event.pid}/${event.tid}`) && /RunTask/.test(event.name))
    .map((event) => ({ took: (event.tdur ?? event.dur) / 1e3 }));
  const longest = Math.max(0, ...tasks.map((task) => task.took));
  const busy = tasks.reduce((sum, task) => sum + task.took, 0);
  const slow = tasks.filter((task) => task.took > LONG).length;
  const share = (time) => `${((100 * time) / elapsed).toFixed(1)} %`;
  const summary = `${tasks.length} tasks in ${(elapsed / 1e3).toFixed(1)} s, longest ${longest.toFixed(0)} ms of processor ` +
    `time (${share(longest)}), all ${busy.toFixed(0)} ms (${share(busy)}); ${slow} over ${LONG} ms`;
  const faults = [];
  if (tasks.length === 0) faults.push("no task was traced");
  if (longest > LONGEST * elapsed) faults.push(`one task took ${share(longest)} of the time`);
  if (busy > BUSY * elapsed) faults.push(`the main thread was busy ${share(busy)} of the time`);
  return { faults, summary };
}
