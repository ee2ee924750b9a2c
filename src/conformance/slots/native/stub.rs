//! The program of the native tasks: it reads messages of calls from descriptor 0, makes them,
//! and writes each message back with the results to descriptor 1.
//!
//! A clone goes on with other descriptors (3 and 4) and the message buffer that the sixth
//! argument names. SIGTRAP is noted and survived: under some hypervisors a hit becomes one
//! (linux-hw-breakpoint E1).

use iced_x86::IcedError;
use iced_x86::code_asm::*;
use kernel_model::arch::x86::scenario_program::instruction;
use kernel_model::scenario::op::AccessKind;
use nix::libc;

use super::places::*;

const RET: u8 = 0xc3;
const NOP: u8 = 0x90;
/// What lies between the pieces.
const FILLER: u8 = 0xcc;

/// The accesses that have a piece, in the order of the pieces.
const ACCESSES: [AccessKind; 14] = [
    AccessKind::Store(1),
    AccessKind::Store(2),
    AccessKind::Store(4),
    AccessKind::Store(8),
    AccessKind::Store(16),
    AccessKind::Load(1),
    AccessKind::Load(2),
    AccessKind::Load(4),
    AccessKind::Load(8),
    AccessKind::Load(16),
    AccessKind::Increment(1),
    AccessKind::Increment(2),
    AccessKind::Increment(4),
    AccessKind::Increment(8),
];
/// Offset of the first piece in the code.
const PIECES: u64 = 0x800;

/// The address of the piece that makes an access and returns; `None` where there is none.
pub(super) fn piece(kind: AccessKind) -> Option<u64> {
    let index = ACCESSES.iter().position(|&known| known == kind)?;
    Some(CODE + PIECES + index as u64 * PIECE_BYTES)
}

/// Code and functions, and where the program starts.
pub(super) struct Program {
    /// [`CODE_BYTES`] + [`FUNCTIONS_BYTES`] bytes for [`CODE`].
    pub(super) code: Vec<u8>,
    pub(super) entry: u64,
    /// Handler of SIGTRAP.
    pub(super) handler: u64,
}

/// Assembles the program.
///
/// # Errors
/// The assembler's.
pub(super) fn assemble() -> Result<Program, IcedError> {
    let mut a = CodeAssembler::new(64)?;
    let mut handler = a.create_label();
    start(&mut a)?;
    messages(&mut a)?;
    a.set_label(&mut handler)?;
    note_signal(&mut a)?;

    let options = iced_x86::BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS;
    let assembled = a.assemble_options(CODE, options)?;
    let handler = assembled.label_ip(&handler)?;
    let mut code = assembled.inner.code_buffer;
    debug_assert!(code.len() <= PIECES as usize, "the program fits below the pieces");
    code.resize(CODE_BYTES as usize, FILLER);
    for (nth, kind) in ACCESSES.into_iter().enumerate() {
        let at = (PIECES + nth as u64 * PIECE_BYTES) as usize;
        let insn = instruction(kind).unwrap_or(&[]);
        code[at..at + insn.len()].copy_from_slice(insn);
        code[at + insn.len()] = RET;
    }
    let mut function = [FILLER; PIECE_BYTES as usize];
    function[..2].copy_from_slice(&[NOP, RET]);
    code.extend(function.iter().cycle().take(FUNCTIONS_BYTES as usize));
    Ok(Program { code, entry: CODE, handler })
}

fn system_call(a: &mut CodeAssembler, number: i64) -> Result<(), IcedError> {
    a.mov(eax, number as i32)?;
    a.syscall()
}

/// What a new process and a new program do first; RBX is the message buffer from here on.
fn start(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.mov(edi, libc::SIGTRAP)?;
    a.mov(rsi, ACTION)?;
    a.xor(edx, edx)?;
    a.mov(r10d, 8)?;
    system_call(a, libc::SYS_rt_sigaction)?;
    a.mov(rbx, THREADS)
}

/// Dies with the process that started it.
fn die_with_parent(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.mov(edi, libc::PR_SET_PDEATHSIG)?;
    a.mov(esi, libc::SIGKILL)?;
    system_call(a, libc::SYS_prctl)
}

