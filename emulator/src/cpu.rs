//! One vCPU: registers, debug registers, translation caches, clock, and what is
//! pending at the next instruction boundary.
//!
//! Neighbours: [`crate::mem::access`] is its data port, [`crate::run`] its loop,
//! [`crate::event::delivery`] its exception entry.

mod digest;

use crate::cpuid::{CpuModel, CpuVendor, Leaf, Os};
use crate::debug::{AccessRecord, DebugRegs, Dr7, WatchSet, dr6};
use crate::event::pending::Attention;
use crate::event::{Exception, KeptHits, Pending};
use crate::mem::tlb::{NEVER_FAST, Privilege, Tlb};
use crate::random::RandomNumbers;
use crate::regs::control::{cr0, cr4, debugctl, efer};
use crate::regs::{CodeView, RFlags, Regs, SegmentReg, StackView};
use crate::run::Exit;
use crate::timing::{FixedEvent, TimingModel};

/// What an instruction does to the single-step trap that may follow it (rule T10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum StepRule {
    /// TF at its start decides.
    #[default]
    Normal,
    /// No trap: INT3, INT n, ICEBP.
    Never,
    /// TF at its end decides: SYSCALL and SYSRET.
    AtEnd,
    /// MOV SS and POP SS: no trap, and the next boundary is shadowed.
    OpensShadow,
}

/// A step of [`Cpu`]'s epoch; below it are the privilege and the size of the code.
const EPOCH_STEP: u32 = 8;

/// The translation caches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tlbs {
    pub(crate) read: Tlb,
    pub(crate) write: Tlb,
    pub(crate) fetch: Tlb,
    /// [`crate::mem::phys::PhysMem::write_tlb_epoch`] when `write` was last right.
    pub(crate) write_epoch: u64,
}

/// A virtual processor.
#[derive(Debug)]
pub struct Cpu {
    /// Registers.
    pub regs: Regs,
    pub(crate) debug: DebugRegs,
    pub(crate) watch: WatchSet,
    pub(crate) records: [Option<AccessRecord>; 4],
    pub(crate) tlbs: Tlbs,
    /// Tag bits of the present privilege: a [`Privilege`] and [`NEVER_FAST`].
    pub(crate) mode: u64,
    /// How instructions are fetched, from CS.
    pub(crate) code: CodeView,
    /// How the stack is addressed, from SS.
    pub(crate) stack: StackView,
    pub(crate) pending: Pending,
    pub(crate) attention: Attention,
    pub(crate) fault: Option<Exception>,
    pub(crate) exit: Option<Exit>,
    pub(crate) rule: StepRule,
    /// Ops of a block behind the one that ended it early.
    pub(crate) nr_skipped: usize,
    pub(crate) kept_hits: KeptHits,
    pub(crate) slow_accesses: u64,
    pub(crate) cycles: u64,
    pub(crate) icount: u64,
    pub(crate) deliveries: u64,
    pub(crate) deadline: u64,
    /// Where the run loop begins to look at every instruction.
    pub(crate) soft_deadline: u64,
    pub(crate) halted: bool,
    pub(crate) waits_for_startup: bool,
    pub(crate) epoch: u32,
    /// [`crate::mem::phys::PhysMem::code_epoch`] when the links were last right.
    pub(crate) code_epoch: u64,
    pub(crate) timing: Box<dyn TimingModel>,
    pub(crate) model: CpuModel,
    /// Whose rules hold where vendors differ.
    pub(crate) vendor: CpuVendor,
    /// Whether VMCALL at CPL 0 asks a monitor; otherwise it is #UD.
    pub(crate) monitored: bool,
    /// Initial APIC id: the vCPU's number.
    pub(crate) apic_id: u32,
    /// Whether the timing model wants to hear of memory accesses.
    pub(crate) times_memory: bool,
    /// What RDRAND and RDSEED give.
    pub(crate) random: RandomNumbers,
}

