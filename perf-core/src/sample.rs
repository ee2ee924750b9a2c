//! SAMPLE records (rules 3.11.1 to 3.11.3).
//!
//! Source: `perf_prepare_sample`, `perf_output_sample`, `perf_output_read`, Linux 6.18
//! kernel/events/core.c.

use crate::attr::abi::{
    AttrFlags, PERF_FORMAT_GROUP, PERF_FORMAT_ID, PERF_FORMAT_LOST, PERF_FORMAT_TOTAL_TIME_ENABLED,
    PERF_FORMAT_TOTAL_TIME_RUNNING, PERF_SAMPLE_ADDR, PERF_SAMPLE_AUX, PERF_SAMPLE_BRANCH_STACK,
    PERF_SAMPLE_CALLCHAIN, PERF_SAMPLE_CGROUP, PERF_SAMPLE_CODE_PAGE_SIZE, PERF_SAMPLE_CPU,
    PERF_SAMPLE_DATA_PAGE_SIZE, PERF_SAMPLE_DATA_SRC, PERF_SAMPLE_ID, PERF_SAMPLE_IDENTIFIER,
    PERF_SAMPLE_IP, PERF_SAMPLE_PERIOD, PERF_SAMPLE_PHYS_ADDR, PERF_SAMPLE_RAW, PERF_SAMPLE_READ,
    PERF_SAMPLE_REGS_INTR, PERF_SAMPLE_REGS_USER, PERF_SAMPLE_STACK_USER, PERF_SAMPLE_STREAM_ID,
    PERF_SAMPLE_TID, PERF_SAMPLE_TIME, PERF_SAMPLE_TRANSACTION, PERF_SAMPLE_WEIGHT,
    PERF_SAMPLE_WEIGHT_STRUCT,
};
use crate::ids::{BufferId, EventId};
use crate::overflow::{HitRegs, Mode};
use crate::perf::Perf;
use crate::record::{Current, Record, RecordType};
use crate::ring_buffer::BufferMemory;

/// `PERF_CONTEXT_KERNEL`: what follows in a call chain is kernel code.
pub const PERF_CONTEXT_KERNEL: u64 = -128_i64 as u64;
/// `PERF_CONTEXT_USER`: what follows in a call chain is user code.
pub const PERF_CONTEXT_USER: u64 = -512_i64 as u64;
/// DATA_SRC when the hardware says nothing: every field "not available".
pub const DATA_SRC_NA: u64 = 0x1e_0508_0021;
/// RAW without raw data: a size of 4 and 4 bytes of padding.
const RAW_EMPTY: u64 = 4;

impl Perf {
    /// Builds the sample of one overflow and writes it out.
    pub(crate) fn output_sample(
        &mut self,
        event: EventId,
        period: u64,
        regs: &HitRegs<'_>,
        mem: &mut dyn BufferMemory,
    ) -> Option<BufferId> {
        let root = self.ev(event).parent.unwrap_or(event);
        self.event(root)?.rb?;
        let mut record = Record::new(RecordType::Sample, regs.mode as u16);
        self.put_identity(&mut record, event, period, regs);
        self.put_read(&mut record, event, regs.now);
        self.put_callchain(&mut record, event, regs);
        self.put_registers_and_stack(&mut record, event, regs);
        self.put_tail(&mut record, event, regs);
        let attr = &self.ev(event).attr;
        let by_events = !attr.has(AttrFlags::WATERMARK);
        let wakeup_events = if by_events { attr.wakeup_events } else { 0 };
        self.output(mem, &Current::of_hit(regs), event, record, wakeup_events)
    }

    /// IDENTIFIER to PERIOD.
    fn put_identity(&self, r: &mut Record, event: EventId, period: u64, regs: &HitRegs<'_>) {
        let e = self.ev(event);
        let has = |bit| e.attr.samples(bit);
        let id = self.primary_id(event);
        if has(PERF_SAMPLE_IDENTIFIER) {
            r.u64(id);
        }
        if has(PERF_SAMPLE_IP) {
            r.u64(regs.ip);
        }
        if has(PERF_SAMPLE_TID) {
            r.u32(regs.pid);
            r.u32(regs.tid);
        }
        if has(PERF_SAMPLE_TIME) {
            r.u64(self.event_clock(event, regs.now));
        }
        if has(PERF_SAMPLE_ADDR) {
            r.u64(regs.addr);
        }
        if has(PERF_SAMPLE_ID) {
            r.u64(id);
        }
        if has(PERF_SAMPLE_STREAM_ID) {
            r.u64(e.id);
        }
        if has(PERF_SAMPLE_CPU) {
            r.u32(regs.cpu.0);
            r.u32(0);
        }
        if has(PERF_SAMPLE_PERIOD) {
            r.u64(period);
        }
    }

    /// READ: as read() would give it, except that with `inherit` the values are the hitting
    /// thread's own.
    fn put_read(&self, r: &mut Record, event: EventId, now: u64) {
        let e = self.ev(event);
        if !e.attr.samples(PERF_SAMPLE_READ) {
            return;
        }
        let format = e.attr.read_format;
        let group = format & PERF_FORMAT_GROUP != 0;
        let (enabled, running) =
            if group { self.times_at(event, now) } else { self.total_times_at(event, now) };
        let members = if group { self.group_members(e.group_leader) } else { vec![event] };
        let own_only = e.attr.has(AttrFlags::INHERIT);
        let value = |m: EventId| {
            let m = self.ev(m);
            if own_only { m.count } else { m.count.wrapping_add(m.child_count) }
        };
        if group {
            r.u64(members.len() as u64);
        } else {
            r.u64(value(event));
        }
        if format & PERF_FORMAT_TOTAL_TIME_ENABLED != 0 {
            r.u64(enabled);
        }
        if format & PERF_FORMAT_TOTAL_TIME_RUNNING != 0 {
            r.u64(running);
        }
        for member in members {
            if group {
                r.u64(value(member));
            }
            if format & PERF_FORMAT_ID != 0 {
                r.u64(self.primary_id(member));
            }
            if format & PERF_FORMAT_LOST != 0 {
                r.u64(self.ev(member).lost_samples);
            }
        }
    }

