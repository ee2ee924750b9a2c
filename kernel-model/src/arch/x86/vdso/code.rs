//! The functions of the vDSO, assembled.

use emulator::timing::CYCLES_PER_SECOND;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::elf::TEXT_AT;
use super::{Function, Text};
use crate::uapi::time::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME, CLOCK_TAI, NSEC_PER_SEC,
};

/// Cycles of the TSC in a nanosecond.
const CYCLES_PER_NS: u32 = (CYCLES_PER_SECOND / NSEC_PER_SEC) as u32;
/// System calls for what is not answered here.
const SYS_CLOCK_GETTIME: i32 = 228;
const SYS_CLOCK_GETRES: i32 = 229;
/// `setup_getcpu`'s descriptor, whose limit holds the number of the CPU (with RPL 3).
const CPUNODE_SELECTOR: i32 = 0x7b;
/// Bits of the limit that are the CPU's number.
const CPU_BITS: i32 = 0xfff;

/// Clocks that count from boot.
const FROM_BOOT: [u64; 3] = [CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME];
/// Clocks that count from 1970.
const FROM_EPOCH: [u64; 2] = [CLOCK_REALTIME, CLOCK_TAI];

type Body = fn(&mut CodeAssembler, u64) -> Result<(), IcedError>;

const FUNCTIONS: [(&str, Body); 5] = [
    ("__vdso_clock_gettime", clock_gettime),
    ("__vdso_gettimeofday", gettimeofday),
    ("__vdso_time", time),
    ("__vdso_clock_getres", clock_getres),
    ("__vdso_getcpu", getcpu),
];

/// All functions, one behind the other on 16-byte boundaries.
pub(super) fn functions(boot_realtime_ns: u64) -> Text {
    let mut text = Text { bytes: Vec::new(), functions: Vec::new() };
    for (name, body) in FUNCTIONS {
        while !text.bytes.len().is_multiple_of(16) {
            text.bytes.push(0x90);
        }
        let at = text.bytes.len() as u64;
        let code = assemble(body, boot_realtime_ns, TEXT_AT + at);
        text.functions.push(Function { name, at, len: code.len() as u64 });
        text.bytes.extend(code);
    }
    text
}

fn assemble(body: Body, boot_realtime_ns: u64, at: u64) -> Vec<u8> {
    let assembled = CodeAssembler::new(64).and_then(|mut a| {
        body(&mut a, boot_realtime_ns)?;
        a.assemble(at)
    });
    // The input is this file's alone, and every function is assembled by a test.
    assembled.expect("the functions of the vDSO are valid code")
}

/// RAX := nanoseconds since boot. Uses RCX and RDX.
fn ns_since_boot(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.lfence()?;
    a.rdtsc()?;
    a.shl(rdx, 32)?;
    a.or(rax, rdx)?;
    a.xor(edx, edx)?;
    a.mov(ecx, CYCLES_PER_NS)?;
    a.div(rcx)
}

/// RAX, RDX := RAX / divisor and the rest. Uses RCX.
fn divide(a: &mut CodeAssembler, divisor: u64) -> Result<(), IcedError> {
    a.xor(edx, edx)?;
    a.mov(ecx, divisor as u32)?;
    a.div(rcx)
}

/// `int clock_gettime(clockid_t, struct timespec *)`.
fn clock_gettime(a: &mut CodeAssembler, boot_realtime_ns: u64) -> Result<(), IcedError> {
    let (mut from_epoch, mut from_boot, mut store) =
        (a.create_label(), a.create_label(), a.create_label());
    for clock in FROM_EPOCH {
        a.cmp(edi, clock as i32)?;
        a.je(from_epoch)?;
    }
    for clock in FROM_BOOT {
        a.cmp(edi, clock as i32)?;
        a.je(from_boot)?;
    }
    a.mov(eax, SYS_CLOCK_GETTIME)?;
    a.syscall()?;
    a.ret()?;
    a.set_label(&mut from_epoch)?;
    ns_since_boot(a)?;
    a.mov(rcx, boot_realtime_ns)?;
    a.add(rax, rcx)?;
    a.jmp(store)?;
    a.set_label(&mut from_boot)?;
    ns_since_boot(a)?;
    a.set_label(&mut store)?;
    divide(a, NSEC_PER_SEC)?;
    a.mov(qword_ptr(rsi), rax)?;
    a.mov(qword_ptr(rsi + 8), rdx)?;
    a.xor(eax, eax)?;
    a.ret()
}

