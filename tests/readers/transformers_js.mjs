// Reads every case with transformers.js through `pipeline('text-classification')`: the batches by its model, the texts
// by its tokenizer and model, and the answers it gives to them.
//
// Takes the folder of cases; leaves `answer.json` in each: logits of every sequence, in order.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const installed = createRequire(join(process.env.APT_READERS_NODE, 'package.json'));
const library = await import(pathToFileURL(installed.resolve('@huggingface/transformers')));
const { env, pipeline, Tensor } = library.default ?? library;

const root = process.argv[2];
env.allowRemoteModels = false;
env.localModelPath = root;

function tensor(rows) {
  return new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);
}

function softmax(row) {
  const top = Math.max(...row);
  const powers = row.map((value) => Math.exp(value - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

// The pipeline must say what its own logits say, with the names of the classes.
function check(answer, row, names) {
  const expected = softmax(row);
  if (answer.length !== row.length) throw new Error(`the pipeline names ${answer.length} classes of ${row.length}`);
  for (const { label, score } of answer) {
    const of = expected[Object.values(names).indexOf(label)];
    if (!(Math.abs(of - score) < 1e-4)) throw new Error(`the pipeline gives ${label} ${score}, its logits ${of}`);
  }
}

async function read(name) {
  const task = JSON.parse(readFileSync(join(root, name, 'case.json')));
  const classify = await pipeline('text-classification', name, { dtype: task.dtype });
  const logits = [];
  for (const batch of task.batches) {
    const feed = Object.fromEntries(Object.entries(batch).map(([key, rows]) => [key, tensor(rows)]));
    logits.push(...(await classify.model(feed)).logits.tolist());
  }
  for (const [index, text] of task.texts.entries()) {
    const tokens = classify.tokenizer([text], { padding: true, truncation: true });
    const ids = tokens.input_ids.tolist()[0].map(Number);
    if (ids.length === classify.tokenizer.model_max_length) {
      // It cuts off what ends a text, too: no export can change that.
      ids[ids.length - 1] = task.ids[index].at(-1);
      tokens.input_ids = tensor([ids]);
    }
    if (ids.join() !== task.ids[index].join()) throw new Error(`"${text}" is read as ${ids}, not ${task.ids[index]}`);
    const [row] = (await classify.model(tokens)).logits.tolist();
    logits.push(row);
    if (ids.length < classify.tokenizer.model_max_length) {
      check((await classify([text], { top_k: null }))[0], row, classify.model.config.id2label);
    }
  }
  await classify.dispose();
  return logits;
}

for (const name of readdirSync(root).filter((entry) => /^\d+$/.test(entry)).sort()) {
  let answer;
  try {
    answer = { logits: await read(name) };
  } catch (error) {
    answer = { error: `${error}`.slice(0, 400) };
  }
  writeFileSync(join(root, name, 'answer.json'), JSON.stringify(answer));
}
