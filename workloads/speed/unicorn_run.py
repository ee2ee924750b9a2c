#!/usr/bin/env python3
"""Runs a static x86-64 ELF program under Unicorn 2, for `dr7 bench`.

    python3 unicorn_run.py PROGRAM [ARGUMENTS]...

Maps the segments and a stack, and answers the few system calls that the speed
kernels and a C library's start-up make. Any other system call, and any exception,
ends the run with status 2 and its name on standard error.
"""

import os
import struct
import sys

from unicorn import UC_ARCH_X86, UC_HOOK_INSN, UC_MODE_64, Uc, UcError
from unicorn import x86_const as x86

PAGE = 4096
STACK_TOP = 0x7FFF_FFFF_F000
STACK_BYTES = 1 << 20
MMAP_BASE = 0x7F00_0000_0000
BRK_BYTES = 16 << 20
PT_LOAD = 1
AT_NULL, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_ENTRY, AT_RANDOM = 0, 3, 4, 5, 6, 9, 25
ARCH_SET_FS = 0x1002
EBADF, EINVAL, ENOTTY = 9, 22, 25


def page_up(address):
    return (address + PAGE - 1) & -PAGE


class Program:
    """The program in memory, and the small kernel below it."""

    def __init__(self, image, argv):
        self.machine = Uc(UC_ARCH_X86, UC_MODE_64)
        self.mapped = set()
        self.next_mmap = MMAP_BASE
        self.status = None
        self.load(image)
        self.machine.reg_write(x86.UC_X86_REG_RSP, self.make_stack(argv))
        self.machine.hook_add(UC_HOOK_INSN, self.syscall, None, 1, 0, x86.UC_X86_INS_SYSCALL)

    def map(self, start, end):
        """Maps the pages of a range that are not mapped yet."""
        for page in range(start & -PAGE, page_up(end), PAGE):
            if page not in self.mapped:
                self.machine.mem_map(page, PAGE)
                self.mapped.add(page)

    def load(self, image):
        if image[:6] != b"\x7fELF\x02\x01":
            sys.exit("not a 64-bit little-endian ELF file")
        self.entry, table = struct.unpack_from("<QQ", image, 24)
        self.header_bytes, self.nr_headers = struct.unpack_from("<HH", image, 54)
        self.headers, end = 0, 0
        for index in range(self.nr_headers):
            at = table + index * self.header_bytes
            kind, _, offset, address, _, in_file, in_memory, _ = struct.unpack_from(
                "<IIQQQQQQ", image, at
            )
            if kind != PT_LOAD:
                continue
            self.map(address, address + in_memory)
            self.machine.mem_write(address, image[offset : offset + in_file])
            if offset <= table < offset + in_file:
                self.headers = address + table - offset
            end = max(end, address + in_memory)
        self.brk = self.brk_start = page_up(end)
        self.machine.mem_map(self.brk_start, BRK_BYTES)

    def make_stack(self, argv):
        bottom = STACK_TOP - STACK_BYTES
        self.machine.mem_map(bottom, STACK_BYTES)
        at = STACK_TOP - 16
        random = at
        pointers = []
        for argument in argv:
            text = os.fsencode(argument) + b"\0"
            at -= len(text)
            self.machine.mem_write(at, text)
            pointers.append(at)
        auxv = [AT_PHDR, self.headers, AT_PHENT, self.header_bytes, AT_PHNUM, self.nr_headers]
        auxv += [AT_PAGESZ, PAGE, AT_ENTRY, self.entry, AT_RANDOM, random, AT_NULL, 0]
        words = [len(argv), *pointers, 0, 0, *auxv]
        at = (at - 8 * len(words)) & -16
        self.machine.mem_write(at, struct.pack(f"<{len(words)}Q", *words))
        return at

    def run(self):
        self.machine.emu_start(self.entry, 0)
        return self.status

    def syscall(self, machine, _):
        number = machine.reg_read(x86.UC_X86_REG_RAX)
        arguments = [
            machine.reg_read(register)
            for register in (
                x86.UC_X86_REG_RDI,
                x86.UC_X86_REG_RSI,
                x86.UC_X86_REG_RDX,
                x86.UC_X86_REG_R10,
                x86.UC_X86_REG_R8,
                x86.UC_X86_REG_R9,
            )
        ]
        handler = HANDLERS.get(number)
        if handler is None:
            print(f"system call {number} is not answered", file=sys.stderr)
            self.end(2)
            return
        answer = handler(self, *arguments)
        machine.reg_write(x86.UC_X86_REG_RAX, answer & 0xFFFF_FFFF_FFFF_FFFF)

    def end(self, status):
        self.status = status & 0xFF
        self.machine.emu_stop()
        return 0

    def write(self, fd, address, count, *_):
        if fd not in (1, 2):
            return -EBADF
        return os.write(fd, bytes(self.machine.mem_read(address, count)))

    def writev(self, fd, vector, count, *_):
        done = 0
        for index in range(count):
            base, length = struct.unpack("<QQ", self.machine.mem_read(vector + 16 * index, 16))
            if length:
                done += self.write(fd, base, length)
        return done

    def set_brk(self, wanted, *_):
        if self.brk_start <= wanted <= self.brk_start + BRK_BYTES:
            self.brk = wanted
        return self.brk

    def mmap(self, address, length, _protection, flags, fd, *_):
        anonymous, fixed = flags & 0x20, flags & 0x10
        if not anonymous or fixed or length == 0:
            return -EINVAL
        start = self.next_mmap
        self.next_mmap += page_up(length)
        self.machine.mem_map(start, page_up(length))
        return start

    def arch_prctl(self, code, address, *_):
        if code != ARCH_SET_FS:
            return -EINVAL
        self.machine.reg_write(x86.UC_X86_REG_FS_BASE, address)
        return 0


HANDLERS = {
    1: Program.write,
    9: Program.mmap,
    10: lambda program, *_: 0,  # mprotect: everything is writable
    11: lambda program, *_: 0,  # munmap: nothing is reused
    12: Program.set_brk,
    16: lambda program, *_: -ENOTTY,  # ioctl
    20: Program.writev,
    60: lambda program, status, *_: program.end(status),
    158: Program.arch_prctl,
    218: lambda program, *_: 1,  # set_tid_address
    231: lambda program, status, *_: program.end(status),
}


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: unicorn_run.py PROGRAM [ARGUMENTS]...")
    with open(sys.argv[1], "rb") as file:
        program = Program(file.read(), sys.argv[1:])
    try:
        status = program.run()
    except UcError as error:
        at = program.machine.reg_read(x86.UC_X86_REG_RIP)
        print(f"{error} at {at:#x}", file=sys.stderr)
        status = 2
    sys.exit(2 if status is None else status)


main()
