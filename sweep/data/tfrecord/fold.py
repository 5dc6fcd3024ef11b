"""Checksums of long records by carry-less multiplication of whole cache lines, where the processor has it (AVX-512).

A CRC is the remainder of the bytes, read as a polynomial, by a fixed one. So bytes may be replaced by others with the
same remainder: Intel's "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (2009) multiplies 16
bytes by the remainder of a power of x and adds them to those as many bits further on. Four lines at a time leave one.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir  # type: ignore[import-untyped]  # comes with numba
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from gapsack.models.training.backends.cpu.vectors import prefetch_to_read
from gapsack.sweep.data.tfrecord.copy import LINE_BYTES

BLOCK_BYTES = 4 * LINE_BYTES
CASTAGNOLI = 0x82F63B78  # the polynomial of CRC-32C, bits reversed, without its highest
_AHEAD_BYTES = 4096  # of those tried the fastest: with the copy that follows, a record takes a fifth less than without
_WORD, _BYTE = ir.IntType(64), ir.IntType(8)
_LINE = ir.VectorType(_WORD, LINE_BYTES // 8)


def is_there() -> bool:
    """Whether compiled functions may use `fold_blocks`."""
    chosen = config.CPU_NAME or config.CPU_FEATURES  # by somebody who wants other code than for this processor
    features = {} if chosen else dict(binding.get_host_cpu_features())
    return all(features.get(name, False) for name in ("avx512f", "vpclmulqdq"))


@intrinsic
def fold_blocks(_typing: Any, address: Any, blocks: Any, out: Any) -> Any:
    """Fold `blocks` times 256 bytes, one at least, of a CRC that begins there, into the 64 bytes at `out`.

    The CRC-32C of these bytes and what follows is that of `out` and what follows, begun with a state of zero bits.
    """
    signature = types.void(types.intp, types.intp, types.intp)

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address, blocks, out = arguments
        lines = [_load(builder, address, line) for line in range(4)]
        first = ir.Constant(_LINE, [0xFFFFFFFF] + [0] * 7)  # the state that a CRC begins with
        sums = [cgutils.alloca_once_value(builder, builder.xor(lines[0], first))]
        sums += [cgutils.alloca_once_value(builder, line) for line in lines[1:]]
        with cgutils.for_range(builder, builder.sub(blocks, _WORD(1))) as loop:
            at = builder.add(address, builder.mul(builder.add(loop.index, _WORD(1)), _WORD(BLOCK_BYTES)))
            for line, place in enumerate(sums):
                prefetch_to_read(builder, at, _AHEAD_BYTES + line * LINE_BYTES)
                folded = _fold(builder, builder.load(place), 8 * BLOCK_BYTES)
                builder.store(builder.xor(folded, _load(builder, at, line)), place)
        total = builder.load(sums[0])
        for place in sums[1:]:
            total = builder.xor(_fold(builder, total, 8 * LINE_BYTES), builder.load(place))
        builder.store(total, builder.inttoptr(out, _LINE.as_pointer()), align=1)
        return context.get_dummy_value()

    return signature, generate


def _load(builder: Any, address: Any, line: int) -> Any:
    place = builder.add(address, _WORD(line * LINE_BYTES))
    value = builder.load(builder.inttoptr(place, _LINE.as_pointer()))
    value.align = 1
    return value


def _fold(builder: Any, line: Any, bits: int) -> Any:
    """What stands for the four 16-byte parts of `line` at a place `bits` further on."""
    kind = ir.FunctionType(_LINE, [_LINE, _LINE, _BYTE])
    multiply = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.pclmulqdq.512")
    factors = ir.Constant(_LINE, [_power(bits + 32), _power(bits - 32)] * 4)
    low, high = (builder.call(multiply, [line, factors, _BYTE(halves)]) for halves in (0x00, 0x11))
    return builder.xor(low, high)


def _power(exponent: int) -> int:
    """x ** exponent modulo the polynomial, bits reversed, as the multiplication of reversed numbers needs it."""
    remainder = 1 << 31  # x ** 0
    for _ in range(exponent):
        remainder = remainder >> 1 ^ (CASTAGNOLI if remainder & 1 else 0)
    return remainder << 1
