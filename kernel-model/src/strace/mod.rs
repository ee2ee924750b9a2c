//! System calls as they are made, decoded: what `--strace` shows.
//!
//! Whoever asks ([`Kernel::trace_calls`](crate::kernel::Kernel::trace_calls)) gets a
//! [`CallEvent`] at each call's entry and exit, at each signal, stop and end of a task. Nothing
//! of that changes the run: memory is read past the processor (`call.rs`), and who does not ask
//! pays one comparison a call.
//!
//! - `table`: the arguments of each call, a line a call; `decode`: a decoder for each kind
//! - `names`: constants; `call`, [`value`]: what decoders read and make; `hooks`: the kernel's side

mod call;
mod decode;
mod event;
mod hooks;
mod names;
mod table;
pub mod text;
pub mod value;

pub use call::STRING_BYTES;
pub use decode::signal_name;
pub(crate) use event::CallTrace;
pub use event::{CallArg, CallEvent, CallResult, CallSet, CallTold, Rest};
pub use table::{Classes, classes};
pub use value::Value;
