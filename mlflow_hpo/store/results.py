"""Writes a trial's results to its run, and reads them: tags with JSON by metric and epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count, takewhile

from mlflow_hpo.metric import Metric
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection, to_json
from mlflow_hpo.store.tag_reader import TagReader, json_of
from mlflow_hpo.trial import Dropped, Result, Results, Trial

IN_A_TAG = 200  # results: each takes some 30 characters, of the 8,000 that a tag holds
MEGABYTE = 1e6
VALUES = json_of(dict[str, dict[int, float]])


def write_results(connection: Connection, trial: Trial, result: Result, metrics: Sequence[Metric]) -> Trial:
    """Writes the results of a trial's unit and what it used; returns the trial with them."""
    anew = {keys.DROPPED: ""} if trial.dropped else {}
    anew |= {keys.ATTEMPTS: "0"} if trial.attempts else {}
    trial = _with_result(trial, result, metrics)
    tags = _tags(trial, metrics) | anew
    metrics_now = _used(trial, result) | _best(trial, metrics)
    connection.write(trial.run_id, metrics=metrics_now, step=trial.epochs, tags=tags)
    return trial


def losses_of(values: Results, metrics: Sequence[Metric]) -> Results:
    """Returns the losses of metrics' values, the study's first metric first."""
    return {m.name: {e: m.loss(v) for e, v in values[m.name].items()} for m in metrics if m.name in values}


def joined(before: Results, new: Results) -> Results:
    """Returns the results of two units of a trial together; the newer ones count."""
    return {name: {**before.get(name, {}), **new.get(name, {})} for name in dict.fromkeys((*before, *new))}


def results_tags(results: Results, metrics: Sequence[Metric]) -> dict[str, str]:
    """Returns the tags that hold results, in the metrics' own unit and sign.

    Each tag is JSON by itself, so that a store that writes tags one by one never leaves half a value.
    """
    rows = [(epochs, m.name, m.value(v)) for m in metrics for epochs, v in results.get(m.name, {}).items()]
    rows.sort(key=lambda row: row[0])
    parts = [rows[i : i + IN_A_TAG] for i in range(0, len(rows), IN_A_TAG)]
    return {_key(place): to_json(_by_metric(part, metrics)) for place, part in enumerate(parts)}


def read_results(reader: TagReader, tags: Mapping[str, str], metrics: Sequence[Metric]) -> Results:
    """Returns a trial's results from its run's tags, as losses."""
    results: Results = {}
    for key in takewhile(lambda key: key in tags, map(_key, count())):
        results = joined(results, losses_of(reader.read(key, VALUES) or {}, metrics))
    return results


def _key(place: int) -> str:
    return keys.RESULTS + (f".{place}" if place else "")


def _by_metric(
    rows: Sequence[tuple[int, str, float]], metrics: Sequence[Metric]
) -> dict[str, dict[str, float]]:
    return {m.name: {str(e): value for e, name, value in rows if name == m.name} for m in metrics}


def _with_result(trial: Trial, result: Result, metrics: Sequence[Metric]) -> Trial:
    return replace(
        trial,
        results=joined(trial.results, losses_of(result.values, metrics)),
        seconds=trial.seconds + result.seconds,
        state=result.state,
        reason=result.reason,
        model_uri=result.model_uri or trial.model_uri,  # not every unit logs one
        ended_itself=result.ended_itself,
        attempts=0,
        best_epoch=result.best_epoch,
        dropped=Dropped.NOTHING,
        violations={**trial.violations, **result.violations},
    )


def _tags(trial: Trial, metrics: Sequence[Metric]) -> dict[str, str]:
    tags = {
        **results_tags(trial.results, metrics),
        keys.SECONDS: repr(trial.seconds),
        keys.MODEL: trial.model_uri,
        keys.STATE: str(trial.state),
    }
    if trial.reason:
        tags |= {keys.REASON: trial.reason, keys.NOTE: f"**{trial.state}**: {trial.reason}"}
    if trial.violations:
        tags[keys.VIOLATIONS] = to_json({str(epoch): value for epoch, value in trial.violations.items()})
    if trial.ended_itself:
        tags[keys.ENDED_ITSELF] = "true"
    if trial.best_epoch is not None:
        tags[keys.BEST_EPOCH] = str(trial.best_epoch)
    return tags


def _best(trial: Trial, metrics: Sequence[Metric]) -> dict[str, float]:
    """Returns the trial's value under a name of its own, where the last value logged is not the one."""
    if trial.best_epoch is None or trial.loss is None:
        return {}
    return {keys.BEST + metrics[0].name: metrics[0].value(trial.loss)}


def _used(trial: Trial, result: Result) -> dict[str, float]:
    used = {
        keys.WALL_SECONDS: trial.seconds,
        keys.CPU_SECONDS: result.cpu_seconds,
        keys.PEAK_MEMORY: result.peak_memory_bytes / MEGABYTE,
    }
    if result.gpu_memory_bytes is not None:
        used[keys.GPU_MEMORY] = result.gpu_memory_bytes / MEGABYTE
    return used
