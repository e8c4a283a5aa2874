// Models of the hub by name: asked about when the user says so, fetched when the user agrees, kept in the browser, and named
// in the record with their commit. What goes wrong on the way is reported, and what has come is not fetched again.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { model } from "../support/files.mjs";
import { COMMIT, MIRROR, StandIn } from "../support/hub.mjs";
import { withLab } from "../support/lab.mjs";
import { DIST } from "../support/paths.mjs";

const RUN = { device: "cpu", steps: 4, batch_size: 8, max_length: 16, train_examples: 64 };
/** What lies beside a model and is not read. */
const BESIDE = [{ name: "README.md", body: "# Tiny" }, { name: "pytorch_model.bin", body: "pickle" }];
const SIZE = model().find(({ name }) => name === "model.safetensors").body.length;

/** A lab whose hub is the stand-in. */
function withHub(options, use) {
  const hub = new StandIn([...model(), ...BESIDE]);
  return withLab({ settings: RUN, answers: hub.answers, ...options }, async (lab) => {
    await lab.page.evaluate((path) => localStorage.setItem("apt-lab-hub", path), MIRROR);
    await open(lab);
    await use(lab, hub);
  });
}

const open = (lab) => lab.at("hub").locator("summary").click();

async function ask(lab, name) {
  await lab.at("hub-name").fill(name);
  await lab.press("hub-ask");
}

/** Waits for words about a model of the hub. */
async function said(lab, what) {
  await lab.until(`${what}`, async () => what.test(await lab.at("hub-words").innerText()));
  return lab.at("hub-words").innerText();
}

async function chosen(lab, name) {
  const card = lab.at(`model-${name}`);
  await lab.until(`${name} to be chosen`, async () => (await card.count()) === 1 && (await card.isChecked()));
}

test("a model is fetched by name once the user agrees, gone on with where the connection broke, and run", { timeout: 300_000 }, () =>
  withHub({ complaints: true }, async (lab, hub) => {
    await ask(lab, "org/old");
    const words = await said(lab, /Fetch and keep/);
    assert.match(words, /^127\.0\.0\.1:\d+\/mirror has org\/old at commit 0123456: 3 files, 1\.8\d MB\. This browser has [\d.]+ [GM]B left/);
    assert.deepEqual(hub.asked(), [], "files were fetched before the user agreed");

    hub.behaviour.cutAfter = 700_000;
    await lab.press("hub-fetch");
    const name = `hf:org/old@${COMMIT}`;
    await chosen(lab, name);
    assert.deepEqual(hub.asked().sort(), ["config.json", "model.safetensors", "tokenizer.json"]);
    const resumed = hub.resumed();
    assert.ok(resumed > 0 && resumed <= 700_000, `it went on from byte ${resumed}`);
    assert.equal(hub.sent.get("model.safetensors"), 700_000 + SIZE - resumed);

    const before = hub.requests.length;
    await lab.at("model-builtin").check();
    await ask(lab, "org/old");
    await chosen(lab, name);
    assert.equal(hub.requests.length - before, 2, "more was asked than what the name stands for");
    await lab.at("model-builtin").check();
    await ask(lab, `org/old@${COMMIT}`);
    await chosen(lab, name);
    assert.equal(hub.requests.length - before, 2, "a commit that is here was asked about");

    await lab.press("start");
    const record = await lab.finished();
    assert.equal(record.config.model, name);
    assert.equal(record.curve.length, RUN.steps);
    assert.deepEqual(record.provenance.model.files, ["config.json", "tokenizer.json", "model.safetensors"]);
    assert.equal(hub.requests.length - before, 2, "the run fetched the model again");

    // Whoever opens a link to these settings elsewhere sees what is missing, and is asked.
    await lab.go({ ...RUN, model: `hf:org/tiny@${COMMIT}` });
    await lab.press("hub-absent-ask");
    await said(lab, /Fetch and keep/);
    await lab.press("start");
    assert.match((await lab.faulted()).what, /this model of the hub is not in this browser/);
  }));

