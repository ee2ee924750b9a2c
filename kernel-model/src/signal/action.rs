//! Dispositions: what a process wants to happen for each signal (`sighand_struct`).
//! Source: Linux 6.18 `kernel/signal.c` (`do_sigaction`, `flush_signal_handlers`).

use crate::uapi::signal::{COREDUMPING, IGNORED, NSIG, SIG_DFL, SIG_IGN, STOPPING, sa, sigmask};
use crate::uapi::{put, word_at};

/// Bytes of `struct sigaction` (kernel layout: handler, flags, restorer, mask).
pub const SIGACTION_BYTES: usize = 32;

/// The disposition of one signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigAction {
    /// Handler address, or `SIG_DFL` or `SIG_IGN`.
    pub handler: u64,
    /// Bits of [`sa`].
    pub flags: u64,
    /// Where the handler returns to.
    pub restorer: u64,
    /// Signals blocked in the handler besides the signal itself.
    pub mask: u64,
}

/// What happens with a signal when it is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Nothing.
    Ignore,
    /// The process ends; `core` where Linux would write a core file.
    Terminate {
        /// Whether there would be a core file.
        core: bool,
    },
    /// The process stops.
    Stop,
    /// A handler runs.
    Handle(SigAction),
}

impl SigAction {
    /// Reads a `struct sigaction`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; SIGACTION_BYTES]) -> Self {
        Self {
            handler: word_at(bytes, 0),
            flags: word_at(bytes, 8),
            restorer: word_at(bytes, 16),
            mask: word_at(bytes, 24),
        }
    }

    /// A `struct sigaction`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SIGACTION_BYTES] {
        let mut bytes = [0; SIGACTION_BYTES];
        put(&mut bytes, 0, self.handler.to_le_bytes());
        put(&mut bytes, 8, self.flags.to_le_bytes());
        put(&mut bytes, 16, self.restorer.to_le_bytes());
        put(&mut bytes, 24, self.mask.to_le_bytes());
        bytes
    }

    /// Whether a flag is set.
    #[must_use]
    pub const fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    /// What this action means for a signal.
    #[must_use]
    pub const fn disposition(self, signal: u32) -> Disposition {
        let bit = sigmask(signal);
        match self.handler {
            SIG_IGN => Disposition::Ignore,
            SIG_DFL if bit & IGNORED != 0 => Disposition::Ignore,
            SIG_DFL if bit & STOPPING != 0 => Disposition::Stop,
            SIG_DFL => Disposition::Terminate { core: bit & COREDUMPING != 0 },
            _ => Disposition::Handle(self),
        }
    }
}

/// The dispositions of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigHandlers {
    actions: [SigAction; NSIG as usize],
}

impl Default for SigHandlers {
    fn default() -> Self {
        Self { actions: [SigAction::default(); NSIG as usize] }
    }
}

impl SigHandlers {
    /// The action for a signal, 1 to 64.
    #[must_use]
    pub const fn get(&self, signal: u32) -> SigAction {
        self.actions[(signal - 1) as usize]
    }

    /// Replaces the action for a signal, 1 to 64.
    pub const fn set(&mut self, signal: u32, action: SigAction) {
        self.actions[(signal - 1) as usize] = action;
    }

    /// What happens with a signal.
    #[must_use]
    pub const fn disposition(&self, signal: u32) -> Disposition {
        self.get(signal).disposition(signal)
    }

    /// The action with which a signal is delivered; one with SA_RESETHAND is the
    /// default one afterwards.
    pub const fn take_for_delivery(&mut self, signal: u32) -> SigAction {
        let action = self.get(signal);
        if action.has(sa::RESETHAND) && !matches!(action.handler, SIG_DFL | SIG_IGN) {
            self.actions[(signal - 1) as usize].handler = SIG_DFL;
        }
        action
    }

    /// For exec: handlers become the default, what is ignored stays so
    /// (`flush_signal_handlers`).
    pub fn flush_for_exec(&mut self) {
        self.reset(|action| action.handler == SIG_IGN);
    }

    /// For clone3 with CLONE_CLEAR_SIGHAND; the same rule.
    pub fn clear_for_clone(&mut self) {
        self.flush_for_exec();
    }

    fn reset(&mut self, stays: impl Fn(&SigAction) -> bool) {
        for action in &mut self.actions {
            let handler = if stays(action) { action.handler } else { SIG_DFL };
            *action = SigAction { handler, ..SigAction::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uapi::signal::{SIGCHLD, SIGKILL, SIGSEGV, SIGTSTP};

    #[test]
    fn default_actions() {
        let handlers = SigHandlers::default();
        for (signal, want) in [
            (SIGKILL, Disposition::Terminate { core: false }),
            (SIGSEGV, Disposition::Terminate { core: true }),
            (SIGCHLD, Disposition::Ignore),
            (SIGTSTP, Disposition::Stop),
            (40, Disposition::Terminate { core: false }),
        ] {
            assert_eq!(handlers.disposition(signal), want, "{signal}");
        }
    }

    #[test]
    fn exec_keeps_what_is_ignored() {
        let mut handlers = SigHandlers::default();
        let ignore = SigAction { handler: SIG_IGN, flags: sa::RESTART, ..SigAction::default() };
        let handle = SigAction { handler: 0x1000, mask: 7, ..SigAction::default() };
        handlers.set(10, ignore);
        handlers.set(12, handle);
        handlers.flush_for_exec();
        assert_eq!(handlers.get(10), SigAction { handler: SIG_IGN, ..SigAction::default() });
        assert_eq!(handlers.get(12), SigAction::default());
    }

    #[test]
    fn a_one_shot_handler_runs_once() {
        let mut handlers = SigHandlers::default();
        let action = SigAction { handler: 0x1000, flags: sa::RESETHAND, ..SigAction::default() };
        handlers.set(10, action);
        assert_eq!(handlers.take_for_delivery(10), action);
        assert_eq!(handlers.disposition(10), Disposition::Terminate { core: false });
    }

    #[test]
    fn sigaction_bytes() {
        let action = SigAction { handler: 1, flags: 2, restorer: 3, mask: 4 };
        let bytes = action.to_bytes();
        assert_eq!([bytes[0], bytes[8], bytes[16], bytes[24]], [1, 2, 3, 4]);
        assert_eq!(SigAction::from_bytes(&bytes), action);
    }
}