/// Says hello with an empty message, then answers messages for ever.
fn messages(a: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut hello = a.create_label();
    let mut next = a.create_label();
    let mut more = a.create_label();
    let mut call = a.create_label();
    let mut jump = a.create_label();
    let mut store = a.create_label();
    let mut reply = a.create_label();
    let mut end = a.create_label();

    a.set_label(&mut hello)?;
    die_with_parent(a)?;
    a.mov(qword_ptr(rbx + LENGTH), HEADER_BYTES as i32)?;
    a.mov(qword_ptr(rbx + CALLS), 0)?;
    a.jmp(reply)?;

    // R12: bytes of the message that are here.
    a.set_label(&mut next)?;
    a.xor(r12d, r12d)?;
    a.set_label(&mut more)?;
    a.xor(edi, edi)?;
    a.lea(rsi, qword_ptr(rbx + r12))?;
    a.mov(edx, MESSAGE_BYTES as i32)?;
    a.sub(rdx, r12)?;
    system_call(a, libc::SYS_read)?;
    a.test(rax, rax)?;
    a.jle(end)?;
    a.add(r12, rax)?;
    a.cmp(r12, HEADER_BYTES as i32)?;
    a.jb(more)?;
    a.cmp(r12, qword_ptr(rbx + LENGTH))?;
    a.jb(more)?;

    // RBP: the call; R15: calls left.
    a.mov(rbp, rbx)?;
    a.add(rbp, qword_ptr(rbx + FIRST))?;
    a.mov(r15, qword_ptr(rbx + CALLS))?;
    a.set_label(&mut call)?;
    a.test(r15, r15)?;
    a.je(reply)?;
    a.mov(r14, qword_ptr(rbp))?;
    a.cmp(r14, -1)?;
    a.je(jump)?;
    for (nth, register) in [rdi, rsi, rdx, r10, r8, r9].into_iter().enumerate() {
        a.mov(register, qword_ptr(rbp + 8 + 8 * nth))?;
    }
    a.mov(rax, r14)?;
    a.syscall()?;
    a.cmp(r14, libc::SYS_clone as i32)?;
    a.jne(store)?;
    a.test(rax, rax)?;
    a.jne(store)?;
    a.mov(rbx, r9)?;
    use_inherited_descriptors(a)?;
    a.jmp(hello)?;

    a.set_label(&mut jump)?;
    a.mov(rdi, qword_ptr(rbp + 16))?;
    a.mov(rdx, qword_ptr(rbp + 24))?;
    a.xor(eax, eax)?;
    a.call(qword_ptr(rbp + 8))?;

    a.set_label(&mut store)?;
    a.mov(qword_ptr(rbp + RESULT), rax)?;
    a.add(rbp, CALL_BYTES as i32)?;
    a.dec(r15)?;
    a.jmp(call)?;

    a.set_label(&mut reply)?;
    a.mov(rax, LOG)?;
    a.mov(rax, qword_ptr(rax))?;
    a.mov(qword_ptr(rbx + SIGNALS), rax)?;
    a.mov(edi, 1)?;
    a.mov(rsi, rbx)?;
    a.mov(rdx, qword_ptr(rbx + LENGTH))?;
    system_call(a, libc::SYS_write)?;
    a.jmp(next)?;

    a.set_label(&mut end)?;
    a.xor(edi, edi)?;
    system_call(a, libc::SYS_exit_group)
}

/// 3 and 4 become 0 and 1.
fn use_inherited_descriptors(a: &mut CodeAssembler) -> Result<(), IcedError> {
    for (from, to) in [(3, 0), (4, 1)] {
        a.mov(edi, from)?;
        a.mov(esi, to)?;
        system_call(a, libc::SYS_dup2)?;
        a.mov(edi, from)?;
        system_call(a, libc::SYS_close)?;
    }
    Ok(())
}

/// The handler of SIGTRAP: RSI is its siginfo.
fn note_signal(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.mov(rdi, LOG)?;
    a.mov(rax, qword_ptr(rdi))?;
    a.inc(qword_ptr(rdi))?;
    a.and(rax, LOG_ROOM as i32 - 1)?;
    a.imul_3(rax, rax, LOG_ENTRY_BYTES as i32)?;
    a.lea(rdi, qword_ptr(rdi + rax + LOG_ENTRIES))?;
    a.mov(ecx, LOG_ENTRY_BYTES as u32 / 8)?;
    a.rep().movsq()?;
    a.add(rsp, 8)?;
    system_call(a, libc::SYS_rt_sigreturn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_an_instruction_and_a_return() {
        let program = assemble().unwrap();
        assert_eq!(program.code.len() as u64, CODE_BYTES + FUNCTIONS_BYTES);
        for kind in ACCESSES {
            let at = (piece(kind).unwrap() - CODE) as usize;
            let insn = instruction(kind).unwrap();
            assert_eq!(&program.code[at..at + insn.len()], insn);
            assert_eq!(program.code[at + insn.len()], RET);
        }
        assert!(piece(AccessKind::Exec).is_none());
        assert!(program.handler < CODE + PIECES);
    }
}