impl Cpu {
    /// A CPU after reset, with nothing mapped and CPL 0.
    #[must_use]
    pub fn new(model: CpuModel, timing: Box<dyn TimingModel>, apic_id: u32) -> Self {
        Self {
            regs: Regs::default(),
            debug: DebugRegs::default(),
            watch: WatchSet::default(),
            records: [None; 4],
            tlbs: Tlbs::default(),
            mode: Privilege::Supervisor as u64,
            code: CodeView::default(),
            stack: StackView::default(),
            pending: Pending::default(),
            attention: Attention::default(),
            fault: None,
            exit: None,
            rule: StepRule::Normal,
            nr_skipped: 0,
            kept_hits: KeptHits::default(),
            slow_accesses: 0,
            cycles: 0,
            icount: 0,
            deliveries: 0,
            deadline: u64::MAX,
            soft_deadline: u64::MAX,
            halted: false,
            waits_for_startup: false,
            epoch: 0,
            code_epoch: 0,
            times_memory: timing.observes_memory(),
            timing,
            model,
            vendor: CpuVendor::default(),
            monitored: true,
            apic_id,
            random: RandomNumbers::new(0, apic_id),
        }
    }

    /// Cycles since reset. The TSC is this plus its offset.
    #[must_use]
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Instructions retired since reset.
    #[must_use]
    pub fn icount(&self) -> u64 {
        self.icount
    }

    /// Events delivered since reset: exceptions, interrupts, software interrupts. A CPU
    /// that delivers them without end, for its own stack is watched, retires nothing.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// The timing model.
    #[must_use]
    pub fn timing(&self) -> &dyn TimingModel {
        &*self.timing
    }

    /// The features that CPUID tells of.
    #[must_use]
    pub fn model(&self) -> CpuModel {
        self.model
    }

    /// The vendor whose rules hold.
    #[must_use]
    pub fn vendor(&self) -> CpuVendor {
        self.vendor
    }

    /// Chooses the vendor. Registers that the other lacks keep their values.
    pub fn set_vendor(&mut self, vendor: CpuVendor) {
        self.vendor = vendor;
        self.debug.set_vendor(vendor);
    }

    /// Says whether VMCALL at CPL 0 ends the run with [`Exit::Hypercall`], as it does at
    /// first, or is undefined, as on a machine without a monitor.
    pub fn set_monitored(&mut self, monitored: bool) {
        self.monitored = monitored;
    }

    /// What CPUID answers on this vCPU with CR4 and XCR0 as they are.
    #[must_use]
    pub fn cpuid(&self, function: u32, subleaf: u32) -> Leaf {
        let control = &self.regs.control;
        let os = Os { osxsave: control.cr4 & cr4::OSXSAVE != 0, xcr0: control.xcr0 };
        let leaf = self.model.cpuid_under(function, subleaf, self.apic_id, &os);
        self.vendor.cpuid(function, leaf)
    }

    /// Lets the clock run on by `cycles`: work that is not modelled instruction
    /// by instruction.
    pub fn charge(&mut self, cycles: u64) {
        self.cycles = self.cycles.saturating_add(cycles);
        if self.cycles >= self.soft_deadline {
            self.attention.raise(Attention::DEADLINE);
        }
    }

    /// Charges what the timing model says an event costs.
    pub fn charge_event(&mut self, event: FixedEvent) {
        let cost = self.timing.event(event);
        self.charge(u64::from(cost));
    }

    /// The time-stamp counter.
    #[must_use]
    pub fn tsc(&self) -> u64 {
        self.cycles.wrapping_add(self.regs.msrs.tsc_offset)
    }

    /// The debug registers.
    #[must_use]
    pub fn debug(&self) -> &DebugRegs {
        &self.debug
    }

    /// Writes DR0 to DR3 (`index` 0 to 3); any value may be stored (rule R1).
    pub fn set_dr_address(&mut self, index: usize, value: u64) {
        self.debug.set_address(index, value);
        self.rebuild_watch();
    }

    /// Writes DR6; reserved bits keep their fixed values (rule D5).
    pub fn set_dr6(&mut self, value: u64) {
        self.debug.set_dr6(dr6::write(value));
    }

    /// Writes DR7; reserved bits keep their fixed values (rule D5).
    pub fn set_dr7(&mut self, value: u64) {
        self.debug.set_dr7(Dr7::write(value));
        self.rebuild_watch();
    }

    /// Debug conditions that wait for the next instruction boundary, as bits of DR6.
    #[must_use]
    pub fn pending_debug(&self) -> u64 {
        self.pending.debug
    }

