"""What every reader in Python does with the folder of cases that it is given: `answer.json` in each, with the logits of
every sequence, in order, and what a decoder writes, or what went wrong.
"""

import glob
import json
import os
import sys


def case(folder):
    with open(os.path.join(folder, "case.json")) as file:
        return json.load(file)


def answer_all(read):
    for place in sorted(glob.glob(os.path.join(sys.argv[1], "[0-9]*"))):
        try:
            answer = read(place)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {str(error)[:600]}"}
        with open(os.path.join(place, "answer.json"), "w") as file:
            json.dump(answer, file)
