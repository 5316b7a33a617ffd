"""Models: names and the networks that they refer to.

`registry.resolve` returns the `model.Model` of a text, by the first `sources.ModelSource` that
recognises it. `catalog` lists the architectures that are known by name; their builders are in
``keras.applications`` and in `families`, one family per file. Other packages use a model through
the protocols in `handle`.
"""
