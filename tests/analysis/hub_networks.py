"""Small networks of keras-hub, a function each: backbones and image tasks with random weights.

Configurations follow keras-hub's own unit tests: a few blocks and filters, small images. Backbones
whose published form leaves the image size open are given one here.
"""

from __future__ import annotations

from typing import Any

import keras
import keras_hub

models, layers = keras_hub.models, keras_hub.layers


def resnet(size: int = 64, **changes: Any) -> Any:
    config = {
        "input_conv_filters": [16],
        "input_conv_kernel_sizes": [7],
        "stackwise_num_filters": [64, 24, 32],
        "stackwise_num_blocks": [2, 2, 2],
        "stackwise_num_strides": [1, 2, 2],
        "block_type": "bottleneck_block",
    }
    return models.ResNetBackbone(image_shape=(size, size, 3), **(config | changes))


def resnet_vd_classifier() -> Any:
    stem = {"input_conv_filters": [8, 8, 16], "input_conv_kernel_sizes": [3, 3, 3]}
    backbone = resnet(block_type="bottleneck_block_vd", use_pre_activation=False, **stem)
    return models.ResNetImageClassifier(backbone, num_classes=5)


def vgg_classifier() -> Any:
    backbone = models.VGGBackbone([1, 2, 2], [8, 16, 24], image_shape=(32, 32, 3))
    return models.VGGImageClassifier(
        backbone, num_classes=5, pooling="flatten", pooling_hidden_dim=16
    )


def densenet_classifier() -> Any:
    backbone = models.DenseNetBackbone(
        [2, 3, 2], growth_rate=8, compression_ratio=0.5, image_shape=(64, 64, 3)
    )
    return models.DenseNetImageClassifier(backbone, num_classes=5, pooling="max")


def efficientnet_classifier() -> Any:
    backbone = models.EfficientNetBackbone(
        stackwise_kernel_sizes=[3, 3, 5],
        stackwise_num_repeats=[1, 2, 2],
        stackwise_input_filters=[16, 16, 24],
        stackwise_output_filters=[16, 24, 40],
        stackwise_expansion_ratios=[1, 4, 4],
        stackwise_squeeze_and_excite_ratios=[0.0, 0.25, 0.25],
        stackwise_strides=[1, 2, 2],
        stackwise_block_types=["fused", "unfused", "unfused"],
        stackwise_width_coefficients=[1.0] * 3,
        stackwise_depth_coefficients=[1.0] * 3,
        num_features=64,
        input_shape=(64, 64, 3),
    )
    return models.EfficientNetImageClassifier(backbone, num_classes=5)


def mobilenet_v3_classifier() -> Any:
    backbone = models.MobileNetBackbone(
        stackwise_expansion=[[40, 56], [64, 144]],
        stackwise_num_blocks=[2, 2],
        stackwise_num_filters=[[16, 16], [24, 24]],
        stackwise_kernel_size=[[3, 3], [5, 5]],
        stackwise_num_strides=[[2, 1], [2, 1]],
        stackwise_se_ratio=[[None, None], [0.25, 0.3]],
        stackwise_activation=[["relu", "relu"], ["hard_swish", "hard_swish"]],
        stackwise_padding=[[1, 1], [2, 2]],
        output_num_filters=144,
        depthwise_filters=8,
        depthwise_stride=2,
        depthwise_residual=False,
        squeeze_and_excite=0.5,
        last_layer_filter=144,
        image_shape=(64, 64, 3),
    )
    return models.MobileNetImageClassifier(backbone, num_classes=5, num_features=96)


def cspnet(block_type: str, **changes: Any) -> Any:
    return models.CSPNetBackbone(
        stem_filters=16,
        stem_kernel_size=3,
        stackwise_depth=[1, 2],
        stackwise_num_filters=[16, 32],
        block_type=block_type,
        image_shape=(64, 64, 3),
        **({"stem_strides": 2, "stackwise_strides": [2, 2]} | changes),
    )


