//! The code that the tracee runs between cases.
//!
//! A case starts by RT_SIGRETURN from a frame that holds all of its registers, and
//! ends by an exception, whose signal frame holds all of them again, with vector,
//! error code and CR2. So a batch of cases runs without a word from the tracer.

use iced_x86::IcedError;
use iced_x86::code_asm::*;
use nix::libc;

use super::super::case::Patch;
use super::super::layout::{DATA, DATA_BYTES, FS_BASE, GS_BASE, STACK, STACK_BYTES};
use super::BaseAccess;
use super::places::*;

/// Bytes of a patch in an input slot: address, length, bytes.
pub(super) const PATCH_STRIDE: usize = 16 + Patch::MAX_BYTES;
/// Seconds after which a batch that does not end is killed by SIGALRM.
const ALARM_SECONDS: i32 = 60;

/// The stub's bytes and entry points.
pub(super) struct Stub {
    pub(super) code: Vec<u8>,
    /// Stops the tracee; runs a batch when it is continued; again.
    pub(super) start: u64,
    /// Signal handler.
    pub(super) handler: u64,
    /// `SYSCALL; INT3`, for injected system calls.
    pub(super) syscall: u64,
}

/// Assembles the stub.
///
/// # Errors
/// The assembler's.
pub(super) fn assemble(bases: BaseAccess) -> Result<Stub, IcedError> {
    let mut a = CodeAssembler::new(64)?;
    let mut start = a.create_label();
    let mut next = a.create_label();
    let mut handler = a.create_label();

    a.syscall()?;
    a.int3()?;

    a.set_label(&mut start)?;
    alarm(&mut a, 0)?;
    system_call(&mut a, libc::SYS_getpid)?;
    a.mov(edi, eax)?;
    a.mov(esi, libc::SIGSTOP)?;
    system_call(&mut a, libc::SYS_kill)?;
    alarm(&mut a, ALARM_SECONDS)?;

    a.set_label(&mut next)?;
    a.mov(rbx, CONTROL)?;
    a.mov(rax, qword_ptr(rbx + INDEX))?;
    a.cmp(rax, qword_ptr(rbx + COUNT))?;
    a.jae(start)?;
    restore_image(&mut a)?;
    restore_segments(&mut a, bases)?;
    a.imul_3(r12, rax, INPUT_STRIDE as i32)?;
    a.mov(r13, INPUT)?;
    a.add(r12, r13)?;
    apply_patches(&mut a)?;
    a.lea(rsp, qword_ptr(r12 + CONTEXT))?;
    system_call(&mut a, libc::SYS_rt_sigreturn)?;

    a.set_label(&mut handler)?;
    // Clears AC, ID and NT, which are not restored with a frame or disturb.
    a.push(2)?;
    a.popfq()?;
    save_segments(&mut a, bases)?;
    save_ending(&mut a)?;
    a.inc(qword_ptr(rbx + INDEX))?;
    a.jmp(next)?;

    let options = iced_x86::BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS;
    let assembled = a.assemble_options(STUB, options)?;
    Ok(Stub {
        start: assembled.label_ip(&start)?,
        handler: assembled.label_ip(&handler)?,
        syscall: STUB,
        code: assembled.inner.code_buffer,
    })
}

/// A system call by number, as `user_regs_struct` and the assembler take it.
fn system_call(a: &mut CodeAssembler, number: i64) -> Result<(), IcedError> {
    a.mov(eax, number as i32)?;
    a.syscall()
}

fn alarm(a: &mut CodeAssembler, seconds: i32) -> Result<(), IcedError> {
    a.mov(edi, seconds)?;
    system_call(a, libc::SYS_alarm)
}

/// Copies whole quadwords from RSI to `to`.
fn copy_to(a: &mut CodeAssembler, to: u64, bytes: u64) -> Result<(), IcedError> {
    a.mov(rdi, to)?;
    a.mov(ecx, (bytes / 8) as u32)?;
    a.rep().movsq()
}

/// Copies whole quadwords from `from` to RDI.
fn copy_from(a: &mut CodeAssembler, from: u64, bytes: u64) -> Result<(), IcedError> {
    a.mov(rsi, from)?;
    a.mov(ecx, (bytes / 8) as u32)?;
    a.rep().movsq()
}

fn restore_image(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.mov(rsi, IMAGE)?;
    copy_to(a, DATA, DATA_BYTES)?;
    copy_to(a, STACK, STACK_BYTES)
}

/// Null selectors, and the bases that every case finds: a frame holds neither.
fn restore_segments(a: &mut CodeAssembler, bases: BaseAccess) -> Result<(), IcedError> {
    if bases == BaseAccess::Absent {
        return Ok(());
    }
    a.xor(edx, edx)?;
    for segment in [es, ds, fs, gs] {
        a.mov(segment, edx)?;
    }
    a.mov(rdx, FS_BASE)?;
    a.wrfsbase(rdx)?;
    a.mov(rdx, GS_BASE)?;
    a.wrgsbase(rdx)
}

/// Puts selectors and bases into the frame at RSP, in the place of fields that are
/// not needed.
fn save_segments(a: &mut CodeAssembler, bases: BaseAccess) -> Result<(), IcedError> {
    if bases == BaseAccess::Absent {
        return Ok(());
    }
    for (nth, segment) in [es, ds, fs, gs].into_iter().enumerate() {
        a.mov(word_ptr(rsp + SELECTORS_AT + 2 * nth), segment)?;
    }
    a.rdfsbase(rdx)?;
    a.mov(qword_ptr(rsp + BASES_AT), rdx)?;
    a.rdgsbase(rdx)?;
    a.mov(qword_ptr(rsp + BASES_AT + 8), rdx)
}

/// Writes the patches of the input slot at R12.
fn apply_patches(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut again = a.create_label();
    let mut done = a.create_label();
    a.mov(r14, qword_ptr(r12 + PATCH_COUNT))?;
    a.lea(r15, qword_ptr(r12 + PATCHES))?;
    a.set_label(&mut again)?;
    a.test(r14, r14)?;
    a.je(done)?;
    a.mov(rdi, qword_ptr(r15))?;
    a.mov(rcx, qword_ptr(r15 + 8))?;
    a.lea(rsi, qword_ptr(r15 + 16))?;
    a.rep().movsb()?;
    a.add(r15, PATCH_STRIDE as i32)?;
    a.dec(r14)?;
    a.jmp(again)?;
    a.set_label(&mut done)?;
    a.nop()
}

/// Copies the signal frame at RSP and the case's memory to its output slot.
fn save_ending(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.mov(rbx, CONTROL)?;
    a.mov(rax, qword_ptr(rbx + INDEX))?;
    a.imul_3(rdx, rax, OUTPUT_STRIDE as i32)?;
    a.mov(rdi, OUTPUT)?;
    a.add(rdi, rdx)?;
    // The return address is not needed: the frame tells where it is instead.
    a.mov(qword_ptr(rsp), rsp)?;
    a.mov(rsi, rsp)?;
    a.mov(ecx, (FRAME_BYTES / 8) as u32)?;
    a.rep().movsq()?;
    copy_from(a, DATA, DATA_BYTES)?;
    copy_from(a, STACK, STACK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stub_fits_its_page() {
        for bases in [BaseAccess::Present, BaseAccess::Absent] {
            let stub = assemble(bases).unwrap();
            assert!(stub.code.len() < STUB_BYTES as usize);
            assert_eq!(stub.code[..3], [0x0f, 0x05, 0xcc]);
            for entry in [stub.start, stub.handler] {
                assert!(entry > STUB && entry < STUB + stub.code.len() as u64);
            }
        }
    }
}
