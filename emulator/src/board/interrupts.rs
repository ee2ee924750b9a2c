//! The interrupt controllers together: lines go to the 8259s and the I/O APIC, messages
//! to the local APICs, vectors to the processors.

use super::CpuMessage;
use super::apic::{Delivery, Effect, Local, LocalApic, Lvt, Message, Mode, Trigger, Whom};
use super::ioapic::{IoApic, NR_PINS, Request};
use super::pic::Pics;
use super::unmodelled::Notes;

/// Lines of the ISA bus; the I/O APIC has more inputs.
const NR_ISA_LINES: u8 = 16;
/// Input of the I/O APIC that line 0 is connected to.
pub(super) const TIMER_PIN: usize = 2;
/// The processor whose LINT0 the 8259s are connected to.
const WIRED: usize = 0;

/// All of them.
#[derive(Debug)]
pub(super) struct Interrupts {
    pub(super) pics: Pics,
    pub(super) ioapic: IoApic,
    apics: Vec<LocalApic>,
    signals: Vec<(usize, CpuMessage)>,
    /// The output of the 8259s when it was last looked at.
    pic_output: bool,
}

impl Interrupts {
    /// As the firmware leaves them.
    pub(super) fn new(nr_cpus: usize) -> Self {
        let ids = 0..u32::try_from(nr_cpus.max(1)).unwrap_or(u32::MAX);
        let mut apics: Vec<_> = ids.map(LocalApic::new).collect();
        if let Some(first) = apics.get_mut(WIRED) {
            first.set_up_virtual_wire();
        }
        Self {
            pics: Pics::default(),
            ioapic: IoApic::default(),
            apics,
            signals: Vec::new(),
            pic_output: false,
        }
    }

    pub(super) fn nr_cpus(&self) -> usize {
        self.apics.len()
    }

    pub(super) fn apic(&self, cpu: usize) -> Option<&LocalApic> {
        self.apics.get(cpu)
    }

    pub(super) fn apic_mut(&mut self, cpu: usize) -> Option<&mut LocalApic> {
        self.apics.get_mut(cpu)
    }

    /// Signals since the last call.
    pub(super) fn take_signals(&mut self) -> Vec<(usize, CpuMessage)> {
        std::mem::take(&mut self.signals)
    }

    pub(super) fn has_signals(&self) -> bool {
        !self.signals.is_empty()
    }

    /// Lets the timers of the local APICs run.
    pub(super) fn advance(&mut self, now: u64) {
        for apic in &mut self.apics {
            apic.advance(now);
        }
    }

    /// When the next of those timers interrupts.
    pub(super) fn next_event(&self) -> Option<u64> {
        self.apics.iter().filter_map(LocalApic::next_event).min()
    }

    /// Sets a line: 0 to 15 of the ISA bus, 16 to 23 of the I/O APIC alone.
    pub(super) fn set_line(&mut self, line: u8, up: bool, notes: &mut Notes) {
        if line < NR_ISA_LINES {
            self.pics.set_line(line, up);
            self.pics_changed(notes);
        }
        let pin = if line == 0 { TIMER_PIN } else { usize::from(line) };
        self.ioapic.set_line(pin, up);
        self.look(pin, notes);
    }

    /// Whether a line could interrupt anyone.
    pub(super) fn is_heard(&self, line: u8) -> bool {
        let pin = if line == 0 { TIMER_PIN } else { usize::from(line) };
        self.pics.is_unmasked(line) || self.ioapic.is_unmasked(pin)
    }

    /// Does what a write to the I/O APIC asked for.
    pub(super) fn serve_ioapic(&mut self, request: Request, notes: &mut Notes) {
        match request {
            Request::Nothing => {}
            Request::Look(pin) => self.look(pin, notes),
            Request::End(vector) => self.end(vector, notes),
        }
    }

    /// Does what a write to a local APIC asked for.
    pub(super) fn serve_apic(&mut self, cpu: usize, effect: Effect, notes: &mut Notes) {
        match effect {
            Effect::Nothing => {}
            Effect::Ended(vector) => self.end(vector, notes),
            Effect::Send(message, whom) => {
                self.send(message, whom, Some(cpu), notes);
            }
        }
    }