def csp_darknet_classifier() -> Any:
    backbone = cspnet(
        "dark_block",
        stage_type="csp",
        expand_ratio=[2.0, 1.0],
        bottle_ratio=[0.5, 1.0],
        block_ratio=[1.0, 0.5],
        down_growth=True,
    )
    return models.CSPNetImageClassifier(backbone, num_classes=5)


def cs3_edge() -> Any:
    return cspnet("edge_block", stage_type="cs3", bottle_ratio=[0.5], expand_ratio=[2.0])


def csp_resnext() -> Any:
    return cspnet(
        "bottleneck_block",
        stage_type="csp",
        groups=4,
        stem_strides=4,
        stem_pooling="max",
        stackwise_strides=[1, 2],
        expand_ratio=[1.0],
        block_ratio=[0.5],
        cross_linear=True,
    )


def xception_classifier() -> Any:
    backbone = models.XceptionBackbone(
        [[8, 16], [16, 24], [32, 32]], [True, True, False], image_shape=(64, 64, 3)
    )
    return models.XceptionImageClassifier(backbone, num_classes=5)


def hgnet(size: int = 64, **changes: Any) -> Any:
    config = {
        "depths": [1, 1, 2],
        "embedding_size": 16,
        "hidden_sizes": [32, 48, 64],
        "stem_channels": [3, 8, 16],
        "hidden_act": "relu",
        "use_learnable_affine_block": True,
        "stackwise_stage_filters": [
            (16, 8, 32, 1, 2, 3),
            (32, 16, 48, 1, 2, 3),
            (48, 16, 64, 2, 2, 5),
        ],
        "apply_downsample": [False, True, True],
        "use_lightweight_conv_block": [False, True, True],
    }
    return models.HGNetV2Backbone(image_shape=(size, size, 3), **(config | changes))


def hgnet_classifier() -> Any:
    return models.HGNetV2ImageClassifier(hgnet(), preprocessor=None, num_classes=5, head_filters=48)


def vit_classifier() -> Any:
    backbone = models.ViTBackbone((32, 32, 3), 8, 2, 4, hidden_dim=16, mlp_dim=32)
    return models.ViTImageClassifier(backbone, num_classes=5, intermediate_dim=24)


def deit_classifier() -> Any:
    backbone = models.DeiTBackbone((32, 32, 3), 8, 2, 4, hidden_dim=16, intermediate_dim=32)
    return models.DeiTImageClassifier(backbone, num_classes=5)


def swin_classifier() -> Any:
    backbone = models.SwinTransformerBackbone(
        image_shape=(64, 64, 3), embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4
    )
    return models.SwinTransformerImageClassifier(backbone, num_classes=5)


def mit() -> Any:
    return models.MiTBackbone(
        layerwise_depths=[1, 2, 1, 1],
        num_layers=4,
        layerwise_num_heads=[1, 2, 2, 4],
        layerwise_sr_ratios=[8, 4, 2, 1],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3, 3, 3],
        layerwise_strides=[4, 2, 2, 2],
        hidden_dims=[8, 16, 24, 32],
        image_shape=(64, 64, 3),
    )


def mit_classifier() -> Any:
    return models.MiTImageClassifier(mit(), num_classes=5)


def segformer() -> Any:
    backbone = models.SegFormerBackbone(image_encoder=mit(), projection_filters=16)
    return models.SegFormerImageSegmenter(backbone, num_classes=4)


def deeplab_v3_plus() -> Any:
    backbone = models.DeepLabV3Backbone(
        image_encoder=resnet(
            96,
            stackwise_num_filters=[64, 16, 24, 32],
            stackwise_num_blocks=[1, 1, 1, 1],
            stackwise_num_strides=[1, 2, 2, 2],
        ),
        low_level_feature_key="P2",
        spatial_pyramid_pooling_key="P4",
        dilation_rates=[6, 12, 18],
        upsampling_size=4,
        image_shape=(96, 96, 3),
    )
    return models.DeepLabV3ImageSegmenter(backbone, num_classes=4, activation="softmax")


