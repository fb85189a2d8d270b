"""A multi-layer perceptron on flattened inputs."""

from typing import Any


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    layers: int = 1,
    units: int = 64,
    dropout: float = 0.0,
    activation: str = "relu",
) -> Any:
    """Returns `layers` dense layers of `units`, each followed by dropout, and an output layer.

    Args:
        shape: of one input.
        classes: how many the softmax has; 0 for one linear output (regression).
    """
    from keras import Input, Sequential
    from keras.layers import Dense, Dropout, Flatten

    model = Sequential([Input(shape), Flatten()])
    for _ in range(layers):
        model.add(Dense(units, activation=activation))
        model.add(Dropout(dropout))
    model.add(Dense(classes, activation="softmax") if classes else Dense(1))
    return model
