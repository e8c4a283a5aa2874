"""Reads every case with transformers, and with PEFT where it has adapters."""

import os

import torch
from answers import answer_all, case
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def load(folder, needs_code):
    if not os.path.isdir(os.path.join(folder, "adapter")):
        kwargs = {"trust_remote_code": True} if needs_code else {}
        model, report = AutoModelForSequenceClassification.from_pretrained(
            folder, output_loading_info=True, **kwargs
        )
        # What is missing gets random values, and only a warning.
        odd = {key: sorted(map(str, report[key])) for key in ("missing_keys", "unexpected_keys") if report[key]}
        if odd:
            raise ValueError(str(odd))
        # Newer versions keep the file's type, which half-precision files are not to be computed in here.
        return model.float(), AutoTokenizer.from_pretrained(folder)
    from peft import PeftModel

    base = os.path.join(folder, "base")
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=3)
    return PeftModel.from_pretrained(model, os.path.join(folder, "adapter")), AutoTokenizer.from_pretrained(base)


def read(folder):
    task = case(folder)
    model, tokenizer = load(folder, task["needs_code"])
    model.eval()
    logits = []
    with torch.no_grad():
        for batch in task["batches"]:
            logits += model(**{name: torch.tensor(rows) for name, rows in batch.items()}).logits.tolist()
        for text, ids in zip(task["texts"], task["ids"]):
            tokens = tokenizer([text], truncation=True, padding=True, return_tensors="pt")
            if tokens["input_ids"][0].tolist() != ids:
                raise ValueError(f"{text!r} is read as {tokens['input_ids'][0].tolist()}, not {ids}")
            logits += model(**tokens).logits.tolist()
    return logits


answer_all(read)