def retinanet() -> Any:
    encoder = resnet(
        128,
        stackwise_num_filters=[64, 8, 16, 16],
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        use_pre_activation=False,
    )
    backbone = models.RetinaNetBackbone(
        image_encoder=encoder, min_level=3, max_level=6, use_p5=False, image_shape=(128, 128, 3)
    )
    return models.RetinaNetObjectDetector(
        backbone, num_classes=4, use_prediction_head_norm=True, pre_logits_num_conv_layers=2
    )


def vit_det() -> Any:
    return models.ViTDetBackbone(
        hidden_size=16,
        num_layers=4,
        intermediate_dim=32,
        num_heads=4,
        global_attention_layer_indices=[1, 3],
        patch_size=16,
        num_output_channels=8,
        window_size=2,
        image_shape=(128, 128, 3),
    )


def sam() -> Any:
    """For two points, a box and a mask: keras-hub leaves their numbers open."""
    prompt = layers.SAMPromptEncoder(
        hidden_size=8,
        image_embedding_size=(8, 8),
        input_image_size=(128, 128),
        mask_in_channels=16,
    )
    decoder = layers.SAMMaskDecoder(
        num_layers=2,
        hidden_size=8,
        intermediate_dim=32,
        num_heads=4,
        embedding_dim=8,
        num_multimask_outputs=3,
        iou_head_depth=3,
        iou_head_hidden_dim=8,
    )
    segmenter = models.SAMImageSegmenter(models.SAMBackbone(vit_det(), prompt, decoder))
    prompts = {
        "images": keras.Input((128, 128, 3)),
        "points": keras.Input((2, 2)),
        "labels": keras.Input((2,)),
        "boxes": keras.Input((1, 2, 2)),
        "masks": keras.Input((1, 32, 32, 1)),
    }
    return keras.Model(prompts, segmenter(prompts))


def d_fine() -> Any:
    encoder = hgnet(
        128,
        depths=[1, 1, 1, 1],
        hidden_sizes=[32, 48, 64, 96],
        stackwise_stage_filters=[
            (16, 8, 32, 1, 2, 3),
            (32, 16, 48, 1, 2, 3),
            (48, 16, 64, 1, 2, 5),
            (64, 24, 96, 1, 2, 5),
        ],
        apply_downsample=[False, True, True, True],
        use_lightweight_conv_block=[False, False, True, True],
        out_features=["stage3", "stage4"],
    )
    backbone = models.DFineBackbone(
        backbone=encoder,
        decoder_in_channels=[32, 32],
        encoder_hidden_dim=32,
        num_labels=4,
        num_denoising=10,
        learn_initial_query=False,
        num_queries=20,
        anchor_image_size=(128, 128),
        feat_strides=[16, 32],
        num_feature_levels=2,
        hidden_dim=32,
        encoder_in_channels=[64, 96],
        encode_proj_layers=[1],
        num_attention_heads=4,
        encoder_ffn_dim=64,
        num_encoder_layers=1,
        hidden_expansion=0.5,
        depth_multiplier=0.5,
        eval_idx=-1,
        num_decoder_layers=2,
        decoder_attention_heads=4,
        decoder_ffn_dim=64,
        decoder_n_points=[3, 3],
        lqe_hidden_dim=16,
        num_lqe_layers=2,
        out_features=["stage3", "stage4"],
        image_shape=(128, 128, 3),
    )
    return models.DFineObjectDetector(backbone, num_classes=4)


def dinov2(**changes: Any) -> Any:
    return models.DINOV2Backbone(
        patch_size=8,
        num_layers=4,
        hidden_dim=16,
        num_heads=2,
        intermediate_dim=32,
        num_register_tokens=2,
        use_swiglu_ffn=True,
        image_shape=(64, 64, 3),
        position_embedding_shape=(32, 32, 3),
        **changes,
    )


def depth_anything() -> Any:
    backbone = models.DepthAnythingBackbone(
        image_encoder=dinov2(apply_layernorm=True),
        reassemble_factors=[4, 2, 1, 0.5],
        neck_hidden_dims=[8, 16, 16, 16],
        fusion_hidden_dim=16,
        head_hidden_dim=8,
        head_in_index=-1,
        feature_keys=["stage1", "stage2", "stage3", "stage4"],
    )
    return models.DepthAnythingDepthEstimator(backbone, "relative")
