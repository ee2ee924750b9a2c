//! Event bits of poll, and `struct pollfd`.
//! Source: Linux 6.18 `include/uapi/asm-generic/poll.h`, `fs/select.c`.

/// Something to read.
pub const POLLIN: u32 = 0x0001;
/// Urgent data.
pub const POLLPRI: u32 = 0x0002;
/// Room to write.
pub const POLLOUT: u32 = 0x0004;
/// An error.
pub const POLLERR: u32 = 0x0008;
/// The other side has gone.
pub const POLLHUP: u32 = 0x0010;
/// No such descriptor.
pub const POLLNVAL: u32 = 0x0020;
/// Normal data to read.
pub const POLLRDNORM: u32 = 0x0040;
/// Priority data to read.
pub const POLLRDBAND: u32 = 0x0080;
/// Room for normal data.
pub const POLLWRNORM: u32 = 0x0100;
/// Room for priority data.
pub const POLLWRBAND: u32 = 0x0200;

/// The other side will write no more.
pub const POLLRDHUP: u32 = 0x2000;

/// What every file that never blocks answers (`DEFAULT_POLLMASK`).
pub const DEFAULT_POLLMASK: u32 = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
/// What makes select's read set.
pub const SELECT_IN: u32 = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL;
/// What makes select's write set.
pub const SELECT_OUT: u32 = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR | POLLNVAL;
/// What makes select's exception set.
pub const SELECT_EX: u32 = POLLPRI | POLLNVAL;

/// Bytes of `struct pollfd`.
pub const POLLFD_BYTES: usize = 8;
/// Descriptors that select looks at at most (`FD_SETSIZE` is the library's 1024; the
/// kernel's limit is the size of the descriptor table).
pub const SELECT_MAX_FDS: usize = 1024;
