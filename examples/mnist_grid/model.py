"""A builder with keyword arguments, as people write it for a KerasClassifier."""

from keras.layers import Dense, Dropout, Flatten
from keras.models import Sequential
from keras.optimizers import Adam


def create_model(hidden_layer_one=784, hidden_layer_two=256, dropout=0.2, lr_rate=0.01):
    model = Sequential()
    model.add(Flatten())
    model.add(Dense(hidden_layer_one, activation="relu"))
    model.add(Dropout(dropout))
    model.add(Dense(hidden_layer_two, activation="relu"))
    model.add(Dropout(dropout))
    model.add(Dense(10, activation="softmax"))
    model.compile(
        optimizer=Adam(learning_rate=lr_rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model