    /// The output of the 8259s may have changed: LINT0 may be another interrupt than the
    /// external one.
    pub(super) fn pics_changed(&mut self, notes: &mut Notes) {
        let output = self.pics.output();
        let rises = output && !std::mem::replace(&mut self.pic_output, output);
        let Some(apic) = self.apics.get_mut(WIRED).filter(|_| rises) else { return };
        match apic.raise_local(Lvt::Lint0) {
            Local::Done => {}
            Local::Nmi => self.signals.push((WIRED, CpuMessage::Nmi)),
            Local::Smi => notes.feature("system management interrupts"),
            Local::Init => {
                apic.init();
                self.signals.push((WIRED, CpuMessage::Init));
            }
        }
    }

    /// Whether an interrupt waits for a processor.
    pub(super) fn has_interrupt(&self, cpu: usize) -> bool {
        let local = self.apics.get(cpu).is_some_and(|apic| apic.deliverable().is_some());
        local || self.has_external(cpu)
    }

    /// The vector of the interrupt that a processor takes: first that of the 8259s.
    pub(super) fn acknowledge(&mut self, cpu: usize, notes: &mut Notes) -> Option<u8> {
        if self.has_external(cpu) {
            let vector = self.pics.acknowledge();
            self.pics_changed(notes);
            return Some(vector);
        }
        self.apics.get_mut(cpu)?.acknowledge()
    }

    fn has_external(&self, cpu: usize) -> bool {
        cpu == WIRED
            && self.apics.get(cpu).is_some_and(LocalApic::passes_external)
            && self.pics.output()
    }

    /// Sends what an input of the I/O APIC has to send.
    fn look(&mut self, pin: usize, notes: &mut Notes) {
        if let Some(message) = self.ioapic.message(pin) {
            let accepted = self.send(message, Whom::Addressed, None, notes);
            self.ioapic.sent(pin, accepted);
        }
    }

    /// The end of a level-triggered interrupt.
    fn end(&mut self, vector: u8, notes: &mut Notes) {
        for pin in 0..NR_PINS {
            if self.ioapic.end(pin, vector) {
                self.look(pin, notes);
            }
        }
    }

    /// Delivers a message: whether any APIC accepted it.
    fn send(
        &mut self,
        message: Message,
        whom: Whom,
        sender: Option<usize>,
        notes: &mut Notes,
    ) -> bool {
        let targets = self.targets(message, whom, sender);
        match message.delivery {
            Delivery::Fixed => {
                let accept = |cpu| self.accept(cpu, message.vector, message.trigger);
                targets.into_iter().map(accept).max() == Some(true)
            }
            Delivery::LowestPriority => {
                let enabled = targets.into_iter().filter(|cpu| self.apics[*cpu].is_enabled());
                let chosen = enabled.min_by_key(|cpu| (self.apics[*cpu].ppr(), *cpu));
                chosen.is_some_and(|cpu| self.accept(cpu, message.vector, message.trigger))
            }
            Delivery::Nmi => self.signal(&targets, CpuMessage::Nmi),
            Delivery::Startup => self.signal(&targets, CpuMessage::Startup(message.vector)),
            Delivery::Init => {
                for cpu in &targets {
                    self.apics[*cpu].init();
                }
                self.signal(&targets, CpuMessage::Init)
            }
            Delivery::Smi => refuse(notes, "system management interrupts"),
            Delivery::ExtInt => refuse(notes, "external interrupts through an APIC message"),
            Delivery::Reserved => refuse(notes, "reserved delivery mode of an APIC message"),
        }
    }

    /// The processors that a message reaches, in ascending order.
    fn targets(&self, message: Message, whom: Whom, sender: Option<usize>) -> Vec<usize> {
        let meant = |cpu: usize| match whom {
            Whom::Addressed => true,
            Whom::Sender => Some(cpu) == sender,
            Whom::AllButSender => Some(cpu) != sender,
        };
        let addressed = |cpu: &usize| self.apics[*cpu].is_addressed(message.destination);
        (0..self.apics.len()).filter(|cpu| meant(*cpu)).filter(addressed).collect()
    }

    fn accept(&mut self, cpu: usize, vector: u8, trigger: Trigger) -> bool {
        self.apics.get_mut(cpu).is_some_and(|apic| apic.accept(vector, trigger))
    }

    fn signal(&mut self, targets: &[usize], signal: CpuMessage) -> bool {
        self.signals.extend(targets.iter().map(|cpu| (*cpu, signal)));
        !targets.is_empty()
    }

    /// The local APIC whose page a processor sees.
    pub(super) fn xapic_page(&self, cpu: usize) -> Option<u64> {
        let base = self.apics.get(cpu)?.base();
        (base.mode() == Mode::XApic).then(|| base.address())
    }
}

/// Names what is not delivered.
fn refuse(notes: &mut Notes, what: &'static str) -> bool {
    notes.feature(what);
    false
}
