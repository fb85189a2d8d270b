"""Settings, algorithms and schedulers by their names in other libraries, with those that they have here."""

import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches

# What does it here, as an argument of `tune` -> its names there.
_SETTINGS: Mapping[str, str] = {
    "folds=5, or a splitter of scikit-learn's": "cv n_splits k_folds",
    "group_column=NAME, or the values": "groups group group_by group_col",
    "weight_column=NAME": "sample_weight sample_weights weight_col",
    "time_column=NAME": "time_col date_column timestamp_column datetime_column",
    "part_column=NAME": "split_column split_col fold_column subset_column",
    "max_trials=20, the baseline among them": (
        "n_trials n_iter num_samples max_evals n_calls num_trials trials hyperband_iterations"
    ),
    "max_epochs=10": (
        "epochs max_t num_epochs n_epochs nb_epoch training_iteration max_resources max_resource"
    ),
    "metric=val_accuracy; a function that trains is the model": "objective",
    "metric=val_f1_macro": "scoring score metrics monitor eval_metric",
    "direction=maximize": "mode directions maximize minimize greater_is_better",
    "eta=3": "factor reduction_factor",
    "min_epochs=1": "grace_period min_resources min_resource perturbation_interval",
    "workers=4": "n_jobs max_concurrent_trials max_concurrent parallelism num_workers cores",
    "model, the first argument": "estimator hypermodel fn func trainable train_fn build_fn pipeline",
    "space, the second argument": (
        "param_grid param_distributions param_space search_space search_spaces params hyperparameters "
        "distributions parameters config"
    ),
    "repeats=3": "executions_per_trial n_repeats num_repeats",
    "progress=False": "verbose show_progress show_progress_bar progressbar show_progressbar",
    "MLflow's experiment: set MLFLOW_EXPERIMENT_NAME": "project_name study_name experiment_name experiment",
    "MLflow's tracking store: set MLFLOW_TRACKING_URI": (
        "directory storage storage_path local_dir logger tracking_uri trials_save_file"
    ),
    "nothing: each study is new, and resume=latest goes on with one": "overwrite load_if_exists",
    "scheduler=median, or asha, or hyperband": "pruner stopper",
    "algorithm=tpe, or gp": "sampler tuner algo search_alg oracle strategy suggest",
    "nothing: an algorithm begins at random by itself": (
        "n_startup_trials n_startup_jobs n_initial_points num_initial_points n_random_starts"
    ),
    "timeout=600": "time_budget_s timeout_s max_time time_limit time_budget",
    "final=true": "refit retrain",
    "seed=1": "random_state rstate random_seed np_seed",
    "nothing: a trial that fails is FAILED, and the search goes on": "error_score catch",
    "nothing: the training rows' values are metrics of each trial": "return_train_score",
    "nothing: each worker gets one unit at a time": "pre_dispatch",
    "target=0.95": "loss_threshold stop",
    "patience=10": "early_stop_fn max_no_improvement",
    "start_from=[{...}], configs to try first": "points_to_evaluate evaluated_rewards enqueue_trial",
    "data=((x, y), (x_val, y_val), (x_test, y_test))": (
        "validation_split validation_data test_size train_size x_val y_val x_test y_test"
    ),
    "nothing: an epoch is as long as its stream, which take() makes shorter": (
        "steps_per_epoch validation_steps"
    ),
    "data=(x, y)": "x y x_train y_train train_data dataset",
    "a hyperparameter: put it into the space, or into the model": "batch_size learning_rate optimizer loss",
    "retries=2": "max_retries_per_trial max_failures max_consecutive_failed_trials",
    "trial_gpus=0.5, and trial_cpus": "resources_per_trial gpus gpus_per_trial num_gpus n_gpus",
}
_ALGORITHMS: Mapping[str, str] = {  # ours -> ours, and bare names of others
    "auto": "auto default",
    "tpe": "tpe hyperopt treestructuredparzenestimator parzen",
    "gp": "gp bayesian bayes bo gaussianprocess skopt gpei smac",
    "random": "random rand randomized uniform",
    "anneal": "anneal annealing simulatedannealing",
    "evolution": "evolution genetic ga evolutionary de differentialevolution",
    "nsga2": "nsga2 nsga nsgaii",
    "cmaes": "cmaes cma",
    "grid": "grid exhaustive bruteforce",
    "optuna:TPE": "optuna",
    "tpe with scheduler hyperband": "bohb",
}
_SCHEDULERS: Mapping[str, str] = {
    "none": "none fifo nop nopruning",
    "halving": "halving sha successivehalving halvinggrid halvingrandom",
    "hyperband": "hyperband",
    "asha": "asha async asynchyperband asynchronoussuccessivehalving",
    "median": "median medianstopping medianstoppingrule",
    "pbt": "pbt pb populationbased populationbasedtraining",
    "hyperband with algorithm tpe": "bohb hyperbandforbohb",
}


def _by_name(ours: Mapping[str, str]) -> Mapping[str, str]:
    return {name: here for here, names in ours.items() for name in names.split()}


SETTINGS, ALGORITHMS, SCHEDULERS = map(_by_name, (_SETTINGS, _ALGORITHMS, _SCHEDULERS))
AFFIXES = re.compile(r"(sampler|search(cv|er)?|optimi[sz]ation|optimizer|tuner|suggest|pruner|scheduler)")


def setting_hint(name: str, known: Collection[str], shown: Callable[[str], str] = str) -> str:
    """Returns what a setting that does not exist is called here, or which ones are alike.

    Args:
        known: the settings there are.
        shown: makes of a name how it is given.
    """
    word = name.lower().replace("-", "_")
    if word in SETTINGS:
        return f"here that is {SETTINGS[word]}"
    alike = get_close_matches(word, known, n=3)
    return (
        f"did you mean {' or '.join(map(shown, alike))}?"
        if alike
        else "docs/settings.md lists those that there are"
    )


def option_hint(option: str, known: Collection[str]) -> str:
    """Says of an option that does not exist which one does: `folds=5` becomes `--folds 5`."""
    text = setting_hint(option.lstrip("-"), known, lambda word: f"--{word.replace('_', '-')}")
    text = re.sub(r"\b([a-z_]+)=([\w.]+)", lambda m: f"--{m[1].replace('_', '-')} {m[2]}", text)
    text = text.replace("model, the first argument", "--model").replace(
        "space, the second argument", "--space"
    )
    return re.sub(r"data=\S.*", "--data FILE", text)


def algorithm_hint(name: str) -> str:
    """Returns what another library's algorithm is here; empty if it is not known."""
    if here := _found(name, ALGORITHMS):
        return f"here that is {here}"
    scheduler = _found(name, SCHEDULERS)
    return f"it says how long trials train: give scheduler {scheduler}" if scheduler else ""


def scheduler_hint(name: str) -> str:
    """Returns what another library's scheduler or pruner is here; empty if it is not known."""
    if here := _found(name, SCHEDULERS):
        return f"here that is {here}"
    algorithm = _found(name, ALGORITHMS)
    return f"it proposes configs: give algorithm {algorithm}" if algorithm else ""


def _found(name: str, foreign: Mapping[str, str]) -> str:
    """Returns what a name stands for, however it is written; empty if that is not known."""
    bare = re.sub(r"[^a-z]", "", name.lower())
    return foreign.get(bare) or foreign.get(AFFIXES.sub("", bare), "")
