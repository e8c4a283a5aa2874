"""Reads every case with transformers, and with PEFT where it has adapters. A decoder's logits are those of all tokens, and
it is asked to write."""

import os

import torch
from answers import answer_all, case
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer


def load(folder, task):
    writes = "writes" in task
    of = AutoModelForCausalLM if writes else AutoModelForSequenceClassification
    if not os.path.isdir(os.path.join(folder, "adapter")):
        kwargs = {"trust_remote_code": True} if task["needs_code"] else {}
        model, report = of.from_pretrained(folder, output_loading_info=True, **kwargs)
        # What is missing gets random values, and only a warning.
        odd = {key: sorted(map(str, report[key])) for key in ("missing_keys", "unexpected_keys") if report[key]}
        if odd:
            raise ValueError(str(odd))
        # Newer versions keep the file's type, which half-precision files are not to be computed in here.
        return model.float(), AutoTokenizer.from_pretrained(folder, **kwargs)
    from peft import PeftModel

    base = os.path.join(folder, "base")
    model = of.from_pretrained(base, **({} if writes else {"num_labels": 3}))
    return PeftModel.from_pretrained(model, os.path.join(folder, "adapter")), AutoTokenizer.from_pretrained(base)


def rows_of(logits, mask):
    """Logits of every sequence: the classifier's, or those of all its tokens behind one another."""
    if logits.dim() == 2:
        return logits.tolist()
    return [row[: int(n)].flatten().tolist() for row, n in zip(logits, mask.sum(1))]


def written(model, tokens, count):
    ids = model.generate(
        **tokens, max_new_tokens=count, min_new_tokens=count, do_sample=False, pad_token_id=0, eos_token_id=None
    )
    return ids[0, tokens["input_ids"].shape[1] :].tolist()


def read(folder):
    task = case(folder)
    model, tokenizer = load(folder, task)
    model.eval()
    logits, texts = [], []
    with torch.no_grad():
        for batch in task["batches"]:
            batch = {name: torch.tensor(rows) for name, rows in batch.items()}
            logits += rows_of(model(**batch).logits, batch["attention_mask"])
        for text, ids in zip(task["texts"], task["ids"]):
            tokens = tokenizer([text], truncation=True, padding="writes" not in task, return_tensors="pt")
            if tokens["input_ids"][0].tolist() != ids:
                raise ValueError(f"{text!r} is read as {tokens['input_ids'][0].tolist()}, not {ids}")
            logits += rows_of(model(**tokens).logits, tokens["attention_mask"])
            if "writes" in task:
                texts.append(written(model, tokens, task["writes"]))
    return {"logits": logits, "written": texts}


answer_all(read)
