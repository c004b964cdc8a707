"""An ONNX graph in the form that phones' execution providers take whole, exactly the same.

NNAPI's provider of ONNX Runtime interpolates by ``half_pixel`` and not by torch's name for it, and
the runtime's mobile usability checker counts no operation with an input left out: a U²-Net is cut
into as many partitions as it has resizes, and none is worth its copies
(onnxruntime/core/providers/nnapi/nnapi_builtin/builders/impl/resize_op_builder.cc;
onnxruntime/tools/mobile_helpers/usability_checker.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["mobile_form"]


def mobile_form(model: Any) -> None:
    """Write out in place what a float or QDQ graph leaves to be inferred.

    Each Resize whose sizes are known gets constant ``scales`` and an empty ``roi``, and the plain
    name of torch's coordinates. A size that its scale, rounded to float32 and multiplied out,
    doesn't give again stays a size. Runtimes compute the scale from the sizes in the same float32,
    so masks are the same to the bit. Inputs left out at an operation's end are not named.

    Args:
        model: An onnx.ModelProto.
    """
    graph = model.graph
    for node in graph.node:
        while node.input and not node.input[-1]:
            del node.input[-1]
    resizes = [node for node in graph.node if node.op_type == "Resize"]
    if resizes:
        form = _Resizes(model)
        for node in resizes:
            form.write(node)
        form.drop_what_was_read()


class _Resizes:
    """A graph whose resizes are written out."""

    def __init__(self, model: Any) -> None:
        import onnx

        self.graph = model.graph
        self.shapes = dict(_shapes(onnx.shape_inference.infer_shapes(model).graph))
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = node.attribute[0].t
        self.names = {*self.constants, *_names(model.graph)}
        self.replaced: set[str] = set()
        self.no_roi = ""

    def write(self, node: Any) -> None:
        from onnx import numpy_helper

        attributes = {attribute.name: attribute for attribute in node.attribute}
        said = {name: attribute.s for name, attribute in attributes.items()}
        before, after = (self.shapes.get(name) for name in (node.input[0], node.output[0]))
        coordinates = said.get("coordinate_transformation_mode")
        roi, scales, sizes = [*node.input[1:], "", "", ""][:3]
        if not before or not after or len(before) != len(after):
            return
        if coordinates == b"tf_crop_and_resize":
            return  # there the region counts
        if said.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
            return  # there sizes are bounds
        axes = list(attributes["axes"].ints) if "axes" in attributes else range(len(before))
        factors = np.ones(len(before), np.float32)
        if sizes:
            factors[:] = np.array(after, np.float32) / np.array(before, np.float32)
        elif scales in self.constants:
            factors[axes] = numpy_helper.to_array(self.constants[scales])
        else:
            return
        # The product of such numbers is exact in float64.
        if list(np.floor(np.array(before, np.float64) * factors)) != after:
            return
        if "axes" in attributes:
            node.attribute.remove(attributes["axes"])
        if coordinates == b"pytorch_half_pixel" and all(
            size > 1 or scale == 1 for size, scale in zip(after, factors, strict=True)
        ):
            attributes["coordinate_transformation_mode"].s = b"half_pixel"
        self.no_roi = self.no_roi or self._constant("no_roi", np.empty(0, np.float32))
        self.replaced.update({roi, scales, sizes} - {""})
        node.input[1:] = [self.no_roi, self._constant(f"{node.output[0]}_scales", factors)]

    def _constant(self, name: str, values: NDArray[np.float32]) -> str:
        """A constant of its own under a name that is free."""
        from onnx import numpy_helper

        while name in self.names:
            name += "_"
        self.names.add(name)
        self.graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    def drop_what_was_read(self) -> None:
        """Take out the constants that only these resizes have read."""
        unread = self.replaced - set(_names(self.graph, results=False))
        for tensor in [t for t in self.graph.initializer if t.name in unread]:
            self.graph.initializer.remove(tensor)
        for node in [n for n in self.graph.node if n.op_type == "Constant"]:
            if node.output[0] in unread:
                self.graph.node.remove(node)


def _names(graph: Any, *, results: bool = True) -> Iterator[str]:
    """Of all values that are read (and, where wanted, made), in branches too."""
    yield from (value.name for value in (*graph.input, *graph.output))
    for node in graph.node:
        yield from node.input
        if results:
            yield from node.output
        for attribute in node.attribute:
            for branch in (attribute.g, *attribute.graphs):
                yield from _names(branch, results=results)


def _shapes(graph: Any) -> Iterator[tuple[str, list[int]]]:
    """Of the tensors whose sizes are all known."""
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(d.dim_value for d in tensor.shape.dim):
            yield value.name, [d.dim_value for d in tensor.shape.dim]
