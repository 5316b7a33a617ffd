"""The architectures that ``keras.applications`` does not have, one family a file.

Every builder is a plain function in the manner of ``keras.applications``:

    Builder(include_top=True, input_shape=(h, w, c), classes=1000,
            classifier_activation="softmax", **family parameters) -> keras.Model

Sizes are channels last. They are written against ``tf.keras.layers``, so that they work under
Keras 2 and Keras 3, and functionally, so that every layer is visible. Weights are as initialised:
those of a file come in through `Model.build`.
"""
