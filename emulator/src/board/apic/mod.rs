//! The local APIC of a processor.
//!
//! [`LocalApic`] holds what both register interfaces show: memory (xAPIC) and MSRs
//! (x2APIC). [`base`] has IA32_APIC_BASE and the switch between the two, [`registers`]
//! the registers, [`x2apic`] what the MSRs refuse, [`timer`] the timer, [`message`] what
//! goes from one APIC to another. [`super::interrupts`] joins the APICs of the machine.
//! Source: Intel SDM vol. 3A, chapter 11 (Advanced Programmable Interrupt Controller).

mod base;
mod message;
mod registers;
#[cfg(test)]
mod tests;
mod timer;
mod vectors;
mod x2apic;

pub(super) use base::{Base, DEFAULT_BASE, MSR as BASE_MSR, Mode};
pub(super) use message::{Delivery, Destination, Message, Trigger, Whom};
pub(super) use registers::Effect;
pub(super) use timer::DEADLINE_MSR as TSC_DEADLINE_MSR;
pub(super) use x2apic::{FIRST_MSR as FIRST_X2APIC_MSR, LAST_MSR as LAST_X2APIC_MSR};

use timer::Timer;
use vectors::VectorSet;

/// Vectors below this are the processor's own.
const FIRST_VECTOR: u8 = 16;
/// Power-up value of a local vector table entry.
const LVT_RESET: u32 = lvt::MASKED;
const SVR_RESET: u32 = 0xff;

/// Entries of the local vector table, in the order of their registers. Those of the
/// thermal sensor and the performance counters, 1 and 2, have no source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lvt {
    Timer = 0,
    Lint0 = 3,
    Lint1 = 4,
    Error = 5,
}

/// Bits of a local vector table entry.
mod lvt {
    pub(super) const DELIVERY_SHIFT: u32 = 8;
    pub(super) const MASKED: u32 = 1 << 16;
}

mod svr {
    pub(super) const ENABLED: u32 = 1 << 8;
}

/// Errors that ESR tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApicError {
    SendIllegalVector = 1 << 5,
    ReceivedIllegalVector = 1 << 6,
    IllegalRegister = 1 << 7,
}

/// What a local source of interrupts led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Local {
    /// At most a vector in IRR.
    Done,
    Nmi,
    Init,
    /// A system management interrupt, which nothing serves.
    Smi,
}

/// The state of a local APIC.
#[derive(Debug)]
pub(super) struct LocalApic {
    base: Base,
    /// The number of the processor: the x2APIC identifier.
    initial_id: u32,
    /// The xAPIC identifier.
    id: u8,
    tpr: u8,
    /// Logical destination in xAPIC mode: bits 24 to 31 of LDR.
    logical: u8,
    /// The model in xAPIC mode: bits 28 to 31 of DFR.
    model: u8,
    svr: u32,
    requests: VectorSet,
    in_service: VectorSet,
    levels: VectorSet,
    esr: u32,
    errors: u32,
    icr: u64,
    lvt: [u32; 6],
    timer: Timer,
}

impl LocalApic {
    /// The APIC of a processor after reset.
    pub(super) fn new(initial_id: u32) -> Self {
        Self {
            base: Base::new(initial_id == 0),
            initial_id,
            id: initial_id as u8,
            tpr: 0,
            logical: 0,
            model: 0xf,
            svr: SVR_RESET,
            requests: VectorSet::default(),
            in_service: VectorSet::default(),
            levels: VectorSet::default(),
            esr: 0,
            errors: 0,
            icr: 0,
            lvt: [LVT_RESET; 6],
            timer: Timer::default(),
        }
    }

    /// What firmware does on the first processor: it enables the APIC, connects the 8259
    /// to LINT0 (virtual wire) and NMI to LINT1.
    pub(super) fn set_up_virtual_wire(&mut self) {
        self.svr = SVR_RESET | svr::ENABLED;
        self.lvt[Lvt::Lint0 as usize] = 0x8700;
        self.lvt[Lvt::Lint1 as usize] = 0x8400;
    }

    /// INIT: all but the identifier and IA32_APIC_BASE.
    pub(super) fn init(&mut self) {
        let (base, id) = (self.base, self.id);
        *self = Self::new(self.initial_id);
        self.base = base;
        self.id = id;
    }

    pub(super) fn base(&self) -> Base {
        self.base
    }

    pub(super) fn initial_id(&self) -> u32 {
        self.initial_id
    }

    pub(super) fn tpr(&self) -> u8 {
        self.tpr
    }

    pub(super) fn set_tpr(&mut self, tpr: u8) {
        self.tpr = tpr;
    }

    /// The processor priority.
    pub(super) fn ppr(&self) -> u8 {
        let served = self.in_service.highest().unwrap_or(0);
        if self.tpr >> 4 >= served >> 4 { self.tpr } else { served & 0xf0 }
    }

