"""A small CNN as KerasTuner's users write it: nothing here knows of mlflow_hpo."""

import keras
import keras_tuner
from keras import layers


class SmallCNN(keras_tuner.HyperModel):
    def __init__(self, input_shape=(32, 32, 3), num_classes=10):
        super().__init__()
        self.input_shape = input_shape
        self.num_classes = num_classes

    def build(self, hp):
        model = keras.Sequential([keras.Input(self.input_shape)])
        for i in range(hp.Int("blocks", 1, 3, default=2)):
            filters = hp.Int(f"filters_{i}", 16, 64, step=16)
            model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
            if hp.Boolean("batch_norm"):
                model.add(layers.BatchNormalization())
            model.add(layers.MaxPooling2D())
        head = hp.Choice("head", ["average", "dense"])
        with hp.conditional_scope("head", ["average"]):
            if head == "average":
                model.add(layers.GlobalAveragePooling2D())
        with hp.conditional_scope("head", ["dense"]):
            if head == "dense":
                model.add(layers.Flatten())
                model.add(layers.Dense(hp.Int("units", 32, 128, step=32), activation="relu"))
                model.add(layers.Dropout(hp.Float("dropout", 0.0, 0.5, step=0.1)))
        model.add(layers.Dense(self.num_classes, activation="softmax"))
        model.compile(
            optimizer=keras.optimizers.Adam(
                hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3)
            ),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Choice("batch_size", [64, 128, 256]), **kwargs)
