"""The same bytes from the same graph: ONNX Runtime writes one table of its files in the order of a
hash that differs from process to process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["with_kernel_types_in_order"]

# Alignment is counted from a file's end, and nothing in one needs more.
_ALIGNMENT = 16


def with_kernel_types_in_order(data: bytes) -> bytes:
    """A file whose kernels' types are laid out in the order that they are listed in.

    ONNX Runtime writes the model first, from the end of the file to its front, and before it the
    table of kernels' types (onnxruntime/core/flatbuffers/schema/ort.fbs): the model's bytes are
    kept, and what stands before them is written again.

    Args:
        data: Of a file of version 5 or later of the format.
    """
    import flatbuffers
    import onnxruntime.tools.ort_format_model as tools

    fbs: Any = tools.ort_model_processor.fbs
    root = fbs.InferenceSession.InferenceSession.GetRootAs(bytearray(data), 0)
    table = root._tab
    version, model = (table.Indirect(table.Pos + table.Offset(slot)) for slot in (4, 6))
    # A table's list of fields stands before it, where it doesn't share one.
    fields = model - table.Get(flatbuffers.number_types.SOffsetTFlags, model)
    start = min(model, fields)
    if version < start:
        return data  # written in another order than ONNX Runtime's
    builder = flatbuffers.Builder(0)
    builder.Bytes, builder.head, builder.minalign = bytearray(data[start:]), 0, _ALIGNMENT
    types = _kernel_types(builder, fbs, root.KernelTypeStrResolver())
    session = fbs.InferenceSession
    session.Start(builder)
    session.AddOrtVersion(builder, len(data) - version)
    session.AddModel(builder, len(data) - model)
    session.AddKernelTypeStrResolver(builder, types)
    builder.Finish(session.End(builder), file_identifier=b"ORTM")
    return bytes(builder.Output())


def _kernel_types(builder: Any, fbs: Any, types: Any) -> int:
    def table(module: Any, **fields: int) -> int:
        module.Start(builder)
        for name, value in fields.items():
            getattr(module, f"Add{name}")(builder, value)
        return int(module.End(builder))

    def vector(length: int, write: Callable[[int], int]) -> int:
        offsets = [write(i) for i in range(length)]
        builder.StartVector(4, length, 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    def argument(found: Any) -> int:
        return table(fbs.ArgTypeAndIndex, ArgType=found.ArgType(), Index=found.Index())

    def kind(found: Any) -> int:
        name = builder.CreateString(found.KernelTypeStr())
        arguments = vector(found.ArgsLength(), lambda i: argument(found.Args(i)))
        return table(fbs.KernelTypeStrArgsEntry, KernelTypeStr=name, Args=arguments)

    def operator(found: Any) -> int:
        name = builder.CreateString(found.OpId())
        kinds = vector(found.KernelTypeStrArgsLength(), lambda i: kind(found.KernelTypeStrArgs(i)))
        return table(fbs.OpIdKernelTypeStrArgsEntry, OpId=name, KernelTypeStrArgs=kinds)

    operators = vector(
        types.OpKernelTypeStrArgsLength(), lambda i: operator(types.OpKernelTypeStrArgs(i))
    )
    return table(fbs.KernelTypeStrResolver, OpKernelTypeStrArgs=operators)