test("what the hub or the network does wrong is reported, and nothing of it is kept", { timeout: 300_000 }, () =>
  withHub({ complaints: true }, async (lab, hub) => {
    const refused = async (name, behaviour, what, remedy) => {
      hub.behaviour = behaviour;
      await ask(lab, name);
      const fault = await lab.faulted();
      assert.match(fault.what, what);
      assert.match(fault.remedy, remedy);
      await lab.dismissFaults();
      assert.equal(await lab.at("hub-words").innerText(), "");
    };
    await refused("no name", {}, /no name of a model/, /org\/name/);
    await refused("org/none", {}, /no model of this name, or it is private \(404\)/, /check the name/);
    await refused("org/tiny@v9", {}, /no revision `v9`/, /leave out the @/);
    await refused("org/tiny", { refuses: [401, "RepoNotFound"] }, /no model of this name, or it is private \(401\)/, /hf download/);
    await refused("org/tiny", { isGated: true }, /access to this model has to be granted/, /this page takes none, .*hf download org\/tiny/);
    await refused("org/tiny", { isDown: true }, /cannot be reached/, /check the network/);

    const failed = async (behaviour, what) => {
      hub.behaviour = {};
      await ask(lab, "org/tiny");
      await said(lab, /Fetch and keep/);
      hub.behaviour = behaviour;
      await lab.press("hub-fetch");
      const fault = await lab.faulted();
      assert.match(fault.what, what);
      await lab.dismissFaults();
      await said(lab, /Fetch and keep/);
    };
    await failed({ adds: 1000 }, /1\.8 MB were announced, and more is sent/);
    await failed({ lacks: 1000 }, /it ends after \d+ bytes, and \d+ were announced/);
    await failed({ isCorrupt: true }, /its bytes are not those that were announced \(digest/);
    assert.deepEqual(Object.keys(await lab.table("files")), [], "something is kept");
    assert.doesNotMatch(await lab.at("hub-words").innerText(), /MB are here/, "wrong bytes are said to be here");

    // Stopped by hand, it goes on from there.
    hub.behaviour = { pause: 100 };
    await lab.press("hub-fetch");
    await lab.until("a third of it", async () => (await lab.page.locator(".hub-state progress").getAttribute("value")) > SIZE / 3);
    await lab.press("hub-stop");
    assert.match(await said(lab, /Fetch and keep/), /of which .* are here/);
    hub.behaviour = {};
    hub.requests.length = 0;
    await lab.press("hub-fetch");
    await chosen(lab, `hf:org/tiny@${COMMIT}`);
    assert.ok(hub.resumed() > SIZE / 4, `it went on from byte ${hub.resumed()}`);
  }));

test("too little room is reported before anything is fetched, and what cannot be kept is not fetched twice", { timeout: 300_000 }, () =>
  withHub({ complaints: true }, async (lab, hub) => {
    // What a full disk makes the browser say; the limit itself is set below.
    const start = await readFile(`${DIST}/start-worker.js`, "utf8");
    const full = "navigator.storage.estimate = async () => ({ quota: 500_000, usage: 0 });\n";
    await lab.visit.route("**/start-worker.js", (route) => route.fulfill({ body: full + start, contentType: "text/javascript" }));
    await lab.reload();
    await open(lab);
    await ask(lab, "org/tiny");
    await said(lab, /500 kB left for this page, which is too little/);
    assert.ok(await lab.at("hub-fetch").isDisabled());
    await lab.press("hub-decline");
    await lab.visit.unroute("**/start-worker.js");
    await lab.reload();
    await open(lab);

    const session = await lab.visit.newCDPSession(lab.page);
    const quota = (quotaSize) => session.send("Storage.overrideQuotaForOrigin", { origin: lab.server.origin, quotaSize });
    await ask(lab, "org/tiny");
    await said(lab, /Fetch and keep/);
    await quota(500_000);
    await lab.press("hub-fetch");
    assert.match((await lab.faulted()).where, /the browser's storage/);
    await lab.dismissFaults();
    await quota(50_000_000);
    const sent = hub.sent.get("model.safetensors");
    await lab.press("hub-fetch");
    await chosen(lab, `hf:org/tiny@${COMMIT}`);
    assert.equal(hub.sent.get("model.safetensors"), sent, "it was fetched again");
  }));

test("the hub itself is asked when a model of the gallery is looked up, and not before", () =>
  withLab({ settings: RUN, complaints: true }, async (lab) => {
    const headers = { "access-control-allow-origin": "*" };
    await lab.visit.route("https://huggingface.co/**", (route) => {
      const siblings = [{ rfilename: "config.json", size: 612, blobId: "" }, { rfilename: "model.safetensors", size: 90_868_376 }];
      return route.fulfill({ headers, json: { sha: COMMIT, siblings } });
    });
    await open(lab);
    const row = lab.page.locator(".gallery li").filter({ hasText: "all-MiniLM-L6-v2" });
    assert.match(await row.innerText(), /BERT, about 92\.0 MB, Apache-2\.0\. Sentence embeddings, English/);
    assert.deepEqual(lab.outside, []);
    await lab.press("gallery-all-MiniLM-L6-v2");
    await said(lab, /^huggingface\.co has sentence-transformers\/all-MiniLM-L6-v2 at commit 0123456: 2 files, 90\.9 MB/);
    const asked = "https://huggingface.co/api/models/sentence-transformers/all-MiniLM-L6-v2/revision/main?blobs=true";
    assert.deepEqual(lab.outside, [asked]);
    assert.deepEqual(lab.complaints, []);
  }));
