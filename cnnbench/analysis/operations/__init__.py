"""Rules for TensorFlow operations of a traced graph, by their type.

`arithmetic` counts, `kinds` says where the output lives, what the gradient reads and how the
receptive field changes; the functions for that are in `fields` and `window_fields`.
"""
