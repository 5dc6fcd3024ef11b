"""What happens when somebody cuts a file whose mapping is being read: an error that names it, not the process's end.

The system answers the touch of a page that the file no longer has with SIGBUS. Our handler looks whether the address
lies in one of our mappings. If so it puts zeros where the rest of the file was, notes which file it is, and lets the
touch be repeated; `whole_mappings` then raises. Any other SIGBUS goes to whoever handled it before.

The handler is compiled: it may run in any thread at any instruction, with or without Python's lock.
"""

# ruff: noqa: PLR0917  (compiled functions take their arguments one by one, and no keywords)

from __future__ import annotations

import ctypes
import mmap
import platform
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # comes with numba
from numba import cfunc, types
from numba.extending import intrinsic

from gapsack.selection.compiled import jit
from gapsack.sweep.data.storage.copy import bytes_at
from gapsack.sweep.errors import DataError

SLOTS = 1 << 14
"""Mappings that can be guarded at once; more files than that are read instead."""

# Words of the state that handler and Python share; two words a slot, begin and end of a mapping, follow them.
_HITS, _SLOT, _STRAYS, _USED, _FIRST_SLOT = range(5)
_WORDS = _FIRST_SLOT + 2 * SLOTS
_ADDRESS_WORD = 2  # of `siginfo_t`: where si_addr lies on 64-bit Linux
_MASK_BYTES = 128
_SIGINFO, _ON_STACK, _RESTART = 4, 0x08000000, 0x10000000
_MAP_FIXED = 0x10
_SIGBUS, _PAGE_BYTES = int(signal.SIGBUS), mmap.PAGESIZE
_PROTECTION, _FLAGS = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED


class _Action(ctypes.Structure):
    """`struct sigaction` of 64-bit Linux on x86 and ARM."""

    _fields_ = [
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ubyte * _MASK_BYTES),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    ]


