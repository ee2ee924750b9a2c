//! A debugger's door into a run: the GDB remote protocol for `dr7 run --kgdb`.
//!
//! `listen` opens the door; `stub` speaks the protocol, in a thread of its own that owns the
//! socket and nothing of the guest; `server` is the machine's side, called by the kernel model
//! while the machine stands still, and runs what the stub asks for there. `target` says to the
//! protocol crate what this machine can do, `arch` what its registers look like, `monitor` has
//! the `monitor` commands, `symbol_file` the kernel's symbols for gdb.
//!
//! Two threads, since the protocol crate wants to own what it debugs for as long as the
//! connection lasts, and the kernel lends itself only while it stands still, in the middle of its
//! own work. What goes between them are closures, run on the machine's thread.

mod arch;
mod listen;
mod monitor;
mod server;
mod stub;
mod symbol_file;
mod target;

pub use listen::{ListenError, Listener};
pub use server::Server;
pub use symbol_file::kernel_symbols;
