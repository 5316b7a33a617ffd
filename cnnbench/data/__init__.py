"""Images with annotations: one file a data set, found by name in `datasets.DATASETS`.

`loading.load` returns a `LoadedData` of uint8 images at one size; `pipeline` feeds them to
training.
"""