    /// CALLCHAIN: kernel part only for hits in kernel mode, each part after its marker.
    fn put_callchain(&self, r: &mut Record, event: EventId, regs: &HitRegs<'_>) {
        let attr = &self.ev(event).attr;
        if !attr.samples(PERF_SAMPLE_CALLCHAIN) {
            return;
        }
        let mut max = usize::from(attr.sample_max_stack);
        if max == 0 {
            max = usize::from(self.config.limits.max_stack);
        }
        let mut chain = Vec::new();
        let kernel = regs.mode == Mode::Kernel && !attr.has(AttrFlags::EXCLUDE_CALLCHAIN_KERNEL);
        if kernel {
            let ips = regs.source.map_or(vec![regs.ip], |s| s.callchain_kernel(max));
            chain.push(PERF_CONTEXT_KERNEL);
            chain.extend(ips.into_iter().take(max));
        }
        let left = max.saturating_sub(chain.len().saturating_sub(1));
        let user = !attr.has(AttrFlags::EXCLUDE_CALLCHAIN_USER);
        let only_ip = if regs.mode == Mode::User { vec![regs.ip] } else { Vec::new() };
        let ips = regs.source.map_or(only_ip, |s| s.callchain_user(left));
        if user && !ips.is_empty() {
            chain.push(PERF_CONTEXT_USER);
            chain.extend(ips.into_iter().take(left));
        }
        r.u64(chain.len() as u64);
        chain.into_iter().for_each(|ip| r.u64(ip));
    }

    /// RAW to STACK_USER.
    fn put_registers_and_stack(&self, r: &mut Record, event: EventId, regs: &HitRegs<'_>) {
        let attr = &self.ev(event).attr;
        if attr.samples(PERF_SAMPLE_RAW) {
            r.u64(RAW_EMPTY);
        }
        if attr.samples(PERF_SAMPLE_BRANCH_STACK) {
            r.u64(0);
        }
        let abi = regs.source.map_or(0, |s| s.user_abi());
        if attr.samples(PERF_SAMPLE_REGS_USER) {
            r.u64(abi);
            if let Some(source) = regs.source.filter(|_| abi != 0) {
                set_bits(attr.sample_regs_user).for_each(|i| r.u64(source.user_reg(i)));
            }
        }
        if attr.samples(PERF_SAMPLE_STACK_USER) {
            let source = regs.source.filter(|_| abi != 0);
            let room = source.map_or(0, |s| s.user_stack_room());
            let size = stack_size(attr.sample_stack_user, room, r.len());
            r.u64(size);
            if let Some(source) = source.filter(|_| size > 0) {
                let size = size as usize;
                let bytes = source.user_stack(size);
                r.padded(&bytes, size);
                r.u64(bytes.len().min(size) as u64);
            }
        }
    }

    /// WEIGHT to AUX.
    fn put_tail(&self, r: &mut Record, event: EventId, regs: &HitRegs<'_>) {
        let attr = &self.ev(event).attr;
        let has = |bit| attr.samples(bit);
        if has(PERF_SAMPLE_WEIGHT) || has(PERF_SAMPLE_WEIGHT_STRUCT) {
            r.u64(0);
        }
        if has(PERF_SAMPLE_DATA_SRC) {
            r.u64(DATA_SRC_NA);
        }
        if has(PERF_SAMPLE_TRANSACTION) {
            r.u64(0);
        }
        if has(PERF_SAMPLE_REGS_INTR) {
            let abi = regs.source.map_or(0, |s| s.intr_abi());
            r.u64(abi);
            if let Some(source) = regs.source.filter(|_| abi != 0) {
                set_bits(attr.sample_regs_intr).for_each(|i| r.u64(source.intr_reg(i)));
            }
        }
        if has(PERF_SAMPLE_PHYS_ADDR) {
            r.u64(regs.source.map_or(0, |s| s.phys_addr(regs.addr)));
        }
        if has(PERF_SAMPLE_CGROUP) {
            r.u64(regs.source.map_or(1, |s| s.cgroup()));
        }
        if has(PERF_SAMPLE_DATA_PAGE_SIZE) {
            r.u64(regs.source.map_or(0, |s| s.page_size(regs.addr)));
        }
        if has(PERF_SAMPLE_CODE_PAGE_SIZE) {
            r.u64(regs.source.map_or(0, |s| s.page_size(regs.ip)));
        }
        if has(PERF_SAMPLE_AUX) {
            r.u64(0);
        }
    }
}

fn set_bits(mask: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |i| mask >> i & 1 != 0)
}

/// Bytes of stack to dump: what is asked for, what exists above the stack pointer, and what
/// still fits a record of 64 KiB that is `used` bytes long (`perf_sample_ustack_size`).
fn stack_size(asked: u32, room: u64, used: u64) -> u64 {
    const U16_MAX: u64 = u16::MAX as u64;
    let size = u64::from(asked).min(room).min(U16_MAX);
    // The dump is surrounded by two size words.
    let limit = U16_MAX.saturating_sub(used + 16);
    size.min(limit) & !7
}