    /// The vector that the processor would take.
    pub(super) fn deliverable(&self) -> Option<u8> {
        let vector = self.requests.highest()?;
        (self.base.mode() != Mode::Disabled && vector >> 4 > self.ppr() >> 4).then_some(vector)
    }

    /// The processor takes the vector.
    pub(super) fn acknowledge(&mut self) -> Option<u8> {
        let vector = self.deliverable()?;
        self.requests.remove(vector);
        self.in_service.insert(vector);
        Some(vector)
    }

    /// Whether fixed interrupts are accepted.
    pub(super) fn is_enabled(&self) -> bool {
        self.base.mode() != Mode::Disabled && self.svr & svr::ENABLED != 0
    }

    /// A fixed interrupt arrives: whether it was accepted.
    pub(super) fn accept(&mut self, vector: u8, trigger: Trigger) -> bool {
        if !self.is_enabled() {
            return false;
        }
        if vector < FIRST_VECTOR {
            self.raise_error(ApicError::ReceivedIllegalVector);
            return false;
        }
        self.requests.insert(vector);
        match trigger {
            Trigger::Edge => self.levels.remove(vector),
            Trigger::Level => self.levels.insert(vector),
        }
        true
    }

    /// Ends the highest interrupt in service. A level-triggered one must be told to the
    /// I/O APIC.
    pub(super) fn end_of_interrupt(&mut self) -> Option<u8> {
        let vector = self.in_service.highest()?;
        self.in_service.remove(vector);
        self.levels.contains(vector).then_some(vector)
    }

    /// Whether a message reaches this APIC.
    pub(super) fn is_addressed(&self, destination: Destination) -> bool {
        let mode = self.base.mode();
        match (destination, mode) {
            (_, Mode::Disabled) => false,
            (Destination::All, _) => true,
            (Destination::Physical(id), Mode::X2Apic) => id == self.initial_id,
            (Destination::Physical(id), _) => id == u32::from(self.id),
            (Destination::Logical(to), Mode::X2Apic) => {
                let own = self.x2apic_logical();
                to >> 16 == own >> 16 && to & own & 0xffff != 0
            }
            (Destination::Logical(to), _) => u8::try_from(to).is_ok_and(|to| self.is_logical(to)),
        }
    }

    /// An error is noted for ESR, and interrupts if its entry allows.
    pub(super) fn raise_error(&mut self, error: ApicError) {
        self.errors |= error as u32;
        let entry = self.lvt[Lvt::Error as usize];
        let vector = entry as u8;
        if entry & lvt::MASKED == 0 && vector >= FIRST_VECTOR {
            self.accept(vector, Trigger::Edge);
        }
    }

    /// A local source interrupts.
    pub(super) fn raise_local(&mut self, source: Lvt) -> Local {
        let entry = self.lvt[source as usize];
        if entry & lvt::MASKED != 0 || self.base.mode() == Mode::Disabled {
            return Local::Done;
        }
        match Delivery::of_bits((entry >> lvt::DELIVERY_SHIFT) as u8) {
            Delivery::Nmi => Local::Nmi,
            Delivery::Init => Local::Init,
            Delivery::Smi => Local::Smi,
            Delivery::Fixed => {
                self.accept(entry as u8, Trigger::Edge);
                Local::Done
            }
            // The processor asks the 8259 itself; the rest is reserved.
            Delivery::ExtInt
            | Delivery::LowestPriority
            | Delivery::Startup
            | Delivery::Reserved => Local::Done,
        }
    }

    /// Whether an 8259 at LINT0 gets through to the processor.
    pub(super) fn passes_external(&self) -> bool {
        let entry = self.lvt[Lvt::Lint0 as usize];
        let delivery = Delivery::of_bits((entry >> lvt::DELIVERY_SHIFT) as u8);
        self.base.mode() == Mode::Disabled
            || entry & lvt::MASKED == 0 && delivery == Delivery::ExtInt
    }

    /// Lets the timer run up to now.
    pub(super) fn advance(&mut self, cycles: u64) {
        if self.timer.advance(cycles) {
            self.raise_local(Lvt::Timer);
        }
    }

    /// When the timer interrupts next.
    pub(super) fn next_event(&self) -> Option<u64> {
        let masked = self.lvt[Lvt::Timer as usize] & lvt::MASKED != 0;
        if masked { None } else { self.timer.expires() }
    }

    /// LDR in x2APIC mode.
    fn x2apic_logical(&self) -> u32 {
        self.initial_id >> 4 << 16 | 1 << (self.initial_id & 0xf)
    }

    /// Whether a logical destination of 8 bits names this APIC.
    fn is_logical(&self, to: u8) -> bool {
        match self.model {
            0xf => to & self.logical != 0,
            // Cluster model; cluster 15 is all.
            _ => {
                let cluster = to >> 4;
                (cluster == 0xf || cluster == self.logical >> 4) && to & self.logical & 0xf != 0
            }
        }
    }
}
