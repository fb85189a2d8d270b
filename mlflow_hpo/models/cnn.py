"""A small convolutional network for images."""

from typing import Any

SMALLEST = 4  # pixels: a feature map at or below this is not halved further


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    layers: int = 2,
    filters: int = 16,
    kernel: int = 3,
    units: int = 64,
    dropout: float = 0.0,
    activation: str = "relu",
) -> Any:
    """Returns `layers` convolutions, each with twice the filters at half the size, then one dense layer.

    Args:
        shape: of one image: height, width, channels.
        classes: how many the softmax has; 0 for one linear output (regression).
    """
    from keras import Input, Sequential
    from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D

    model = Sequential([Input(shape)])
    for i in range(layers):
        model.add(Conv2D(filters * 2**i, kernel, padding="same", activation=activation))
        if min(model.output_shape[1:3]) > SMALLEST:
            model.add(MaxPooling2D())
    model.add(Flatten())
    model.add(Dense(units, activation=activation))
    model.add(Dropout(dropout))
    model.add(Dense(classes, activation="softmax") if classes else Dense(1))
    return model
