//! Debug exceptions and perf events: from DR6 to counts, samples, signals and
//! observations. Source: Linux 6.18 `arch/x86/kernel/traps.c`,
//! `kernel/events/{core,hw_breakpoint}.c`.

use perf_core::{
    BufferId, CpuId, Current, EventId, HitRegs, Mode, Overflow, Perf, Pmus, SampleSource, TaskId,
};

use super::Kernel;
use super::in_kernel_breakpoint::{InKernelHit, RegistrationId};
use crate::arch::x86::costs::Work;
use crate::arch::x86::debug_trap::{
    self, Consumer, Notify, ResumeFlag, TrapCode, TrapHit, TrapOwner, TrapOwners, UserDebug,
};
use crate::arch::x86::debugreg::DR6_RESERVED;
use crate::arch::x86::entry::{HitAccess, TrapFrame};
use crate::arch::x86::hw_breakpoint::{Platform, local_db_restore, local_db_save};
use crate::arch::x86::kgdb::{HwBreak, RegsPlace};
use crate::debug::StopCause;
use crate::events::hw_breakpoint::{ArmChange, BreakpointPmu, CapSysAdmin};
use crate::events::overflow_handler::OverflowHandler;
use crate::events::pmus::MachinePmus;
use crate::events::rings::RingMemory;
use crate::observe::{
    AccessKind, ArmedSpan, Hit, HitOrigin, Moment, Observation, TaskTag, WatchId,
};
use crate::signal::SigInfo;
use crate::task::cred::Cap;
use crate::task::wait::Channel;
use crate::uapi::signal::SIGTRAP;

/// #DB.
const DB_VECTOR: u8 = 1;
/// RF in RFLAGS.
const RF: u64 = 1 << 16;
/// TF in RFLAGS.
const TF: u64 = 1 << 8;
/// Bytes of the longest instruction.
const MAX_INSN_BYTES: usize = 15;

/// A watch that is in a register now.
#[derive(Clone, Debug)]
pub(crate) struct OpenSpan {
    event: EventId,
    span: ArmedSpan,
}

/// Where a hit was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct HitPlace {
    pub(super) mode: Mode,
    /// Saved RIP.
    pub(super) ip: u64,
}

impl Kernel {
    /// Runs perf core code that may install, read or remove events, on the kernel's own behalf.
    pub(crate) fn with_pmu<T>(&mut self, body: impl FnOnce(&mut Perf, &mut dyn Pmus) -> T) -> T {
        self.with_pmu_as(CapSysAdmin::Held, body)
    }

    /// The same on behalf of a task, whose rights count (rules 1.6.2 and 3.7.2).
    pub(crate) fn with_pmu_for<T>(
        &mut self,
        task: TaskId,
        body: impl FnOnce(&mut Perf, &mut dyn Pmus) -> T,
    ) -> T {
        let capable = self.tasks.task(task).cred.capable(Cap::SysAdmin);
        let caller = if capable { CapSysAdmin::Held } else { CapSysAdmin::NotHeld };
        self.with_pmu_as(caller, body)
    }

    /// The same with the rights of whoever asks.
    pub(crate) fn with_pmu_as<T>(
        &mut self,
        caller: CapSysAdmin,
        body: impl FnOnce(&mut Perf, &mut dyn Pmus) -> T,
    ) -> T {
        self.sync_counters();
        let breakpoint = BreakpointPmu { hw: &mut self.hw, state: &mut self.breakpoints, caller };
        let mut pmus = MachinePmus { breakpoint, cpu: &mut self.cpu_pmu };
        let result = body(&mut self.perf, &mut pmus);
        self.after_pmu();
        result
    }

    /// What follows perf core code that may have installed or removed events.
    pub(crate) fn after_pmu(&mut self) {
        self.note_moves();
        self.write_unthrottled();
    }

