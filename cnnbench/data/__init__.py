"""Images with labels: Fashion-MNIST, tf_flowers, digits and folders, behind one interface.

`catalog.load` returns a `Dataset` of uint8 images at one size; `pipeline` feeds them to training.
"""
