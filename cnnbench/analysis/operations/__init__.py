"""Rules for TensorFlow operations of a traced graph, by their type.

`arithmetic` counts MACs and other operations. `kinds` has the rules for storage, gradients and
receptive fields; the functions for receptive fields are in `fields` and `window_fields`.
"""