    /// UNTHROTTLE records of events that were installed while they were throttled.
    fn write_unthrottled(&mut self) {
        if !self.perf.has_unthrottled() {
            return;
        }
        let current = self.perf_current(self.this_cpu);
        let woken = self.with_rings(|perf, memory| perf.write_unthrottled(memory, &current));
        self.wake_buffers(woken);
    }

    /// The CPU and its task, for records; pid and tid 0 where it idles.
    pub(crate) fn perf_current(&self, cpu: CpuId) -> Current {
        let tag = self.current_on(cpu).map(|task| self.tasks.tag(task));
        let (pid, tid) = tag.map_or((0, 0), |tag| (tag.pid, tag.tid));
        Current { cpu, pid, tid, now: self.hw.time_ns(cpu) }
    }

    /// Wakes those who poll events that write to these buffers.
    pub(crate) fn wake_buffers(&mut self, buffers: Vec<BufferId>) {
        for buffer in buffers {
            self.wake_buffer(buffer);
        }
    }

    /// Perf core code that writes to ring buffers.
    pub(crate) fn with_rings<T>(
        &mut self,
        body: impl FnOnce(&mut Perf, &mut RingMemory<'_>) -> T,
    ) -> T {
        let mut memory = RingMemory { hw: &mut self.hw, rings: &self.rings };
        body(&mut self.perf, &mut memory)
    }

    /// The moment on a CPU.
    pub(crate) fn moment(&self, cpu: CpuId) -> Moment {
        Moment {
            time_ns: self.hw.time_ns(cpu),
            cycles: self.hw.cycles(cpu),
            icount: self.hw.icount(cpu),
            cpu,
        }
    }

    /// #DB from user mode (`exc_debug_user`).
    pub(crate) fn exc_debug_user(&mut self, cpu: CpuId, task: TaskId) {
        self.hw.charge_work(cpu, Work::DebugException);
        let dr6 = debug_trap::debug_read_reset_dr6(&mut self.hw, cpu);
        let owners = self.trap_owners(cpu);
        let mut decision = debug_trap::exc_debug_user(dr6, &owners, self.perf.config.defects);
        let debugger_hit = self.kgdb_notify(dr6, &owners, &mut decision);
        let entry = self.tasks.task_mut(task);
        entry.virtual_dr6 = decision.virtual_dr6;
        entry.step.end_block_step();
        if decision.resume_flag == ResumeFlag::Set {
            entry.regs.flags |= RF;
        }
        let ip = entry.regs.ip;
        self.count_hits(cpu, task, &decision.hits, HitPlace { mode: Mode::User, ip });
        if let Some(hit) = debugger_hit {
            self.kgdb_enter(cpu, RegsPlace::Task, StopCause::HwBreakpoint(hit));
        }
        let verdict = self.notify_die(decision.notify);
        if let Some(code) = decision.signal.filter(|_| verdict == Notify::Done) {
            self.send_sigtrap(task, code, ip);
        }
    }

    /// The debugger's notifier, behind the breakpoint handler (rule 4.3.4): takes its own hits,
    /// and stale ones of registers that it has emptied, out of what the task is signalled for.
    fn kgdb_notify(
        &self,
        dr6: u64,
        owners: &TrapOwners,
        decision: &mut UserDebug,
    ) -> Option<HwBreak> {
        let hit = self.kgdb_hit(&decision.hits);
        if hit.is_some() || decision.spurious != 0 && self.kgdb.is_some() {
            let others = owners.map(|owner| {
                owner.map(|owner| match owner.consumer {
                    Consumer::Kgdb { .. } => TrapOwner { consumer: Consumer::Perf, ..owner },
                    Consumer::Perf | Consumer::Ptrace { .. } => owner,
                })
            });
            let all_stale = dr6 & !decision.spurious == DR6_RESERVED;
            let without = debug_trap::exc_debug_user(
                dr6 & !decision.spurious,
                &others,
                self.perf.config.defects,
            );
            decision.signal = without.signal.filter(|_| !all_stale);
        }
        hit
    }

    /// What of the debugger was hit: the first of several.
    fn kgdb_hit(&self, hits: &[TrapHit]) -> Option<HwBreak> {
        hits.iter().find_map(|hit| {
            let handler = self.perf.event(hit.event).and_then(perf_core::PerfEvent::handler);
            match handler.and_then(OverflowHandler::from_id) {
                Some(OverflowHandler::Kgdb { entry }) => self.kgdb_entry(entry),
                Some(
                    OverflowHandler::Watch(_)
                    | OverflowHandler::Ptrace { .. }
                    | OverflowHandler::Ksym { .. }
                    | OverflowHandler::InKernel { .. },
                )
                | None => None,
            }
        })
    }

    /// The notifiers behind the breakpoint handler, where that lets them (rule 4.3.4).
    fn notify_die(&mut self, breakpoints: Notify) -> Notify {
        match breakpoints {
            Notify::Stop => Notify::Stop,
            Notify::Done => self.die_chain.call(),
        }
    }

    /// Who owns the registers of a CPU, and whose handlers a hit calls.
    fn trap_owners(&self, cpu: CpuId) -> TrapOwners {
        self.breakpoints.trap_owners(cpu, |event| self.consumer_of(event))
    }

    fn consumer_of(&self, event: EventId) -> Consumer {
        let handler = self.perf.event(event).and_then(perf_core::PerfEvent::handler);
        match handler.and_then(OverflowHandler::from_id) {
            Some(OverflowHandler::Ptrace { slot }) => Consumer::Ptrace { slot },
            Some(OverflowHandler::Kgdb { .. }) => {
                Consumer::Kgdb { enabled: self.kgdb_enabled_mask() }
            }
            Some(
                OverflowHandler::Watch(_)
                | OverflowHandler::Ksym { .. }
                | OverflowHandler::InKernel { .. },
            )
            | None => Consumer::Perf,
        }
    }

    pub(crate) fn send_sigtrap(&mut self, task: TaskId, code: TrapCode, ip: u64) {
        let trap = &mut self.tasks.task_mut(task).trap;
        (trap.trap_nr, trap.error_code) = (DB_VECTOR, 0);
        self.force_signal(task, SigInfo::fault(SIGTRAP, code.si_code(), ip));
    }

    /// #DB from kernel mode (`exc_debug_kernel`): tells the flags to go back with.
    pub(crate) fn exc_debug_kernel(&mut self, cpu: CpuId, task: TaskId, frame: &TrapFrame) -> u64 {
        use debug_trap::{KernelOrigin, KernelOutcome};

        self.hw.charge_work(cpu, Work::DebugException);
        let dr6 = debug_trap::debug_read_reset_dr6(&mut self.hw, cpu);
        // The handler's own accesses must not hit again (rule 4.3.2).
        let saved = self
            .breakpoints
            .cpu(cpu)
            .map(|state| local_db_save(&mut self.hw, cpu, state, Platform::BareMetal));
        let owners = self.trap_owners(cpu);
        let virtual_dr6 = self.tasks.task(task).virtual_dr6;
        let decision = debug_trap::exc_debug_kernel(
            dr6,
            KernelOrigin::Elsewhere,
            &owners,
            virtual_dr6,
            self.perf.config.defects,
        );
        self.tasks.task_mut(task).virtual_dr6 = decision.virtual_dr6;
        let place = HitPlace { mode: Mode::Kernel, ip: frame.ip };
        self.count_hits(cpu, task, &decision.hits, place);
        let mut flags = frame.flags;
        if decision.resume_flag == ResumeFlag::Set {
            flags |= RF;
        }
        let verdict = match decision.outcome {
            KernelOutcome::Empty => Notify::Stop,
            KernelOutcome::Handled | KernelOutcome::UnexpectedStep => {
                self.notify_die(decision.notify)
            }
        };
        if decision.outcome == KernelOutcome::UnexpectedStep && verdict == Notify::Done {
            flags &= !TF;
        }
        // The exception has cleared BTF (rule 4.3.2).
        let is_block_step = self.tasks.task(task).step.is_block_step();
        self.hw.set_block_step(cpu, is_block_step);
        if let Some(saved) = saved {
            local_db_restore(&mut self.hw, cpu, saved);
        }
        if let Some(hit) = self.kgdb_hit(&decision.hits) {
            self.kgdb_kernel_hit(cpu, hit);
        }
        flags
    }

    /// Gives each hit to the perf core and carries out what it asks for.
    fn count_hits(&mut self, cpu: CpuId, task: TaskId, hits: &[TrapHit], place: HitPlace) {
        let accesses = self.hw.take_hit_accesses(cpu);
        let tag = self.tasks.tag(task);
        for hit in hits {
            let access = accesses.get(hit.register).copied().flatten();
            self.update_counts(cpu);
            let outcome = self.hit_event(cpu, &tag, hit.event, place);
            match outcome.handler.and_then(OverflowHandler::from_id) {
                Some(OverflowHandler::Watch(watch)) => {
                    self.observe_hit(cpu, &tag, watch, place, access);
                }
                Some(OverflowHandler::Ksym { entry }) => {
                    self.ksym_hit(cpu, task, entry, place.ip);
                }
                // Their handlers set bits of the virtual DR6 and nothing else: `Consumer`.
                Some(OverflowHandler::Ptrace { .. } | OverflowHandler::Kgdb { .. }) => {}
                Some(OverflowHandler::InKernel { registration }) => {
                    let registration = RegistrationId(registration);
                    self.in_kernel.note(InKernelHit { registration, task, cpu, mode: place.mode });
                }
                None => {}
            }
            self.carry_out(cpu, task, &outcome);
        }
    }

    /// What perf core is told of a hit; without the rarer fields of samples.
    pub(super) fn hit_regs(
        &self,
        cpu: CpuId,
        tag: &TaskTag,
        place: HitPlace,
        addr: u64,
    ) -> HitRegs<'static> {
        HitRegs {
            ip: place.ip,
            mode: place.mode,
            pid: tag.pid,
            tid: tag.tid,
            cpu,
            now: self.hw.time_ns(cpu),
            addr,
            source: None,
        }
    }

