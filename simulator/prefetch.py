"""A hint to the processor: fetch a record's bytes before they are asked for. It changes no value."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _prefetch(_context: Any, records: Any, index: Any, byte: Any) -> Any:
    """Begin to fetch the cache line at `byte` of record `index`, to be written; any address is allowed."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        stride = cgutils.unpack_tuple(builder, array.strides, 1)[0]
        offset = builder.add(builder.mul(arguments[1], stride), arguments[2])
        base = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [base.type, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        # For writing, to be kept in every cache, data.
        builder.call(function, [builder.gep(base, [offset]), word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(records, types.int64, types.int64), emit


#: `prefetch(records, index, byte)`, for compiled code.
prefetch: Any = intrinsic(_prefetch)
