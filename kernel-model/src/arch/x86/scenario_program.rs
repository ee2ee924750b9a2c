//! The program that a scenario's tasks run: one instruction for each kind of access, functions of
//! one NOP, and a signal handler.
//!
//! Every piece ends in SYSCALL with RAX = [`PARK`]: there the stage takes the task back. The
//! address that is touched is in RDI, what is stored in RDX.
//! Neighbour: [`crate::scenario`] maps the program and sends tasks into it.

use crate::scenario::op::AccessKind;

/// RAX of a task that has done what it was sent for: no system call has this number.
pub const PARK: u64 = 0x5ce0;
/// `rt_sigreturn`, which the handler's way back calls.
pub const SIGRETURN: u64 = 15;
/// Bytes between the pieces.
pub const PIECE_BYTES: u64 = 16;

const SYSCALL: [u8; 2] = [0x0f, 0x05];
const NOP: u8 = 0x90;
const RET: u8 = 0xc3;
/// `mov eax, 15; syscall`.
const RESTORER: [u8; 7] = [0xb8, SIGRETURN as u8, 0, 0, 0, SYSCALL[0], SYSCALL[1]];

/// The instruction of each kind of access that user code makes to data.
const ACCESSES: [(AccessKind, &[u8]); 14] = [
    (AccessKind::Store(1), &[0x88, 0x17]),
    (AccessKind::Store(2), &[0x66, 0x89, 0x17]),
    (AccessKind::Store(4), &[0x89, 0x17]),
    (AccessKind::Store(8), &[0x48, 0x89, 0x17]),
    (AccessKind::Store(16), &[0x0f, 0x11, 0x07]),
    (AccessKind::Load(1), &[0x8a, 0x17]),
    (AccessKind::Load(2), &[0x66, 0x8b, 0x17]),
    (AccessKind::Load(4), &[0x8b, 0x17]),
    (AccessKind::Load(8), &[0x48, 0x8b, 0x17]),
    (AccessKind::Load(16), &[0x0f, 0x10, 0x07]),
    (AccessKind::Increment(1), &[0xfe, 0x07]),
    (AccessKind::Increment(2), &[0x66, 0xff, 0x07]),
    (AccessKind::Increment(4), &[0xff, 0x07]),
    (AccessKind::Increment(8), &[0x48, 0xff, 0x07]),
];

/// Piece 0 only parks; the handler and its way back follow, then the accesses.
const HANDLER_PIECE: u64 = 1;
const RESTORER_PIECE: u64 = 2;
const FIRST_ACCESS_PIECE: u64 = 3;

/// Offset of the piece that parks at once.
pub const PARK_AT: u64 = 0;
/// Offset of the signal handler.
pub const HANDLER_AT: u64 = HANDLER_PIECE * PIECE_BYTES;
/// Offset of the handler's way back.
pub const RESTORER_AT: u64 = RESTORER_PIECE * PIECE_BYTES;

/// Offset of the instruction for an access to data; `None` where there is none.
#[must_use]
pub fn access_at(kind: AccessKind) -> Option<u64> {
    let index = ACCESSES.iter().position(|(known, _)| *known == kind)?;
    Some((FIRST_ACCESS_PIECE + index as u64) * PIECE_BYTES)
}

/// The instruction for an access to data: the address is in RDI, what is stored in RDX. `None`
/// where there is none.
#[must_use]
pub fn instruction(kind: AccessKind) -> Option<&'static [u8]> {
    ACCESSES.iter().find(|(known, _)| *known == kind).map(|(_, insn)| *insn)
}

/// The first `len` bytes from the program's start: its own pieces.
#[must_use]
pub fn code(len: usize) -> Vec<u8> {
    let mut bytes = vec![0xcc; len];
    let mut put = |at: u64, parts: &[&[u8]]| {
        let piece = parts.concat();
        let at = at as usize;
        bytes[at..at + piece.len()].copy_from_slice(&piece);
    };
    put(PARK_AT, &[&SYSCALL]);
    put(HANDLER_AT, &[&[RET]]);
    put(RESTORER_AT, &[&RESTORER]);
    for (index, (_, insn)) in ACCESSES.iter().enumerate() {
        put((FIRST_ACCESS_PIECE + index as u64) * PIECE_BYTES, &[insn, &SYSCALL]);
    }
    bytes
}

/// `len` bytes of functions, a piece each.
#[must_use]
pub fn functions(len: usize) -> Vec<u8> {
    let mut piece = [0xcc; PIECE_BYTES as usize];
    piece[..3].copy_from_slice(&[NOP, SYSCALL[0], SYSCALL[1]]);
    piece.iter().copied().cycle().take(len).collect()
}
