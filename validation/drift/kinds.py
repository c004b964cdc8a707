"""One word for an operation, whatever PyTorch and the formats call it."""

from __future__ import annotations

__all__ = ["ACTIVATIONS", "AFFINE", "MERGED", "SAME", "WEIGHTED", "kind_of"]

# A convolution and a matrix product with weights are one kind: converters turn one into the
# other. What tells them apart is the shape of their weights.
WEIGHTED = "weighted"
# The value stays the same; its layout, type, borders or rounding may not.
SAME = "same"
# Folded into the convolution before it, where there is one.
MERGED = "batch norm"
# Likewise where the other operand is a constant.
AFFINE = frozenset({"add", "divide", "multiply", "subtract"})

# fmt: off
_TABLE: dict[str, tuple[str, ...]] = {
    # kind: names in PyTorch · ONNX · TFLite · Core ML, in lower case
    WEIGHTED: (
        "convolution", "conv2d", "conv_transpose2d", "addmm", "mm", "linear", "_convolution",
        "conv", "convtranspose", "gemm", "matmul",
        "conv_2d", "depthwise_conv_2d", "transpose_conv", "fully_connected", "batch_matmul",
        "conv_transpose", "mkldnn_convolution", "bmm",
    ),
    SAME: (
        "view", "_unsafe_view", "reshape", "permute", "transpose", "t", "expand", "clone",
        "detach", "alias", "_to_copy", "to", "contiguous", "squeeze", "unsqueeze", "flatten",
        "constant_pad_nd", "dropout", "lift_fresh", "_reshape_alias", "unflatten",
        "cast", "identity", "pad", "quantizelinear", "dequantizelinear",
        "quantize", "dequantize", "padv2", "mirror_pad", "expand_dims", "broadcast_to",
        "space_to_batch_nd", "batch_to_space_nd", "input",
        "reflection_pad2d", "replication_pad2d", "mirrorpad", "_copy_from", "copy",
    ),
    MERGED: (
        "native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm",
        "batch_norm", "batchnormalization",
    ),
    "relu": ("relu", "threshold"),
    "clip": ("hardtanh", "clamp", "clip", "relu6", "relu_n1_to_1", "relu_0_to_1"),
    "sigmoid": ("sigmoid", "logistic"),
    "tanh": ("tanh",),
    "leaky relu": ("leaky_relu", "leakyrelu"),
    "prelu": ("prelu", "_prelu_kernel"),
    "elu": ("elu",),
    "silu": ("silu", "swish"),
    "gelu": ("gelu",),
    "hard-swish": ("hardswish", "hard_swish"),
    "hard-sigmoid": ("hardsigmoid", "sigmoid_hard"),
    "softmax": ("_softmax", "softmax"),
    "softplus": ("softplus",),
    "max pool": ("max_pool2d_with_indices", "max_pool2d", "maxpool", "max_pool_2d", "max_pool"),
    "average pool": ("avg_pool2d", "averagepool", "average_pool_2d", "avg_pool"),
    "mean": (
        "mean", "_adaptive_avg_pool2d", "adaptive_avg_pool2d", "reducemean",
        "globalaveragepool", "reduce_mean",
    ),
    "resize": (
        "upsample_bilinear2d", "upsample_nearest2d", "_upsample_bilinear2d_aa",
        "upsample_bicubic2d", "_upsample_nearest_exact2d", "resize", "upsample", "resize_bilinear",
        "resize_nearest_neighbor", "upsample_bilinear", "upsample_nearest_neighbor",
    ),
    "concat": ("cat", "concat", "concatenation"),
    "add": ("add", "addn", "sum_of"),
    "subtract": ("sub", "subtract", "rsub"),
    "multiply": ("mul",),
    "divide": ("div", "real_div"),
    "layer norm": ("native_layer_norm", "layernormalization", "layer_norm"),
    "group norm": ("native_group_norm", "group_norm", "groupnormalization"),
    "instance norm": ("instance_norm", "instancenormalization"),
    "pixel shuffle": ("pixel_shuffle", "depthtospace", "depth_to_space"),
    "slice": ("slice", "select", "strided_slice", "slice_by_index", "slice_by_size", "gather"),
    "split": ("split", "split_with_sizes", "chunk", "unbind", "split_v", "unstack"),
}
# fmt: on
_KINDS = {name: kind for kind, names in _TABLE.items() for name in names}

ACTIVATIONS = frozenset(
    {
        *("relu", "clip", "sigmoid", "tanh", "leaky relu", "prelu", "elu", "silu", "gelu"),
        *("hard-swish", "hard-sigmoid", "softmax", "softplus"),
    }
)


def kind_of(name: str) -> str:
    """The kind of an operation that PyTorch or a format calls ``name``; else the name itself.

    A trailing underscore, PyTorch's mark of operations in place, is of no account.
    """
    plain = name.lower()
    return _KINDS.get(plain) or _KINDS.get(plain.rstrip("_")) or plain.rstrip("_")