    /// `perf_bp_event`.
    fn hit_event(
        &mut self,
        cpu: CpuId,
        tag: &TaskTag,
        event: EventId,
        place: HitPlace,
    ) -> Overflow {
        let addr = self.perf.event(event).map_or(0, |event| event.attr().bp_addr);
        let gathered = self.gather_sample(event, tag.task, place, addr);
        let source = gathered.as_ref().map(|gathered| gathered as &dyn SampleSource);
        let regs = HitRegs { source, ..self.hit_regs(cpu, tag, place, addr) };
        self.with_rings(|perf, memory| perf.event_hit(event, &regs, memory))
    }

    /// Carries out what an overflow asks for.
    pub(crate) fn carry_out(&mut self, cpu: CpuId, task: TaskId, outcome: &Overflow) {
        if let Some(buffer) = outcome.wakeup {
            self.wake_buffer(buffer);
        }
        if let Some(reason) = outcome.kill {
            self.perf_sigio(outcome.root, reason);
        }
        if outcome.sigtrap {
            self.tasks.task_mut(task).sigtraps.push(outcome.event);
        }
        if outcome.disable {
            let now = self.hw.time_ns(cpu);
            self.with_pmu(|perf, pmu| perf.pending_disable(pmu, now, outcome.event));
        }
    }

