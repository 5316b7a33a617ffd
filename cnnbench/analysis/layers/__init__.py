"""Rules for Keras layers: `rules` maps each class to its arithmetic and receptive field.

The arithmetic is in `convolution`, `products` (dense, einsum, recurrent), `attention` and
`elementwise`, the receptive fields are in `fields`: one small function each.
"""
