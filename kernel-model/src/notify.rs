//! The die-notifier chain: who is asked about a debug exception after the breakpoint handler.
//!
//! Linux calls a chain of notifiers in the order of their priorities, those of one priority in
//! the order of their registration. The breakpoint handler has the highest that there is, so it
//! is always first ([`crate::arch::x86::debug_trap`] decides for it); the others are called only
//! where it says [`Notify::Done`] (rules 4.3.4 and 4.3.6).
//! Source: Linux 6.18 `kernel/notifier.c`, `arch/x86/kernel/hw_breakpoint.c`
//! (`hw_breakpoint_exceptions_nb`).

use crate::arch::x86::debug_trap::Notify;

/// Priority of the breakpoint handler; nothing comes before it.
pub const HW_BREAKPOINT_PRIORITY: i32 = i32::MAX;

/// Number of a notifier, in the order of registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotifierId(pub u32);

/// A notifier of the chain besides the breakpoint handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Notifier {
    id: NotifierId,
    priority: i32,
    /// What it says.
    verdict: Notify,
    /// How often it was asked.
    nr_calls: u64,
}

/// The notifiers behind the breakpoint handler, in the order in which they are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DieChain {
    notifiers: Vec<Notifier>,
    next: u32,
}

impl DieChain {
    /// `register_die_notifier`: behind all of the same or a higher priority.
    pub fn register(&mut self, priority: i32, verdict: Notify) -> NotifierId {
        let id = NotifierId(self.next);
        self.next += 1;
        let at = self.notifiers.partition_point(|known| known.priority >= priority);
        self.notifiers.insert(at, Notifier { id, priority, verdict, nr_calls: 0 });
        id
    }

    /// `unregister_die_notifier`. Tells whether it was there.
    pub fn unregister(&mut self, id: NotifierId) -> bool {
        let before = self.notifiers.len();
        self.notifiers.retain(|known| known.id != id);
        self.notifiers.len() < before
    }

    /// How often a notifier was asked; `None` once it is gone.
    #[must_use]
    pub fn nr_calls(&self, id: NotifierId) -> Option<u64> {
        self.notifiers.iter().find(|known| known.id == id).map(|known| known.nr_calls)
    }

    /// `notify_die`, once the breakpoint handler is done: asks each until one says stop.
    pub fn call(&mut self) -> Notify {
        for notifier in &mut self.notifiers {
            notifier.nr_calls += 1;
            if notifier.verdict == Notify::Stop {
                return Notify::Stop;
            }
        }
        Notify::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule 4.3.4: the higher priority first, then the order of registration; a stop ends it.
    #[test]
    fn order_and_stop() {
        let mut chain = DieChain::default();
        assert_eq!(chain.call(), Notify::Done);
        let low = chain.register(0, Notify::Done);
        let first = chain.register(7, Notify::Done);
        let second = chain.register(7, Notify::Stop);
        assert_eq!(chain.call(), Notify::Stop);
        let calls = |chain: &DieChain| [low, first, second].map(|id| chain.nr_calls(id));
        assert_eq!(calls(&chain), [Some(0), Some(1), Some(1)]);
        assert!(chain.unregister(second));
        assert!(!chain.unregister(second));
        assert_eq!(chain.call(), Notify::Done);
        assert_eq!(calls(&chain), [Some(1), Some(2), None]);
    }
}