    /// SIGIO to whoever asked for it with O_ASYNC (rule 3.9.5).
    fn perf_sigio(&mut self, event: EventId, reason: perf_core::PollReason) {
        crate::syscalls::perf::send_sigio(self, event, reason);
    }

    /// Wakes those who poll an event that writes to this buffer.
    pub(crate) fn wake_buffer(&mut self, buffer: BufferId) {
        for event in self.perf.buffer_events(buffer).to_vec() {
            self.wake(Channel::PerfEvent(event));
        }
    }

    /// SIGTRAP of sigtrap events, before the task's next user instruction (rule 3.8.2). They are
    /// task work, which runs last in, first out; so the later of two events on one access is the
    /// one whose signal is delivered (rule 3.8.5).
    pub(crate) fn deliver_sigtraps(&mut self, task: TaskId) {
        for event in std::mem::take(&mut self.tasks.task_mut(task).sigtraps).into_iter().rev() {
            if let Some(trap) = self.perf.take_sigtrap(event) {
                crate::syscalls::perf::send_sigtrap(self, task, &trap);
            }
        }
    }

    fn observe_hit(
        &mut self,
        cpu: CpuId,
        tag: &TaskTag,
        watch: WatchId,
        place: HitPlace,
        access: Option<HitAccess>,
    ) {
        let insn_ip = access.map_or(place.ip, |access| access.insn_ip);
        let mut insn_bytes = vec![0; MAX_INSN_BYTES];
        let read = self.hw.peek(cpu, insn_ip, &mut insn_bytes);
        insn_bytes.truncate(read);
        let origin = match place.mode {
            Mode::User => HitOrigin::User,
            Mode::Kernel => HitOrigin::Kernel { syscall: self.syscall_name(tag.task) },
        };
        let request = self.watches[watch.0 as usize].request;
        let hit = Hit {
            watch,
            at: self.moment(cpu),
            task: tag.clone(),
            insn_ip,
            insn_bytes,
            origin,
            kind: access.map_or(AccessKind::Execute, |access| access.kind),
            access_addr: access.map_or(request.addr, |access| access.addr),
            access_len: access.map_or(0, |access| access.len),
            old: access.map_or(0, |access| access.old),
            new: access.map_or(0, |access| access.new),
        };
        self.observations.push(Observation::Hit(Box::new(hit)));
    }