    /// Chooses what becomes of a hit that MOV SS kept when the instruction after it
    /// enters a handler (rule S6).
    pub fn set_kept_hits(&mut self, kept_hits: KeptHits) {
        self.kept_hits = kept_hits;
    }

    /// Data accesses that did not take the fast path, since reset.
    #[must_use]
    pub fn slow_accesses(&self) -> u64 {
        self.slow_accesses
    }

    /// Derives the watch set again and drops what the old one had let through.
    pub(crate) fn rebuild_watch(&mut self) {
        let next = WatchSet::of(&self.debug);
        if next == self.watch {
            return;
        }
        for page in self.watch.pages().chain(next.pages()) {
            self.tlbs.read.flush_page(page);
            self.tlbs.write.flush_page(page);
        }
        if next.executes() != self.watch.executes() {
            self.drop_links();
        }
        self.watch = next;
    }

    /// The accesses behind the debug conditions of the last #DB, by entry;
    /// emptied by [`Self::take_access_records`].
    #[must_use]
    pub fn access_records(&self) -> &[Option<AccessRecord>; 4] {
        &self.records
    }

    /// Takes the records of the accesses that matched.
    pub fn take_access_records(&mut self) -> [Option<AccessRecord>; 4] {
        std::mem::take(&mut self.records)
    }

    /// Makes an external interrupt pending; it is delivered when RFLAGS.IF allows.
    /// A second one before that replaces the first.
    pub fn raise_interrupt(&mut self, vector: u8) {
        self.pending.interrupt = Some(vector);
        self.sync_interrupts();
    }

    /// Takes back an interrupt that was not delivered yet.
    pub fn cancel_interrupt(&mut self) -> Option<u8> {
        let taken = self.pending.interrupt.take();
        self.sync_interrupts();
        taken
    }

    /// Sets the interrupt line of the bus: while it is up, the bus is asked for a vector
    /// as soon as RFLAGS.IF allows.
    pub fn set_interrupt_line(&mut self, up: bool) {
        self.pending.line = up;
        self.sync_interrupts();
    }

    /// Makes a non-maskable interrupt pending.
    pub fn raise_nmi(&mut self) {
        self.pending.nmi = true;
        self.sync_interrupts();
    }

    /// Lets the next non-maskable interrupt come, as the IRET at the end of a handler does that is
    /// not executed.
    pub fn end_nmi(&mut self) {
        self.pending.nmi_blocked = false;
        self.sync_interrupts();
    }

    /// Looks for interrupts at boundaries only while one would be taken.
    pub(crate) fn sync_interrupts(&mut self) {
        let (interrupt, nmi) = (self.takes_interrupt(), self.takes_nmi());
        self.attention.set(Attention::INTERRUPT, interrupt);
        self.attention.set(Attention::NMI, nmi);
    }

    /// Whether an interrupt waits and RFLAGS.IF lets it come.
    pub(crate) fn takes_interrupt(&self) -> bool {
        let waits = self.pending.line || self.pending.interrupt.is_some();
        waits && self.regs.system_flags & RFlags::IF != 0
    }

    /// Whether a non-maskable interrupt waits and none is being served.
    pub(crate) fn takes_nmi(&self) -> bool {
        self.pending.nmi && !self.pending.nmi_blocked
    }

    /// INIT: the state of SDM vol. 3A, table 10-1. The clock, the x87 and vector
    /// registers and the MSRs stay; the CPU waits for a start-up message.
    pub fn init(&mut self) {
        let Regs { x87, vector, msrs, .. } = std::mem::take(&mut self.regs);
        self.regs = Regs { x87, vector, msrs, ..Regs::at_reset() };
        self.regs.msrs.debugctl = 0;
        self.debug = DebugRegs::default();
        self.debug.set_vendor(self.vendor);
        self.pending = Pending::default();
        self.attention = Attention::default();
        self.records = [None; 4];
        self.halted = false;
        self.waits_for_startup = true;
        self.rebuild_watch();
        self.flush_tlb();
        self.sync_mode();
    }

    /// A start-up message: real mode at `page * 4096`. It is ignored by a CPU that does
    /// not wait for one.
    pub fn startup(&mut self, page: u8) {
        if !std::mem::take(&mut self.waits_for_startup) {
            return;
        }
        let code = &mut self.regs.seg[SegmentReg::Cs as usize];
        code.selector = u16::from(page) << 8;
        code.base = u64::from(page) << 12;
        self.regs.rip = 0;
        self.sync_mode();
    }

