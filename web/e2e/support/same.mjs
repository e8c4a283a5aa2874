// What "the same run" means between browser and desktop.

import assert from "node:assert/strict";

/** Losses of the first `steps` steps agree to `tolerance` of the larger; returns the largest difference. */
export function sameLosses(ours, theirs, steps, tolerance) {
  assert.ok(ours.curve.length >= steps && theirs.curve.length >= steps, "a run is shorter than what is compared");
  let worst = 0;
  for (let i = 0; i < steps; i++) {
    const [a, b] = [ours.curve[i].loss, theirs.curve[i].loss];
    const difference = Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b));
    assert.ok(difference <= tolerance, `step ${i + 1}: loss ${a} here, ${b} on the desktop`);
    worst = Math.max(worst, difference);
  }
  return worst;
}

/** The same blocks were kept and the same ranks reached at every pruning point. */
export function sameMasks(ours, theirs) {
  const kept = ({ step, heads, kept_heads, neurons, kept_neurons, hidden, kept_hidden, exceptions, ranks, removed }) =>
    ({ step, heads, kept_heads, neurons, kept_neurons, hidden, kept_hidden, exceptions, ranks, removed });
  assert.deepEqual(ours.pruning_points.map(kept), theirs.pruning_points.map(kept), "masks differ");
  return ours.pruning_points.length;
}

/** The same examples are watched and answered alike, to `tolerance`; returns how many answers there are. */
export function sameAnswers(ours, theirs, tolerance) {
  assert.deepEqual(ours.examples, theirs.examples, "other examples are watched");
  const answers = ({ evaluations }) =>
    evaluations.flatMap(({ examples = [] }) => examples.flatMap(({ student, teacher = [] }) => [...student, ...teacher]));
  const [a, b] = [answers(ours), answers(theirs)];
  assert.equal(a.length, b.length, "not as many answers");
  a.forEach((value, i) => assert.ok(Math.abs(value - b[i]) <= tolerance, `${value} here, ${b[i]} on the desktop`));
  return a.length;
}

const TIME = /^(seconds|phases|started_at)$|^seconds_|_seconds$|_ms$|_per_second$|^peak_.*_bytes$/;

/** A record without times and what depends on the machine. */
export function withoutTimes(value) {
  if (Array.isArray(value)) return value.map(withoutTimes);
  if (value === null || typeof value !== "object") return value;
  const fields = Object.entries(value).filter(([name]) => !TIME.test(name));
  return Object.fromEntries(fields.map(([name, inner]) => [name, withoutTimes(inner)]));
}