/// `int gettimeofday(struct timeval *, struct timezone *)`; either may be absent.
fn gettimeofday(a: &mut CodeAssembler, boot_realtime_ns: u64) -> Result<(), IcedError> {
    let (mut zone, mut done) = (a.create_label(), a.create_label());
    a.mov(r8, rsi)?;
    a.test(rdi, rdi)?;
    a.je(zone)?;
    ns_since_boot(a)?;
    a.mov(rcx, boot_realtime_ns)?;
    a.add(rax, rcx)?;
    divide(a, NSEC_PER_SEC)?;
    a.mov(qword_ptr(rdi), rax)?;
    a.mov(rax, rdx)?;
    divide(a, 1_000)?;
    a.mov(qword_ptr(rdi + 8), rax)?;
    a.set_label(&mut zone)?;
    a.test(r8, r8)?;
    a.je(done)?;
    // UTC, without summer time.
    a.mov(qword_ptr(r8), 0)?;
    a.set_label(&mut done)?;
    a.xor(eax, eax)?;
    a.ret()
}

/// `time_t time(time_t *)`.
fn time(a: &mut CodeAssembler, boot_realtime_ns: u64) -> Result<(), IcedError> {
    let mut done = a.create_label();
    ns_since_boot(a)?;
    a.mov(rcx, boot_realtime_ns)?;
    a.add(rax, rcx)?;
    divide(a, NSEC_PER_SEC)?;
    a.test(rdi, rdi)?;
    a.je(done)?;
    a.mov(qword_ptr(rdi), rax)?;
    a.set_label(&mut done)?;
    a.ret()
}

/// `int clock_getres(clockid_t, struct timespec *)`: 1 ns.
fn clock_getres(a: &mut CodeAssembler, _: u64) -> Result<(), IcedError> {
    let (mut known, mut done) = (a.create_label(), a.create_label());
    for clock in FROM_EPOCH.into_iter().chain(FROM_BOOT) {
        a.cmp(edi, clock as i32)?;
        a.je(known)?;
    }
    a.mov(eax, SYS_CLOCK_GETRES)?;
    a.syscall()?;
    a.ret()?;
    a.set_label(&mut known)?;
    a.test(rsi, rsi)?;
    a.je(done)?;
    a.mov(qword_ptr(rsi), 0)?;
    a.mov(qword_ptr(rsi + 8), 1)?;
    a.set_label(&mut done)?;
    a.xor(eax, eax)?;
    a.ret()
}

/// `long getcpu(unsigned *cpu, unsigned *node, void *)`; there is one node.
fn getcpu(a: &mut CodeAssembler, _: u64) -> Result<(), IcedError> {
    let (mut node, mut done) = (a.create_label(), a.create_label());
    a.mov(eax, CPUNODE_SELECTOR)?;
    a.lsl(eax, eax)?;
    a.test(rdi, rdi)?;
    a.je(node)?;
    a.mov(ecx, eax)?;
    a.and(ecx, CPU_BITS)?;
    a.mov(dword_ptr(rdi), ecx)?;
    a.set_label(&mut node)?;
    a.test(rsi, rsi)?;
    a.je(done)?;
    a.shr(eax, 12)?;
    a.mov(dword_ptr(rsi), eax)?;
    a.set_label(&mut done)?;
    a.xor(eax, eax)?;
    a.ret()
}
