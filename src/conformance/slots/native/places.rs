//! Where the parts of the native program lie: far from what other programs use, since
//! CPU-wide events see every program's accesses.

/// Start of the file's image: headers, then the program.
pub(super) const IMAGE: u64 = 0x5a5b_0000_0000;
/// The program's own code, and its pieces.
pub(super) const CODE: u64 = IMAGE + 0x1000;
/// Bytes of code, from [`CODE`].
pub(super) const CODE_BYTES: u64 = 0x1000;
/// Functions that a task can be sent to.
pub(super) const FUNCTIONS: u64 = CODE + CODE_BYTES;
/// Bytes of functions.
pub(super) const FUNCTIONS_BYTES: u64 = 0x1000;
/// Bytes between functions, and between the program's pieces.
pub(super) const PIECE_BYTES: u64 = 16;

/// What the program finds initialised: [`PATH`], [`ARGUMENTS`], [`ACTION`].
pub(super) const CONSTANTS: u64 = IMAGE + 0x10_0000;
/// The path that EXECVE is given.
pub(super) const PATH: u64 = CONSTANTS;
/// Its argument vector; the environment is the second half, which is empty.
pub(super) const ARGUMENTS: u64 = CONSTANTS + 0x40;
/// `struct sigaction` of the handler of SIGTRAP.
pub(super) const ACTION: u64 = CONSTANTS + 0x80;
/// Bytes of constants.
pub(super) const CONSTANTS_BYTES: u64 = 0x1000;

/// Variables of scenarios.
pub(super) const DATA: u64 = IMAGE + 0x20_0000;
/// Bytes of variables.
pub(super) const DATA_BYTES: u64 = 0x1_0000;
/// Bytes of a variable.
pub(super) const VAR_BYTES: u64 = 64;

/// SIGTRAPs that the handler saw: their number, then the beginning of each siginfo.
pub(super) const LOG: u64 = IMAGE + 0x30_0000;
/// Offset of the first siginfo.
pub(super) const LOG_ENTRIES: u64 = 64;
/// Bytes of siginfo that are kept.
pub(super) const LOG_ENTRY_BYTES: u64 = 64;
/// Siginfos that are kept; then the first ones are written over.
pub(super) const LOG_ROOM: u64 = 64;

/// Message buffer and stack of each thread: the buffer is below, the stack above.
pub(super) const THREADS: u64 = IMAGE + 0x40_0000;
/// Bytes for each thread.
pub(super) const THREAD_BYTES: u64 = 0x1_0000;
/// Threads that there is room for.
pub(super) const MAX_THREADS: u64 = 64;
/// Bytes of a message buffer.
pub(super) const MESSAGE_BYTES: u64 = 0x4000;

/// Where the program's writable memory ends.
pub(super) const END: u64 = THREADS + MAX_THREADS * THREAD_BYTES;

/// Offsets in a message: its length in bytes, the offset of its first call, their number,
/// SIGTRAPs that the process has seen so far (in the reply).
pub(super) const LENGTH: usize = 0;
/// See [`LENGTH`].
pub(super) const FIRST: usize = 8;
/// See [`LENGTH`].
pub(super) const CALLS: usize = 16;
/// See [`LENGTH`].
pub(super) const SIGNALS: usize = 24;
/// Bytes of a message's header.
pub(super) const HEADER_BYTES: usize = 32;
/// Bytes of a call: number, six arguments, result.
pub(super) const CALL_BYTES: usize = 64;
/// Offset of the result in a call.
pub(super) const RESULT: usize = 56;
/// The number of a call that is no system call: RDI and RDX are loaded, and the address in the
/// second word is called.
pub(super) const JUMP: u64 = u64::MAX;
