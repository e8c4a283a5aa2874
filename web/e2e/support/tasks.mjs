// Long tasks of the page's main thread, by the browser's own tracing.

/** Longest a task may take, in milliseconds. */
const LONG = 50;

/**
 * Traces the page during `act`. A task counts by the processor time it took: how long it lasted also depends on what
 * else the machine does, and is printed beside it.
 */
export async function longTasks(lab, act) {
  const browser = lab.visit.browser();
  await browser.startTracing(lab.page, { categories: ["toplevel", "devtools.timeline", "__metadata"] });
  let trace;
  try {
    await act();
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
    .map((event) => ({ took: (event.tdur ?? event.dur) / 1e3, lasted: event.dur / 1e3 }));
  const long = tasks.filter((task) => task.took > LONG);
  const most = (name) => Math.max(0, ...tasks.map((task) => task[name])).toFixed(0);
  const slow = tasks.filter((task) => task.lasted > LONG).length;
  const summary = `${tasks.length} tasks, longest ${most("took")} ms of processor time (${most("lasted")} ms in all; ` +
    `${slow} lasted over ${LONG} ms)`;
  return { long, tasks: tasks.length, summary };
}
