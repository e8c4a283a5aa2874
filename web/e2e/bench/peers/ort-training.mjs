// onnxruntime-web/training: a step is the gradient, clipping and AdamW, and the loss read back.

import * as ort from "./packages/onnxruntime-web-training/dist/ort.training.wasm.min.mjs";

export async function prepare(folder, { ids, labels }) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL("./packages/onnxruntime-web-training/dist/", import.meta.url).href;
  const file = (name) => `${folder}/training/${name}`;
  const session = await ort.TrainingSession.create({
    checkpointState: file("checkpoint"),
    trainModel: file("training_model.onnx"),
    evalModel: file("eval_model.onnx"),
    optimizerModel: file("optimizer_model.onnx"),
  });
  const whole = (values, sizes) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), sizes);
  return async () => {
    const batch = { ids: whole(ids.flat(), [ids.length, ids[0].length]), labels: whole(labels, [labels.length]) };
    const outputs = await session.runTrainStep(batch);
    await session.runOptimizerStep();
    await session.lazyResetGrad();
    return outputs[session.trainingOutputNames[0]].data[0];
  };
}
