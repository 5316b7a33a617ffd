"""The families of the catalogue: when they were published, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Networks of one paper.

    Attributes:
        name: as people say it, and as ``cnnbench models --family`` takes it.
        year: of the first publication.
        paper: title, arXiv number or DOI, and the place of the architecture in it.
    """

    name: str
    year: int
    paper: str


BASIC_CNN = Family(
    "BasicCNN",
    2022,
    "Géron, Hands-On Machine Learning, 3rd ed., O'Reilly, ch. 14, 'CNN Architectures'",
)
LENET = Family(
    "LeNet",
    1998,
    "Gradient-Based Learning Applied to Document Recognition, doi:10.1109/5.726791, sec. II.B",
)
ALEXNET = Family(
    "AlexNet",
    2012,
    "ImageNet Classification with Deep Convolutional Neural Networks, "
    "doi:10.1145/3065386, sec. 3.5",
)
ZFNET = Family(
    "ZF Net", 2013, "Visualizing and Understanding Convolutional Networks, arXiv:1311.2901, fig. 3"
)
GOOGLENET = Family("GoogLeNet", 2014, "Going Deeper with Convolutions, arXiv:1409.4842, Table 1")
VGG = Family(
    "VGG",
    2014,
    "Very Deep Convolutional Networks for Large-Scale Image Recognition, arXiv:1409.1556, Table 1",
)
RESNET = Family(
    "ResNet", 2015, "Deep Residual Learning for Image Recognition, arXiv:1512.03385, Table 1"
)
RESNET_V1_5 = Family(
    "ResNet",
    2015,
    "Deep Residual Learning for Image Recognition, arXiv:1512.03385, Table 1; stride on the 3x3: "
    "Accurate, Large Minibatch SGD, arXiv:1706.02677, sec. 5.1",
)
RESNET_V2 = Family(
    "ResNetV2", 2016, "Identity Mappings in Deep Residual Networks, arXiv:1603.05027, sec. 3"
)
SENET = Family("SENet", 2017, "Squeeze-and-Excitation Networks, arXiv:1709.01507, Table 1")
RESNEXT = Family(
    "ResNeXt",
    2016,
    "Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431, Table 1",
)
CSPNET = Family(
    "CSPNet",
    2019,
    "CSPNet: A New Backbone that can Enhance Learning Capability of CNN, arXiv:1911.11929, sec. 3",
)
INCEPTION = Family(
    "Inception",
    2015,
    "Rethinking the Inception Architecture for Computer Vision, arXiv:1512.00567, Table 1",
)
INCEPTION_V4 = Family(
    "Inception",
    2016,
    "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning, "
    "arXiv:1602.07261, sec. 3.1",
)
INCEPTION_RESNET = Family(
    "Inception-ResNet",
    2016,
    "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning, "
    "arXiv:1602.07261, sec. 3.2",
)
XCEPTION = Family(
    "Xception",
    2016,
    "Xception: Deep Learning with Depthwise Separable Convolutions, arXiv:1610.02357, fig. 5",
)
DENSENET = Family(
    "DenseNet", 2016, "Densely Connected Convolutional Networks, arXiv:1608.06993, Table 1"
)
SQUEEZENET = Family(
    "SqueezeNet",
    2016,
    "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size, "
    "arXiv:1602.07360, Table 1",
)
MOBILENET = Family(
    "MobileNet",
    2017,
    "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, "
    "arXiv:1704.04861, Table 1",
)
MOBILENET_V2 = Family(
    "MobileNetV2",
    2018,
    "MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381, Table 2",
)
MOBILENET_V3 = Family(
    "MobileNetV3", 2019, "Searching for MobileNetV3, arXiv:1905.02244, Tables 1-2"
)
SHUFFLENET_V2 = Family(
    "ShuffleNetV2",
    2018,
    "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, "
    "arXiv:1807.11164, Table 5",
)
NASNET = Family(
    "NASNet",
    2017,
    "Learning Transferable Architectures for Scalable Image Recognition, arXiv:1707.07012, sec. 3",
)
EFFICIENTNET = Family(
    "EfficientNet",
    2019,
    "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, "
    "arXiv:1905.11946, Tables 1-2",
)
EFFICIENTNET_LITE = Family(
    "EfficientNetLite",
    2020,
    "EfficientNet-Lite, github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, "
    "after arXiv:1905.11946",
)
EFFICIENTNET_V2 = Family(
    "EfficientNetV2",
    2021,
    "EfficientNetV2: Smaller Models and Faster Training, arXiv:2104.00298, Table 4",
)
CONVNEXT = Family("ConvNeXt", 2022, "A ConvNet for the 2020s, arXiv:2201.03545, sec. 3")