    /// Whether the CPU waits for a start-up message, as every CPU but the first does
    /// after INIT.
    #[must_use]
    pub fn waits_for_startup(&self) -> bool {
        self.waits_for_startup
    }

    /// Lets the clock of a CPU that does nothing run on to `cycles`.
    pub fn idle_until(&mut self, cycles: u64) {
        self.cycles = self.cycles.max(cycles);
    }

    /// Whether the CPU waits in HLT.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.halted
    }

    /// Wakes the CPU from HLT without an interrupt.
    pub fn wake(&mut self) {
        self.halted = false;
    }

    /// Sets RFLAGS and all that follows from it.
    pub fn set_rflags(&mut self, image: u64) {
        self.regs.set_rflags(image);
        self.sync_mode();
    }

    /// Loads CR3 and drops cached translations.
    pub fn set_cr3(&mut self, value: u64) {
        self.regs.control.cr3 = value;
        self.flush_tlb();
    }

    /// Forgets all cached translations.
    pub fn flush_tlb(&mut self) {
        self.tlbs.read.flush();
        self.tlbs.write.flush();
        self.tlbs.fetch.flush();
        self.timing.flush_tlb();
        self.drop_links();
    }

    /// INVLPG: forgets the translation of one page.
    pub fn flush_tlb_page(&mut self, linear: u64) {
        self.tlbs.read.flush_page(linear);
        self.tlbs.write.flush_page(linear);
        self.tlbs.fetch.flush_page(linear);
        self.drop_links();
    }

    /// Makes every block lookup go through the page tables again.
    pub(crate) fn drop_links(&mut self) {
        self.epoch = self.epoch.wrapping_add(EPOCH_STEP);
    }

    /// The present privilege.
    #[must_use]
    pub fn privilege(&self) -> Privilege {
        match self.mode & !NEVER_FAST {
            mode if mode == Privilege::User as u64 => Privilege::User,
            mode if mode == Privilege::SupervisorOfUser as u64 => Privilege::SupervisorOfUser,
            _ => Privilege::Supervisor,
        }
    }

    /// Brings what is derived from CS, SS, RFLAGS and the control registers up to date.
    pub(crate) fn sync_mode(&mut self) {
        let user = self.regs.cpl() == 3;
        let code = CodeView::of(&self.regs);
        if !code.shares_links(&self.code) {
            self.drop_links();
        }
        self.code = code;
        self.stack = StackView::of(&self.regs, &code);
        self.debug.set_long_mode(self.in_long_mode());
        // Blocks are linked within one privilege and one size of code.
        self.epoch = self.epoch & !(EPOCH_STEP - 1) | u32::from(user) | code.tag();
        let aligned = user
            && self.regs.system_flags & RFlags::AC != 0
            && self.regs.control.cr0 & cr0::AM != 0;
        let opened =
            self.regs.control.cr4 & cr4::SMAP != 0 && self.regs.system_flags & RFlags::AC != 0;
        let privilege = match (user, opened) {
            (true, _) => Privilege::User,
            (false, true) => Privilege::SupervisorOfUser,
            (false, false) => Privilege::Supervisor,
        };
        self.mode = privilege as u64 | if aligned { NEVER_FAST } else { 0 };
        let flags = self.regs.system_flags;
        self.attention.set(Attention::TRAP_FLAG, flags & RFlags::TF != 0);
        self.attention.set(Attention::RESUME_FLAG, flags & RFlags::RF != 0);
        let records = self.regs.msrs.debugctl & debugctl::LBR != 0;
        self.attention.set(Attention::BRANCHES, records);
        self.sync_interrupts();
    }

    /// Whether IA-32e mode is active: 64-bit or compatibility mode.
    #[must_use]
    pub fn in_long_mode(&self) -> bool {
        self.regs.control.efer & efer::LMA != 0
    }

    /// Replaces all registers: those of another thread of execution.
    pub fn load_regs(&mut self, regs: Regs) {
        let remap = regs.control != self.regs.control;
        self.regs = regs;
        if remap {
            self.flush_tlb();
        }
        self.sync_mode();
    }
}
