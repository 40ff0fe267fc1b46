"""Sums of products of several numbers at a time, as LLVM's vector instructions.

numba does not keep the sums of a loop in vector registers, so this loop is built by hand. LLVM
splits vectors into those of the processor. Importing this module imports numba.
"""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ir = cgutils.ir  # of llvmlite


def make_add_products(width: int, shared: bool, flags: tuple[str, ...]) -> Callable[..., None]:
    """Return a function of compiled code that adds products to `width` numbers.

    It is called with (data, xs, a, b, first, terms, lanes, z, step, out, k), and computes
    out[k] = z[k] + x[0] * y[0][k] + x[1] * y[1][k] + ..., and so on up to out[k + width - 1]. The
    factors of term i are x[i] = xs[a[first + i]] if `shared`, and otherwise the numbers of `xs`
    from a[first + i] * lanes on; and the numbers of `data` from b[first + i] * lanes on. `z` and
    `out` are places in `data`. If `step` is 0, all numbers are added to data[z]. `flags` are the
    freedoms of LLVM.
    """

    @intrinsic
    def add_products(
        context: Any, data: Any, xs: Any, a: Any, b: Any, first: Any, terms: Any, lanes: Any,
        z: Any, step: Any, out: Any, k: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            number = context.get_data_type(signature.args[0].dtype)
            vector, int32 = ir.VectorType(number, width), ir.IntType(32)
            data, xs, a, b = (
                context.make_array(kind)(context, builder, x).data
                for kind, x in zip(signature.args[:4], args, strict=False)
            )
            first, terms, lanes, z, step, out, k = args[4:]
            alignment = context.get_abi_sizeof(number)

            def address(array: Any, place: Any) -> Any:
                return builder.bitcast(builder.gep(array, [place]), vector.as_pointer())

            def load(array: Any, place: Any) -> Any:
                x = builder.load(address(array, place))
                x.align = alignment  # of a number, not of a vector
                return x

            def repeat(array: Any, place: Any) -> Any:
                undefined = ir.Constant(vector, ir.Undefined)
                x = builder.load(builder.gep(array, [place]))
                x = builder.insert_element(undefined, x, ir.Constant(int32, 0))
                zeros = ir.Constant(ir.VectorType(int32, width), [0] * width)
                return builder.shuffle_vector(x, undefined, zeros)

            def place(indices: Any, i: Any) -> Any:
                return builder.zext(builder.load(builder.gep(indices, [i])), k.type)

            def row(indices: Any, i: Any) -> Any:
                return builder.add(builder.mul(place(indices, i), lanes), k)

            total = cgutils.alloca_once(builder, vector)
            with builder.if_else(cgutils.is_null(builder, step)) as (one, several):
                with one:
                    builder.store(repeat(data, z), total)
                with several:
                    builder.store(load(data, builder.add(z, k)), total)
            stop = builder.add(first, terms)
            with cgutils.for_range_slice(builder, first, stop, first.type(1)) as (i, _):
                x = repeat(xs, place(a, i)) if shared else load(xs, row(a, i))
                product = builder.fmul(x, load(data, row(b, i)), flags=flags)
                builder.store(builder.fadd(builder.load(total), product, flags=flags), total)
            stored = builder.store(builder.load(total), address(data, builder.add(out, k)))
            stored.align = alignment
            return context.get_dummy_value()

        return types.void(data, xs, a, b, first, terms, lanes, z, step, out, k), generate

    return add_products
