//! The ksym tracer on this machine: breakpoints for its entries, symbols for its texts, and which
//! tracer is the current one.
//! Source: Linux 2.6.33 `kernel/trace/trace_ksym.c`, `kernel/trace/trace.c`.

use perf_core::{CpuId, Errno, EventId, PerfEventAttr, TaskId};

use super::{Kernel, SymbolKind};
use crate::events::bp_slots::SlotReport;
use crate::events::overflow_handler::OverflowHandler;
use crate::trace::ksym::filter::{self, FilterError, KsymFilter};
use crate::trace::ksym::{KsymLog, KsymTracer, KsymVersion, WideBreakpoints};

/// Name of the tracer (`current_tracer`).
pub const KSYM_TRACER: &str = "ksym_tracer";
/// Name of no tracer.
pub const NOP_TRACER: &str = "nop";

/// Why the command line's symbol is not watched.
#[derive(Debug, thiserror::Error)]
pub enum KsymRefused {
    /// The text is no filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The kernel has no such symbol.
    #[error("the kernel has no symbol '{name}'; its variables are {known}")]
    UnknownSymbol {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// All slots of a CPU are taken.
    #[error("no debug register is free (ENOSPC)\n{holders}")]
    NoSlot {
        /// Who holds them.
        holders: Box<SlotReport>,
    },
    /// The tracer refuses it for another reason, such as the same filter twice (EINVAL).
    #[error("refused ({})", .0.name())]
    Errno(Errno),
}

impl WideBreakpoints for Kernel {
    fn register(&mut self, attr: &PerfEventAttr, entry: u32) -> Result<Vec<EventId>, Errno> {
        self.register_wide_hw_breakpoint(attr, OverflowHandler::Ksym { entry })
    }

    fn unregister(&mut self, events: Vec<EventId>) {
        self.unregister_wide_hw_breakpoint(events);
    }
}

impl Kernel {
    /// A write to `ksym_trace_filter`: `SYMBOL:rw-`, `SYMBOL:-w-`, or `0` for none. Tells how
    /// many bytes it took.
    ///
    /// # Errors
    /// As [`KsymTracer::write_filter`].
    pub fn write_ksym_filter(&mut self, text: &[u8]) -> Result<u64, Errno> {
        self.with_ksym(|ksym, kernel| ksym.write_filter(text, &Self::find_symbol, kernel))
    }

    /// Makes the ksym tracer the current one and watches a symbol, as the command line asks.
    ///
    /// # Errors
    /// [`KsymRefused`] says what is wrong with the filter, or who holds the debug registers.
    pub fn trace_ksym(&mut self, filter: &str) -> Result<(), KsymRefused> {
        self.ksym.init();
        if let KsymFilter::Watch { name, .. } = filter::parse(filter.as_bytes(), KsymVersion::Last)?
            && Self::find_symbol(name).is_none()
        {
            let known = Self::ksym_names().collect::<Vec<_>>().join(", ");
            return Err(KsymRefused::UnknownSymbol { name: name.to_owned(), known });
        }
        self.write_ksym_filter(filter.as_bytes()).map(|_bytes| ()).map_err(|errno| {
            match self.breakpoints.take_slot_report() {
                Some(holders) => KsymRefused::NoSlot { holders: Box::new(holders) },
                None => KsymRefused::Errno(errno),
            }
        })
    }

    /// A write to `current_tracer`.
    ///
    /// # Errors
    /// EINVAL for a name that `available_tracers` does not have.
    pub fn set_current_tracer(&mut self, name: &str) -> Result<(), Errno> {
        match name {
            KSYM_TRACER if self.ksym.is_tracing() => {}
            KSYM_TRACER => self.ksym.init(),
            NOP_TRACER if self.ksym.is_tracing() => {
                self.with_ksym(|ksym, kernel| ksym.reset(kernel));
            }
            NOP_TRACER => {}
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// `current_tracer`.
    #[must_use]
    pub fn current_tracer(&self) -> &'static str {
        if self.ksym.is_tracing() { KSYM_TRACER } else { NOP_TRACER }
    }

    /// The tracer, to be looked at.
    #[must_use]
    pub fn ksym(&self) -> &KsymTracer {
        &self.ksym
    }

    /// `trace`.
    #[must_use]
    pub fn ksym_trace(&self) -> String {
        self.ksym.show_trace(&Self::symbol_at)
    }

    /// Forgets the hits that `trace` shows.
    pub fn clear_trace(&mut self) {
        self.ksym.clear_records();
    }

    /// What the tracer has written to the kernel log since the last call.
    pub fn take_ksym_log(&mut self) -> Vec<KsymLog> {
        self.ksym.take_log()
    }

    /// The names that can be watched: variables of the kernel.
    pub fn ksym_names() -> impl Iterator<Item = &'static str> {
        let data = Self::symbols().filter(|symbol| symbol.kind == SymbolKind::Data);
        data.map(|symbol| symbol.name)
    }

    /// A breakpoint of the tracer was hit.
    pub(super) fn ksym_hit(&mut self, cpu: CpuId, task: TaskId, entry: u32, ip: u64) {
        let tag = self.tasks.tag(task);
        self.ksym.hit(entry, &tag, cpu.0, ip);
    }

    fn with_ksym<T>(&mut self, body: impl FnOnce(&mut KsymTracer, &mut Self) -> T) -> T {
        let mut ksym = std::mem::take(&mut self.ksym);
        let result = body(&mut ksym, self);
        self.ksym = ksym;
        result
    }
}
