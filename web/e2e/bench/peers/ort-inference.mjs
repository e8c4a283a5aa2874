// onnxruntime-web: a step is a forward pass; of its logits the loss is given, to be compared with the others' first.

import * as ort from "./packages/onnxruntime-web/dist/ort.wasm.min.mjs";
import { loss } from "./loss.mjs";

export async function prepare(folder, { ids, labels }) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL("./packages/onnxruntime-web/dist/", import.meta.url).href;
  const session = await ort.InferenceSession.create(`${folder}/model.onnx`, { executionProviders: ["wasm"] });
  return async () => {
    const batch = new ort.Tensor("int64", BigInt64Array.from(ids.flat(), BigInt), [ids.length, ids[0].length]);
    const outputs = await session.run({ ids: batch });
    return loss(outputs[session.outputNames[0]].data, labels);
  };
}
