// A run can be paused, stepped, closed with its tab, and resumed; one tab cannot delete what another has open; a lost
// device is no lost run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";
import { withoutTimes } from "../support/same.mjs";

const RUN = { model: "nano", device: "cpu", steps: 600, batch_size: 8, max_length: 16, train_examples: 512 };

/** What a run amounted to, without times, and without what names the run. */
function result(record) {
  const { curve, evaluations, pruning_points, growths, final } = withoutTimes(record);
  return { curve, evaluations, pruning_points, growths, final };
}

test("pause holds, step makes one step, resume goes on", () =>
  withLab({ settings: RUN }, async (lab) => {
    await lab.press("start");
    await lab.reach(3);
    await lab.press("pause");
    await lab.state("paused");
    const held = await lab.step();
    await lab.press("step");
    await lab.until("one more step", async () => (await lab.step()) === held + 1 && (await lab.now()) === "paused");
    await lab.press("resume");
    const record = await lab.finished();
    assert.equal(record.curve.length, RUN.steps);
  }));

test("a reload in mid-run and a resume give the very numbers of a run that was left alone", () =>
  withLab({ settings: RUN }, async (lab) => {
    await lab.press("start");
    const whole = await lab.finished();
    await lab.go({ ...RUN });
    await lab.press("start");
    await lab.reach(40);
    await lab.press("pause");
    await lab.state("paused");
    const held = await lab.step();
    assert.ok(held < RUN.steps, "the run was over before the reload");
    await lab.press("resume");
    await lab.reach(held + 5);
    // No goodbye: the tab is simply gone while the run goes on.
    await lab.reload();
    await lab.press("resume-stored");
    const resumed = await lab.finished();
    assert.deepEqual(result(resumed), result(whole));
  }));

test("a run that another tab has open is not deleted", () =>
  withLab({ settings: RUN }, async (lab) => {
    await lab.press("start");
    await lab.reach(3);
    await lab.press("pause");
    await lab.state("paused");
    const name = await lab.name();
    const held = await lab.step();
    const other = await lab.beside({});
    await other.visitPage("compare");
    await other.tab("runs");
    const remove = async () => {
      // The first press asks.
      for (let press = 0; press < 2; press++) await other.press(`delete-${name}`);
    };
    await remove();
    const { what, where, remedy } = await other.faulted();
    assert.match(what, /open in another tab/);
    assert.equal(where, name);
    assert.match(remedy, /stop it there or close that tab/);
    assert.ok(name in (await other.table("runs")), "the run was deleted");
    await lab.press("step");
    await lab.until("one more step", async () => (await lab.step()) === held + 1 && (await lab.now()) === "paused");
    await lab.press("stop");
    await lab.state("closed");
    await other.dismissFaults();
    await remove();
    await other.until("its removal", async () => !(name in (await other.table("runs"))));
    assert.deepEqual(other.complaints, []);
  }));

test("no room to save holds the run; with room again it goes on to the same numbers", () =>
  withLab({ settings: RUN, probe: true, complaints: true }, async (lab) => {
    await lab.press("start");
    const whole = await lab.finished();
    await lab.go({ ...RUN });
    await lab.press("start");
    await lab.reach(20);
    const worker = await lab.worker();
    // As a browser does whose disk is full: what was put is taken back when it is to be committed.
    await worker.evaluate(() => {
      const put = IDBObjectStore.prototype.put;
      IDBObjectStore.prototype.put = function (...args) {
        const request = put.apply(this, args);
        request.addEventListener("success", () => this.transaction.abort());
        return request;
      };
      globalThis.roomAgain = () => void (IDBObjectStore.prototype.put = put);
    });
    const fault = await lab.faulted();
    assert.match(`${fault.what} ${fault.where} ${fault.remedy}`, /storage.*space/i);
    // The fault stays on the page until it is dismissed, and the state may come a frame after it.
    await lab.page.locator("[data-testid=run-state][data-state=paused]").waitFor();
    await worker.evaluate(() => globalThis.roomAgain());
    await lab.dismissFaults();
    await lab.press("resume");
    assert.deepEqual(result(await lab.finished()), result(whole));
  }));

test("a lost device: the run goes on from its save and a notice says so", () =>
  withLab(
    // Without pruning: every new shape would cost the software adapter new kernels.
    { settings: { ...RUN, preset: "lora", device: "webgpu", steps: 60 }, probe: true, complaints: true },
    async (lab) => {
      await lab.press("start");
      await lab.reach(3, 300_000);
      await lab.press("pause");
      await lab.state("paused");
      const held = await lab.step();
      await lab.press("resume");
      await lab.reach(held + 1, 120_000);
      const worker = await lab.worker();
      await worker.evaluate(() => globalThis.probe.devices.at(-1).destroy());
      const notice = lab.page.getByText("Going on from the last save", { exact: false }).first();
      await notice.waitFor({ timeout: 120_000 });
      // What is measured at the end would take the software adapter minutes: that steps go on, once each, is enough.
      await lab.reach(held + 4, 300_000);
      await lab.press("pause");
      await lab.state("paused");
      const steps = (await lab.events(await lab.name())).filter(({ event }) => event === "step").map(({ step }) => step);
      assert.deepEqual(steps, Array.from({ length: await lab.step() }, (_, i) => i + 1), "steps are missing or repeated");
      assert.equal(await worker.evaluate(() => globalThis.probe.devices.length) >= 2, true, "no second device was asked for");
    },
  ));
