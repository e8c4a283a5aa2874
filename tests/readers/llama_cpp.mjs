// Reads every case with llama.cpp: the probabilities of what follows each sequence, the tokens of the texts, and what it
// writes after them when it takes the likeliest token each time.
//
// Takes the folder of cases; leaves `answer.json` in each.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const installed = createRequire(join(process.env.APT_READERS_LLAMA, 'package.json'));
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(installed.resolve('node-llama-cpp')));
const llama = await getLlama({
  gpu: false, maxThreads: 1, build: 'never', skipDownload: true, progressLogs: false, logLevel: LlamaLogLevel.error,
});
const root = process.argv[2];
// Of all tokens, as they are.
const all = { temperature: 1, topK: 0, topP: 1, minP: 0 };

async function following(sequence, ids, vocabulary) {
  await sequence.clearHistory();
  const asked = ids.slice(0, -1);
  const last = [ids.at(-1), { generateNext: { probabilities: true, options: all } }];
  const outputs = await sequence.controlledEvaluate([...asked, last]);
  const { probabilities } = outputs.at(-1).next;
  return Array.from({ length: vocabulary }, (_, id) => probabilities.get(id) ?? 0);
}

async function written(sequence, ids, count) {
  await sequence.clearHistory();
  const tokens = [];
  for await (const token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    tokens.push(token);
    if (tokens.length === count) break;
  }
  return tokens;
}

async function read(name) {
  const task = JSON.parse(readFileSync(join(root, name, 'case.json')));
  const model = await llama.loadModel({ modelPath: join(root, name, 'model.gguf'), gpuLayers: 0 });
  const context = await model.createContext({
    contextSize: model.trainContextSize, batchSize: model.trainContextSize, sequences: 1, flashAttention: false,
    experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32',
  });
  const sequence = context.getSequence();
  const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const logits = [];
  for (const { input_ids: rows, attention_mask: mask } of task.batches) {
    for (const [row, ids] of rows.entries()) {
      const real = ids.filter((_, place) => mask[row][place] === 1);
      logits.push(await following(sequence, real, vocabulary));
    }
  }
  const texts = [];
  for (const [index, text] of task.texts.entries()) {
    const begins = model.tokens.shouldPrependBosToken ? [model.tokens.bos] : [];
    const ids = [...begins, ...model.tokenize(text)];
    if (ids.join() !== task.ids[index].join()) throw new Error(`"${text}" is read as ${ids}, not ${task.ids[index]}`);
    logits.push(await following(sequence, ids, vocabulary));
    texts.push(await written(sequence, ids, task.writes));
  }
  await model.dispose();
  return { logits, written: texts };
}

for (const name of readdirSync(root).filter((entry) => /^\d+$/.test(entry)).sort()) {
  let answer;
  try {
    answer = await read(name);
  } catch (error) {
    answer = { error: `${error}`.slice(0, 400) };
  }
  writeFileSync(join(root, name, 'answer.json'), JSON.stringify(answer));
}
await llama.dispose();