    fn syscall_name(&self, task: TaskId) -> Option<&'static str> {
        let call = self.tasks.task(task).syscall?;
        crate::syscalls::name_of(call.nr)
    }

    /// Follows installs and removals of watches, for the armed spans.
    pub(crate) fn note_moves(&mut self) {
        for step in self.breakpoints.take_arm_log() {
            let Some(watch) = self.watch_of(step.event) else { continue };
            if step.change == ArmChange::Installed {
                let Some(task) = self.current_on(step.cpu) else { continue };
                let span = ArmedSpan {
                    watch,
                    cpu: step.cpu,
                    slot: step.slot,
                    task: self.tasks.tag(task),
                    from_icount: step.icount,
                    to_icount: step.icount,
                };
                self.open_spans.push(OpenSpan { event: step.event, span });
            } else if let Some(at) = self
                .open_spans
                .iter()
                .position(|open| open.event == step.event && open.span.cpu == step.cpu)
            {
                let mut span = self.open_spans.remove(at).span;
                span.to_icount = step.icount;
                self.observations.push(Observation::Span(Box::new(span)));
            }
        }
    }

    /// The watch that an event, or the event it was inherited from, belongs to.
    fn watch_of(&self, event: EventId) -> Option<WatchId> {
        let root = self.perf.event(event).and_then(perf_core::PerfEvent::parent).unwrap_or(event);
        let index = self.watches.iter().position(|watch| watch.event == root)?;
        Some(WatchId(index as u32))
    }

    /// Ends the spans that are still open at the end of a run.
    pub(super) fn close_spans(&mut self) {
        for mut open in std::mem::take(&mut self.open_spans) {
            open.span.to_icount = self.hw.icount(open.span.cpu);
            self.observations.push(Observation::Span(Box::new(open.span)));
        }
    }
}
