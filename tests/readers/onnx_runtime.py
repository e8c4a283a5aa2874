"""Reads every case with ONNX Runtime: the batches as they are, the texts' tokens one by one.

Takes the folder of cases; leaves `answer.json` in each: logits of every sequence, in order.
"""

import glob
import json
import os
import sys

import numpy
import onnxruntime


def read(folder):
    with open(os.path.join(folder, "case.json")) as file:
        case = json.load(file)
    [model] = glob.glob(os.path.join(folder, "onnx", "*.onnx"))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    logits = []
    feeds = case["batches"] + [{"input_ids": [ids], "attention_mask": [[1] * len(ids)]} for ids in case["ids"]]
    for feed in feeds:
        feed = {name: numpy.array(rows, dtype=numpy.int64) for name, rows in feed.items()}
        if "token_type_ids" in names and "token_type_ids" not in feed:
            feed["token_type_ids"] = numpy.zeros_like(feed["input_ids"])
        if sorted(feed) != sorted(names):
            raise ValueError(f"the graph takes {names}, the case has {sorted(feed)}")
        logits += session.run(["logits"], feed)[0].tolist()
    return logits


for place in sorted(glob.glob(os.path.join(sys.argv[1], "[0-9]*"))):
    try:
        answer = {"logits": read(place)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {str(error)[:400]}"}
    with open(os.path.join(place, "answer.json"), "w") as file:
        json.dump(answer, file)
