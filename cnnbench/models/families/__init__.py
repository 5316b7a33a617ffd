"""Architectures that ``keras.applications`` does not have, one family a file.

Every builder is a function with the signature of ``keras.applications``:

    Builder(include_top=True, input_shape=(h, w, c), classes=1000,
            classifier_activation="softmax", **family parameters) -> keras.Model

Sizes are channels last. Builders use ``tf.keras.layers``, so that they work under Keras 2 and
Keras 3, and the functional API, so that every layer is visible. They return initial weights;
`Model.build` loads those of a file.
"""
