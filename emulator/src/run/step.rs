//! One instruction boundary and one instruction, with every check.
//! Source: SDM vol. 3A, 6.9 (priority among simultaneous events); section 3 and 5
//! of the measured rules.

use super::{Before, completes, finish};
use crate::cpu::Cpu;
use crate::dispatch::cache::CodeCache;
use crate::event::delivery::{self, DebugClass};
use crate::event::exception::Faulted;
use crate::event::pending::Attention;
use crate::mem::phys::PhysMem;
use crate::op::Flow;
use crate::regs::RFlags;
use crate::run::Exit;

/// Serves the boundary before the instruction at RIP, then executes it.
pub(super) fn step(cpu: &mut Cpu, cache: &mut CodeCache, mem: &mut PhysMem) -> Option<Exit> {
    if cpu.attention.has(Attention::CODE_CHANGED) {
        cpu.attention.clear(Attention::CODE_CHANGED);
        cpu.drop_stale_links(mem);
    }
    if cpu.cycles >= cpu.deadline {
        return Some(Exit::Deadline);
    }
    match served(cpu, mem) {
        Served::Redirected => return None,
        Served::Ended(exit) => return Some(exit),
        Served::Nothing => {}
    }
    execute(cpu, cache, mem)
}

/// What the boundary did.
enum Served {
    /// Nothing: the instruction may start.
    Nothing,
    /// An event was delivered.
    Redirected,
    /// Delivery failed for good.
    Ended(Exit),
}

impl From<Option<Exit>> for Served {
    fn from(delivered: Option<Exit>) -> Self {
        delivered.map_or(Self::Redirected, Self::Ended)
    }
}

/// The only place that decides the order of events at a boundary.
fn served(cpu: &mut Cpu, mem: &mut PhysMem) -> Served {
    let ss_shadow = cpu.pending.ss_shadow;
    let flags = cpu.regs.system_flags;
    let linear = cpu.code.linear(cpu.regs.rip);
    let executes = if flags & RFlags::RF == 0 { cpu.debug.match_execute(linear) } else { 0 };
    // 4: traps of the previous instruction, with this one's execute match (rule P3).
    if cpu.pending.debug != 0 && !ss_shadow {
        let conditions = cpu.pending.debug | executes;
        return delivery::deliver_debug(cpu, mem, DebugClass::Trap, conditions).into();
    }
    // ICEBP: no conditions, and no merging (rule I1).
    if cpu.pending.icebp {
        cpu.pending.icebp = false;
        cpu.attention.clear(Attention::ICEBP);
        return delivery::deliver_icebp(cpu, mem).into();
    }
    // 5: NMI, which STI keeps away too for one instruction.
    let blocked = ss_shadow || cpu.pending.sti_shadow;
    if cpu.takes_nmi() && !blocked {
        return delivery::deliver_nmi(cpu, mem).into();
    }
    // 6: maskable interrupts.
    if let Some(vector) = cpu.pending.interrupt
        && flags & RFlags::IF != 0
        && !blocked
    {
        cpu.cancel_interrupt();
        return delivery::deliver_interrupt(cpu, mem, vector).into();
    }
    if cpu.pending.line
        && flags & RFlags::IF != 0
        && !blocked
        && let Some(vector) = cpu.acknowledge(mem)
    {
        return delivery::deliver_interrupt(cpu, mem, vector).into();
    }
    // 7: instruction breakpoint; a shadowed match is lost (rule S1).
    if executes != 0 && !ss_shadow {
        return delivery::deliver_debug(cpu, mem, DebugClass::Fault, executes).into();
    }
    Served::Nothing
}

/// Executes the instruction at RIP (steps 5 to 7).
fn execute(cpu: &mut Cpu, cache: &mut CodeCache, mem: &mut PhysMem) -> Option<Exit> {
    let before = Before {
        trap_flag: cpu.regs.system_flags & RFlags::TF != 0,
        ss_shadow: cpu.pending.ss_shadow,
    };
    cpu.pending.ss_shadow = false;
    cpu.pending.sti_shadow = false;
    cpu.attention.clear(Attention::SHADOW);
    let id = match cache.find(cpu, mem) {
        Ok(id) => id,
        Err(Faulted) => {
            cpu.drop_hits();
            return delivery::deliver_fault(cpu, mem);
        }
    };
    cpu.regs.system_flags &= !RFlags::RF;
    cpu.attention.clear(Attention::RESUME_FLAG);
    let block = &cache.blocks[id.0 as usize];
    let mut flow = Ok(Flow::Next);
    let mut len = 0;
    for op in block.ops.iter().take_while(|op| op.nth == 0) {
        len = u64::from(op.len);
        flow = (op.run)(cpu, mem, op);
        if flow != Ok(Flow::Next) {
            if flow.is_err() && op.is_on_stack() {
                cpu.blame_stack();
            }
            break;
        }
    }
    if completes(flow) {
        cpu.icount += 1;
        let cost = block.cost_of_first(1);
        cpu.charge(u64::from(cost));
    }
    let rip = block.rip;
    let next_rip = cpu.code.wrap(rip.wrapping_add(len));
    let exit = finish(cpu, mem, flow, rip, next_rip, before);
    let still_near = cpu.cycles >= cpu.soft_deadline;
    cpu.attention.set(Attention::DEADLINE, still_near);
    exit
}
