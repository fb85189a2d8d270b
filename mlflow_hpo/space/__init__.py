"""The space: hyperparameters and their distributions, from YAML to a Hyperopt expression to a config."""

from mlflow_hpo.space.asked import (
    Asked,
    asked_config,
    asked_parameter,
    asked_space,
    drawn,
    dump_asked,
    holds,
    option_value,
)
from mlflow_hpo.space.choices import Choice, Fixed, Option, Parameter, Searched, same, usual
from mlflow_hpo.space.configs import given_text, load_given, parse_given
from mlflow_hpo.space.convert.grids import GRID
from mlflow_hpo.space.convert.hyperopt import is_expression
from mlflow_hpo.space.convert.options import Options
from mlflow_hpo.space.convert.python import converted, space_text
from mlflow_hpo.space.convert.structure import Structure
from mlflow_hpo.space.distributions import Float, Int
from mlflow_hpo.space.normal import Normal
from mlflow_hpo.space.plain import dump_space
from mlflow_hpo.space.space import Space, changed, paths_of
from mlflow_hpo.space.where import Where, broken, check_where, nearest, redrawn, share
from mlflow_hpo.space.yaml_file import load_space, parse_space

__all__ = [
    "GRID",
    "Asked",
    "Choice",
    "Fixed",
    "Float",
    "Int",
    "Normal",
    "Option",
    "Options",
    "Parameter",
    "Searched",
    "Space",
    "Structure",
    "Where",
    "asked_config",
    "asked_parameter",
    "asked_space",
    "broken",
    "changed",
    "check_where",
    "converted",
    "drawn",
    "dump_asked",
    "dump_space",
    "given_text",
    "holds",
    "is_expression",
    "load_given",
    "load_space",
    "nearest",
    "option_value",
    "parse_given",
    "parse_space",
    "paths_of",
    "redrawn",
    "same",
    "share",
    "space_text",
    "usual",
]
