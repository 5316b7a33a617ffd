"""Models: names, and the networks that they stand for.

`registry.resolve` turns a text into a `model.Model` by the first `sources.ModelSource` that
recognises it. `catalog` lists the architectures that are known by name; their builders are in
``keras.applications`` and in `families`, one family a file. Other rooms see a model through the
protocols in `handle`.
"""
