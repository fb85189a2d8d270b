"""How well the search works, in seven parts.

    python benchmarks/search.py public      # mean ranks on recorded trainings and COCO's functions
    python benchmarks/search.py samplers    # regret of every algorithm, beside Hyperopt's and Optuna's own
    python benchmarks/search.py growth      # seconds for a proposal after 100, 1,000 and 10,000 trials
    python benchmarks/search.py choices     # what a choice of 10,000 options costs beside one of 10
    python benchmarks/search.py simulated   # the schedulers on a simulated clock, 1 to 1,000 workers
    python benchmarks/search.py promotions  # what a promotion costs beside the rung it trains
    python benchmarks/search.py race        # wall seconds to a validation loss, against other tuners

Further arguments go to the part; `--help` after its name shows them. The race needs its peers:
`pip install -e '.[peers]'`.
"""

import runpy
import sys
from pathlib import Path

PARTS = {
    "public": ("public.py",),
    "samplers": ("samplers.py", "--part", "regret"),
    "growth": ("samplers.py", "--part", "growth"),
    "choices": ("choices.py",),
    "simulated": ("simulated.py",),
    "promotions": ("promotions.py",),
    "race": ("race.py",),
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in PARTS:
        sys.exit(__doc__)
    file, *arguments = PARTS[sys.argv[1]]
    path = Path(__file__).parent / file
    sys.argv = [str(path), *arguments, *sys.argv[2:]]
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name="__main__")


if __name__ == "__main__":
    main()
