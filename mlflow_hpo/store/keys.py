"""Names every key that the project writes into the tracking store.

Only the tags under `mlflow_hpo.` (and the space's file) are read back; everything else is for people.
"""

PREFIX = "mlflow_hpo."

# Tags of a study, the parent run.
STUDY = PREFIX + "study"  # the format's version; marks a run as a study
SETTINGS = PREFIX + "settings"  # JSON: what was asked
PLAN = PREFIX + "plan"  # JSON: what followed from the settings (`report.study_info`)
BEAT = PREFIX + "beat"  # JSON: the number of the claim that drives it, and a count; null: it is over

# Params of a study: who drove it, by number; see `store.claim`.
CLAIM = PREFIX + "claim."

# Tag of every run: the number of the claim whose process created it, and what is unlike any other's.
CREATED = PREFIX + "created"

# Tags of a trial, a child run.
NUMBER = PREFIX + "trial"
CONFIG = PREFIX + "config"  # JSON; more of its text in tags .1, .2 and so on
ASKED = PREFIX + "asked"  # JSON: what its objective asked for, name -> value and distribution; in parts, too
WISH = PREFIX + "wish."  # and some letters, JSON: what somebody asks of a running study by hand
VIOLATIONS = PREFIX + "violations"  # JSON: epochs -> by how much constraints are broken there
RESULTS = PREFIX + "results"  # JSON: metric -> epochs -> value; more of it in tags .1, .2 and so on
SECONDS = PREFIX + "seconds"  # wall seconds of all its units
MODEL = PREFIX + "model"  # URI of its newest model
ENDED_ITSELF = PREFIX + "ended_itself"  # "true" on a trial that ended by itself before all epochs
ATTEMPTS = PREFIX + "attempts"  # how many workers died with the unit that comes next
BEST_EPOCH = PREFIX + "best_epoch"  # of a trial whose best value counts: the epoch that had it
DROPPED = PREFIX + "dropped"  # "models" or "all", if they were deleted; ends in "?" meanwhile
SOURCE = PREFIX + "source"  # JSON: the trial whose checkpoint it began from, and at which epoch

# Tags of the study that has one, and of the final training's own run.
FINAL = PREFIX + "final"  # JSON: the trial whose config it trained, its run and its model

LOADS = PREFIX + "loads"  # JSON: URI of a model that was loaded once in a fresh process -> why not, or empty
REGISTERED = PREFIX + "registered"  # JSON: the study's registrations, the newest first

# Tags of extra runs: the number of the trial whose config was trained once more.
RETRAINED = PREFIX + "retrained"  # with another seed
REPLAYED = PREFIX + "replayed"  # with its own seed
EXTRA_RUNS = (RETRAINED, REPLAYED, FINAL)
PROCESS = PREFIX + "process"  # JSON: which one creates a study, or has an extra run trained; see `Claim`

# Tags of both.
STATE = PREFIX + "state"
REASON = PREFIX + "reason"  # of the state, in words

FORMAT = "2"
SPACE_FILE = "space.yaml"
START_FILE = "start_from.yaml"
CONTENTS = "given"  # folder: code and data that Python gave, each a file named by its digest
CHECKPOINTS = "checkpoints"  # folder
TRACEBACK_FILE = "traceback.txt"
OUTPUT_FILE = "output.txt"  # of a project's process
PAGE_FILE = "report.html"
MACHINE = "machine."  # tags: the machine that a trial was trained on

# Metrics of a trial, besides those of its training and MLflow's own under `system/`.
WALL_SECONDS = "wall_seconds"
CPU_SECONDS = "cpu_seconds"
PEAK_MEMORY = "peak_memory_mb"
GPU_MEMORY = "gpu_memory_mb"

MODEL_SIZE = "model_size_bytes"

ATTRIBUTES = "user_attrs."  # tags of a trial: what its objective kept by `set_user_attr`

SEED_PARAM = "seed"
# Before a metric's name. On a study: the best value so far, by the number of rungs reached and failures; on a
# trial whose best epoch counts: its value.
BEST = "best_"
TEST = "test_"  # a trial's metrics on the test part, once it is registered

# MLflow's own.
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
USER = "mlflow.user"
COMMIT = "mlflow.source.git.commit"
PRIMARY_METRIC = "mlflow.experiment.primaryMetric.name"
GREATER_IS_BETTER = "mlflow.experiment.primaryMetric.greaterIsBetter"

MAX_TAG = 8000  # characters that a tag holds
MAX_PARAM = 6000
PART = 5000  # characters of a tag of which there may be several: any server takes so many
FOR_PEOPLE = {NOTE: 5000, REASON: 2000}  # tags that may be shortened

# Tags of a registered model version, leading back; and of the trial that was scored for it.
STUDY_RUN = PREFIX + "study_run"
TRIAL_RUN = PREFIX + "trial_run"
TEST_DIGEST = PREFIX + "test_digest"
HELD_OUT = PREFIX + "held_out"  # the digest of the test rows alone
SEARCHED_ROWS = PREFIX + "searched_rows"  # a sketch of the rows of training and validation

# More tags of a version: the gate's comparison.
VALUE = PREFIX + "value"  # JSON: the study's metric, and its mean over the seeds of the trial
VALUES = PREFIX + "values"  # JSON: the study's metrics -> their values
CLASSES = PREFIX + "classes"  # JSON: the names of the classes
COMPARED = PREFIX + "compared"  # JSON: the other version, the measure, the gain and its interval
FORCED = PREFIX + "forced"  # why the gate would have refused it
BEFORE = PREFIX + "before."  # and an alias: the version that held the alias before
