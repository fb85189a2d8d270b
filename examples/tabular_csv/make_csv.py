"""Makes customers.csv: numbers, categories, text, dates, and gaps in most columns."""

import sys

import numpy as np
import pandas as pd

NOTES = {
    False: ["asked for a second seat", "happy with the new plan", "wants an invoice by mail"],
    True: ["complained about the price", "asked how to cancel", "waits for an answer since weeks"],
}


def customers(rows=600, seed=0):
    random = np.random.default_rng(seed)
    age = random.integers(18, 80, rows)
    plan = random.choice(["basic", "plus", "pro"], rows, p=[0.5, 0.3, 0.2])
    joined = pd.Timestamp("2019-01-01") + pd.to_timedelta(random.integers(0, 2000, rows), "D")
    months = random.gamma(3, 8, rows)
    score = 0.9 * (plan == "basic") - 0.06 * months + 0.0006 * (joined - joined.min()).days + 0.3
    churned = random.random(rows) < 1 / (1 + np.exp(-1.5 * score))
    upset = churned ^ (random.random(rows) < 0.15)
    note = [f"{random.choice(NOTES[bool(u)])}, ticket {random.integers(10_000)}" for u in upset]
    table = pd.DataFrame(
        {
            "age": age,
            "plan": plan,
            "joined": joined.strftime("%Y-%m-%d"),
            "months": months.round(1),
            "note": note,
        }
    )
    for column in ("age", "plan", "months", "note"):
        table.loc[random.random(rows) < 0.08, column] = None
    return table.assign(churned=np.where(churned, "yes", "no"))


if __name__ == "__main__":
    customers().to_csv(sys.argv[1] if len(sys.argv) > 1 else "customers.csv", index=False)