class Guard:
    """The handler, once it is in its place, and the mappings that it knows. Made once a process: see `guard`."""

    def __init__(self, libc: Any) -> None:
        self._libc = libc
        self._memory = mmap.mmap(-1, 8 * _WORDS)  # where it stays for good
        self._words = np.frombuffer(self._memory, np.int64)
        self._before, self._default = _Action(), _Action()
        self._action = _Action(handler=_handler(libc, self._words.ctypes.data, self._before, self._default).address)
        self._action.flags = _SIGINFO | _ON_STACK | _RESTART
        self._files: dict[int, str] = {}
        self._free = list(range(SLOTS))[::-1]
        self._lock = threading.Lock()

    @property
    def hits(self) -> int:
        """How often somebody touched what was cut from a file."""
        return int(self._words[_HITS])

    @property
    def cut_file(self) -> str:
        """The file whose mapping was touched last where the file had been cut."""
        return self._files[int(self._words[_SLOT])]

    def install(self) -> None:
        """See to it that the handler is in its place, whoever put another one there since."""
        now = _Action()
        self._libc.sigaction(signal.SIGBUS, None, ctypes.byref(now))
        if now.handler != self._action.handler:
            ctypes.memmove(ctypes.byref(self._before), ctypes.byref(now), ctypes.sizeof(now))
            self._libc.sigaction(signal.SIGBUS, ctypes.byref(self._action), None)

    def add(self, address: int, size_bytes: int, file: str) -> int | None:
        """Guard a mapping; its slot, or None where there is none left."""
        with self._lock:
            if not self._free:
                return None
            slot = self._free.pop()
            self._files[slot] = file
            at = _FIRST_SLOT + 2 * slot
            self._words[at] = address
            self._words[at + 1] = address + -(-size_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
            self._words[_USED] = max(self._words[_USED], slot + 1)
        return slot

    def remove(self, slot: int) -> None:
        """A mapping ends. Without the lock: the garbage collector may come here in the midst of `add`."""
        at = _FIRST_SLOT + 2 * slot
        self._words[at : at + 2] = 0
        self._free.append(slot)


class GuardedMap(mmap.mmap):
    """A mapping that leaves its slot when it ends."""

    slot: int | None = None

    def __del__(self) -> None:
        found = guard()
        if self.slot is not None and found is not None:
            found.remove(self.slot)


@cache
def guard() -> Guard | None:
    """The process's guard; None on systems whose signals it does not know, where files are read rather than mapped."""
    if not sys.platform.startswith("linux") or platform.machine() not in ("x86_64", "aarch64"):
        return None
    libc = ctypes.CDLL(None)
    words = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
    libc.mmap.argtypes, libc.mmap.restype = words, ctypes.c_void_p
    libc.sigaction.argtypes, libc.sigaction.restype = (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p), ctypes.c_int
    return Guard(libc)


def map_file(descriptor: int, size_bytes: int) -> GuardedMap | None:
    """A whole open file as memory, guarded; None where it cannot be mapped or guarded.

    A private copy on write, so that an array of it is an ordinary one for compiled functions; nothing writes.
    """
    found = guard()
    if found is None:
        return None
    found.install()
    try:
        memory = GuardedMap(descriptor, size_bytes, access=mmap.ACCESS_COPY)
    except (OSError, ValueError):  # an empty file, one that was cut just now, or a file system without mappings
        return None
    address = np.frombuffer(memory, np.uint8).ctypes.data
    memory.slot = found.add(address, size_bytes, str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    return memory if memory.slot is not None else None


@contextmanager
def whole_mappings() -> Iterator[None]:
    """Mapped files are read in the block.

    Raises `DataError` where one of them was cut meanwhile, by whichever thread it was touched: what was read may have
    zeros in it.
    """
    found = guard()
    before = 0 if found is None else found.hits
    yield
    if found is not None and found.hits != before:
        raise DataError(
            "Data files must stay as they are while they are read, but the data file "
            f"{found.cut_file} was truncated while it was read."
        )


def _handler(libc: Any, words_at: int, before: _Action, default: _Action) -> Any:
    """The handler as a C function; `words_at` is the address of the words that it shares with a `Guard`.

    What it does is in a function whose machine code is kept: only the addresses have to be compiled in each process.
    """
    int64: Any = np.int64
    mmap_at, sigaction_at = (ctypes.cast(each, ctypes.c_void_p).value or 0 for each in (libc.mmap, libc.sigaction))
    before_at, default_at = ctypes.addressof(before), ctypes.addressof(default)

    def handle(_signal: int, information: int, _context: int) -> None:
        # By `int64` they are integers like any other, for which the function need not be compiled anew.
        _meet(
            information,
            int64(words_at),
            int64(mmap_at),
            int64(sigaction_at),
            int64(before_at),
            int64(default_at),
        )

    return cfunc(types.void(types.int32, types.intp, types.intp))(handle)


@jit()
def _meet(information: int, words_at: int, mmap_function: int, sigaction: int, before_at: int, default_at: int) -> None:
    """Answer a SIGBUS; all arguments are addresses, `information` that of its `siginfo_t`."""
    address = bytes_at(information, 8 * (_ADDRESS_WORD + 1)).view(np.int64)[_ADDRESS_WORD]
    words = bytes_at(words_at, 8 * _WORDS).view(np.int64)
    for slot in range(words[_USED]):
        at = _FIRST_SLOT + 2 * slot
        if words[at] <= address < words[at + 1]:
            page = address // _PAGE_BYTES * _PAGE_BYTES
            _call(mmap_function, page, words[at + 1] - page, _PROTECTION, _FLAGS, -1, 0)
            words[_SLOT] = slot
            words[_HITS] += 1
            return
    # Not ours: its handler of before meets it when the touch is repeated; nobody does when it comes here again.
    words[_STRAYS] += 1
    _call(sigaction, _SIGBUS, before_at if words[_STRAYS] == 1 else default_at, 0, 0, 0, 0)


@intrinsic
def _call(_typing: Any, function: Any, first: Any, second: Any, third: Any, fourth: Any, fifth: Any, sixth: Any) -> Any:
    """Call a C function by its address, with integers or addresses; it does not look at those that it does not take."""
    signature = types.intp(*[types.intp] * 7)

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word] * 6)
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])

    return signature, generate
