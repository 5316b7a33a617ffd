"""A layer, and the rule by which it is counted: one operation per element.

Without the rule it would be traced, which counts four.
"""

import tensorflow as tf

from cnnbench.analysis import Rule, Work, add_rule


class HardSwish(tf.keras.layers.Layer):
    """x · relu6(x + 3) / 6."""

    def call(self, inputs):
        return inputs * tf.nn.relu6(inputs + 3) / 6


add_rule(HardSwish, Rule(count=lambda op: Work(elementwise=op.output.elements)))
