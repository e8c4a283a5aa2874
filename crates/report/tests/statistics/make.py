"""Writes cases.json: statistics of small samples by scipy, statsmodels and numpy, for tests/statistics.rs.

    pip install numpy scipy statsmodels && python3 make.py > cases.json
"""

import itertools
import json

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests


def summary(values):
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    out = {"n": n, "mean": float(values.mean()), "sd": None, "interval": None, "bootstrap": None}
    if n < 2:
        return out
    sd = float(values.std(ddof=1))
    out["sd"] = sd
    if sd > 0:
        low, high = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=sd / np.sqrt(n))
    else:
        low = high = values.mean()
    out["interval"] = [float(low), float(high)]
    if n <= 6:
        means = np.array([np.mean(pick) for pick in itertools.product(values, repeat=n)])
        out["bootstrap"] = [float(x) for x in np.percentile(means, [2.5, 97.5])]
    return out


def difference(arm, base):
    differences = np.asarray(arm, dtype=np.float64) - np.asarray(base, dtype=np.float64)
    out = summary(differences)
    out["p"] = float(stats.ttest_rel(arm, base).pvalue) if len(arm) > 1 else None
    return out


def case(name, base, arms):
    """Every arm has the baseline's seeds."""
    arms = [list(map(float, arm)) for arm in arms]
    differences = [difference(arm, base) for arm in arms]
    tested = [d["p"] for d in differences if d["p"] is not None]
    holm = iter(multipletests(tested, alpha=0.05, method="holm")[1]) if tested else iter(())
    for d in differences:
        d["holm"] = float(next(holm)) if d["p"] is not None else None
    return {
        "name": name,
        "base": list(map(float, base)),
        "arms": arms,
        "summaries": [summary(values) for values in [base, *arms]],
        "differences": differences,
    }


rng = np.random.default_rng(2024)


def metric(n, mean, sd):
    return list(np.round(rng.normal(mean, sd, n) * 1024) / 1024)


cases = [
    case("one seed", [0.9531], [[0.9404], [0.9590]]),
    case("two seeds", [0.951, 0.944], [[0.931, 0.940], [0.957, 0.949]]),
    case("three seeds", metric(3, 0.94, 0.004), [metric(3, 0.93, 0.005) for _ in range(2)]),
    case("four seeds, seconds", rng.gamma(60, 0.15, 4), [rng.gamma(60, 0.17, 4) for _ in range(3)]),
    case("five seeds, salience", metric(5, 0.944, 0.003), [metric(5, m, 0.004) for m in (0.943, 0.94, 0.93, 0.9, 0.942)]),
    case("six seeds, memory", rng.normal(8.3e7, 2e5, 6), [rng.normal(m, 3e5, 6) for m in (8.31e7, 9.9e7)]),
    case("seven seeds", metric(7, 0.8, 0.02), [metric(7, 0.8, 0.02) for _ in range(4)]),
    case("ten seeds", metric(10, 0.8, 0.02), [metric(10, 0.81, 0.02) for _ in range(4)]),
    case("thirty seeds", rng.normal(0, 1, 30), [rng.normal(0.5, 1, 30) for _ in range(6)]),
    case("tiny numbers", rng.normal(1e-9, 1e-11, 5), [rng.normal(1.1e-9, 1e-11, 5) for _ in range(2)]),
    case("negative and wide", [-3.0, 5.0, 1e3], [[-2.5, 4.0, 9e2], [7.0, -5.0, 0.5]]),
    case("far apart", [0.1, 0.2, 0.3, 0.4, 0.5], [[1e3 + x for x in (0.11, 0.19, 0.33, 0.4, 0.5)]]),
    case("ties among p", [0.5, 0.25, 0.75, 0.5], [[0.75, 0.25, 1.0, 0.5], [0.75, 0.25, 1.0, 0.5], [0.0, 0.25, 0.5, 0.5]]),
]
print(json.dumps(cases, indent=1))
