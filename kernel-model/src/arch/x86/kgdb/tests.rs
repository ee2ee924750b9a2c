//! Rules 6.3.2 to 6.3.6 on recorded registers, and entries against a twin.

use perf_core::{CpuId, EventId, Target, TaskId};
use proptest::prelude::*;

use super::*;
use crate::arch::x86::debugreg::{DR6_RESERVED, DR7_FIXED_1};
use crate::arch::x86::hw_breakpoint::AddressRules;
use crate::arch::x86::hw_breakpoint::port_log::PortLog;
use crate::events::bp_slots::{ConstraintLocks, SlotError};

const NR_CPUS: u32 = 2;
/// The first event that is not the debugger's.
const OTHERS: u32 = 100;

struct Bench {
    port: PortLog,
    state: HwBreakpoints,
    breaks: HwBreaks,
}

fn cpus() -> impl Iterator<Item = CpuId> {
    (0..NR_CPUS).map(CpuId)
}

fn write(addr: u64, len: u64) -> HwBreak {
    HwBreak { addr, len, access: HwBreakAccess::Write }
}

impl Bench {
    fn new() -> Self {
        let events = |entry: u32| cpus().map(|cpu| EventId(entry * NR_CPUS + cpu.0)).collect();
        Self {
            port: PortLog::new(NR_CPUS as usize),
            state: HwBreakpoints::new(NR_CPUS, AddressRules::default()),
            breaks: HwBreaks::new([events(0), events(1), events(2), events(3)]),
        }
    }

    fn set(&mut self, want: HwBreak) -> Result<usize, HwBreakError> {
        self.breaks.set_hw_break(self.state.slots_mut(), want)
    }

    fn remove(&mut self, want: HwBreak) -> Result<(), HwBreakError> {
        self.breaks.remove_hw_break(self.state.slots_mut(), want)
    }

    /// Somebody else takes a slot.
    fn reserve(&mut self, event: u32, target: Target) {
        self.state.slots_mut().reserve_bp_slot(EventId(OTHERS + event), target, 2).unwrap();
    }

    fn leave(&mut self) {
        for cpu in cpus() {
            self.breaks.correct_hw_break(&mut self.port, &mut self.state, cpu);
        }
    }

    fn enter(&mut self) {
        for cpu in cpus() {
            self.breaks.disable_hw_debug(&mut self.port, &mut self.state, cpu);
        }
    }
}

/// Rule 6.3.2: an idle debugger takes nothing.
#[test]
fn entries_that_are_not_enabled_hold_no_slot() {
    let mut bench = Bench::new();
    bench.leave();
    assert!(!bench.state.slots().is_used());
    assert!(cpus().all(|cpu| bench.port.registers[cpu.index()][7] == DR7_FIXED_1));
    assert_eq!(bench.breaks.enabled_mask(), 0);
}

/// Rule 6.3.3.
#[test]
fn lengths_are_those_of_a_register_and_execution_has_none() {
    let mut bench = Bench::new();
    for len in [0, 3, 5, 16, u64::MAX] {
        assert_eq!(bench.set(write(0x1000, len)), Err(HwBreakError::Len(len)));
    }
    assert_eq!(bench.set(write(0x1001, 2)), Err(HwBreakError::Misaligned(0x1001)));
    assert!(!bench.state.slots().is_used());
    for (entry, len) in [1, 2, 4, 8].into_iter().enumerate() {
        assert_eq!(bench.set(write(0x1000, len)), Ok(entry));
    }
    assert_eq!(bench.set(write(0x2000, 1)), Err(HwBreakError::NoEntry));
    for len in [1, 2, 4, 8] {
        assert_eq!(bench.remove(write(0x1000, len)), Ok(()));
    }
    assert_eq!(bench.remove(write(0x1000, 8)), Err(HwBreakError::Unknown));
    let execute = HwBreak { addr: 0x1001, len: 8, access: HwBreakAccess::Execute };
    assert_eq!(bench.set(execute), Ok(0));
    bench.leave();
    // X in register 0: no length, no type.
    assert_eq!(bench.port.registers[1][7], DR7_FIXED_1 | 0x202);
}

/// Rule 6.3.4: on every CPU or on none.
#[test]
fn what_fails_on_one_cpu_is_given_back_on_the_others() {
    let mut bench = Bench::new();
    for event in 0..4 {
        bench.reserve(event, Target::Cpu(CpuId(1)));
    }
    let refused = bench.set(write(0x1000, 4)).unwrap_err();
    assert!(matches!(
        refused,
        HwBreakError::NoSlot { cpu: CpuId(1), cause: DbgSlotError::Refused(SlotError::NoSpace(_)) }
    ));
    assert_eq!(bench.state.slots().nr_held(), 4);
    assert_eq!(bench.breaks.enabled_mask(), 0);
}

/// Rule 2.3.8: the debugger does not wait.
#[test]
fn inside_the_constraint_code_nothing_is_set_or_removed() {
    let mut bench = Bench::new();
    assert_eq!(bench.set(write(0x1000, 4)), Ok(0));
    bench.state.slots_mut().set_locks(ConstraintLocks::Cpu);
    let locked = DbgSlotError::Locked;
    let refused = bench.set(write(0x2000, 4));
    assert_eq!(refused, Err(HwBreakError::NoSlot { cpu: CpuId(0), cause: locked }));
    let refused = bench.remove(write(0x1000, 4));
    assert_eq!(refused, Err(HwBreakError::Release { cpu: CpuId(0), cause: locked }));
    assert_eq!(bench.breaks.entry(0), Some(write(0x1000, 4)));
    bench.state.slots_mut().set_locks(ConstraintLocks::Free);
    assert_eq!(bench.remove(write(0x1000, 4)), Ok(()));
    assert!(!bench.state.slots().is_used());
}

/// Rule 6.3.5, beside an entry of perf's.
#[test]
fn entering_switches_off_and_leaving_restores_from_the_shadow() {
    let mut bench = Bench::new();
    let perf = EventId(OTHERS);
    let info = write(0x5000, 8).arch().unwrap();
    bench.state.dbg_install(&mut bench.port, CpuId(0), perf, info).unwrap();
    let perf_alone = bench.port.registers[0][7];
    bench.set(write(0x1000, 4)).unwrap();
    bench.leave();
    // W8 in register 0 of CPU 0, W4 in 1; W4 in 0 of CPU 1 (rule 4.1.2).
    assert_eq!(bench.port.registers[0][7], DR7_FIXED_1 | 0x0009_0202 | 0x00d0_0208);
    assert_eq!(bench.port.registers[0][1], 0x1000);
    assert_eq!(bench.port.registers[1][7], DR7_FIXED_1 | 0x000d_0202);
    assert_eq!(bench.port.registers[1][6], DR6_RESERVED);
    bench.enter();
    for cpu in cpus() {
        assert_eq!(bench.port.registers[cpu.index()][7], DR7_FIXED_1);
        assert_eq!(bench.state.cpu(cpu).unwrap().register_of(EventId(cpu.0)), None);
    }
    assert_eq!(bench.state.cpu(CpuId(0)).unwrap().register_of(perf), Some(0));
    bench.remove(write(0x1000, 4)).unwrap();
    bench.leave();
    assert_eq!(bench.port.registers[0][7], perf_alone);
}

/// Rule 6.3.5, "remove all".
#[test]
fn remove_all_empties_registers_and_slots() {
    let mut bench = Bench::new();
    for addr in [0x1000, 0x2000, 0x3000] {
        bench.set(write(addr, 8)).unwrap();
    }
    assert_eq!(bench.breaks.enabled_mask(), 0b111);
    bench.leave();
    let removed = bench.breaks.remove_all_hw_break(&mut bench.port, &mut bench.state);
    assert_eq!(removed, Ok(()));
    assert!(!bench.state.slots().is_used());
    for cpu in cpus() {
        let registers = bench.state.cpu(cpu).unwrap();
        assert!(
            registers.owners().iter().all(Option::is_none) && !registers.hw_breakpoint_active()
        );
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Set(u64),
    Remove(u64),
    Reserve(Option<u32>),
    Release(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0u64..6).prop_map(Op::Set),
        3 => (0u64..6).prop_map(Op::Remove),
        2 => prop::option::of(0..NR_CPUS).prop_map(Op::Reserve),
        2 => any::<usize>().prop_map(Op::Release),
    ]
}

/// What is set, and what others hold: a CPU, or a task that may run on any.
#[derive(Default)]
struct Twin {
    set: Vec<u64>,
    others: Vec<(u32, Option<u32>)>,
}

impl Twin {
    fn taken_by_others(&self, cpu: u32) -> usize {
        self.others.iter().filter(|(_, on)| on.is_none_or(|on| on == cpu)).count()
    }

    fn has_room(&self) -> bool {
        (0..NR_CPUS).all(|cpu| self.taken_by_others(cpu) + self.set.len() < 4)
    }

    fn has_room_on(&self, cpu: Option<u32>) -> bool {
        (0..NR_CPUS)
            .filter(|number| cpu.is_none_or(|cpu| cpu == *number))
            .all(|number| self.taken_by_others(number) + self.set.len() < 4)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Rules 6.3.4 and 6.3.6: sets succeed exactly when every CPU has a slot left, others are
    /// never evicted and are refused while the debugger holds slots, and registers always fit.
    #[test]
    fn entries_and_other_holders_share_four_slots(ops in prop::collection::vec(op(), 1..60)) {
        let (mut bench, mut twin) = (Bench::new(), Twin::default());
        for (number, op) in (0..).zip(ops) {
            match op {
                Op::Set(which) => {
                    let has_room = twin.has_room();
                    let set = bench.set(write(which * 8, 8));
                    prop_assert_eq!(set.is_ok(), has_room, "{:?}", set);
                    if has_room {
                        twin.set.push(which);
                    }
                }
                Op::Remove(which) => {
                    let at = twin.set.iter().position(|set| *set == which);
                    prop_assert_eq!(bench.remove(write(which * 8, 8)).is_ok(), at.is_some());
                    at.map(|at| twin.set.remove(at));
                }
                Op::Reserve(cpu) => {
                    let target = match cpu {
                        Some(cpu) => Target::Cpu(CpuId(cpu)),
                        None => Target::Task(TaskId(1), None),
                    };
                    let event = EventId(OTHERS + number);
                    let slots = bench.state.slots_mut();
                    let reserved = slots.reserve_bp_slot(event, target, 2).is_ok();
                    prop_assert_eq!(reserved, twin.has_room_on(cpu));
                    if reserved {
                        twin.others.push((number, cpu));
                    }
                }
                Op::Release(which) if !twin.others.is_empty() => {
                    let (number, _) = twin.others.remove(which % twin.others.len());
                    let slots = bench.state.slots_mut();
                    prop_assert!(slots.release_bp_slot(EventId(OTHERS + number)).is_some());
                }
                Op::Release(_) => {}
            }
            let held = twin.set.len() * NR_CPUS as usize + twin.others.len();
            prop_assert_eq!(bench.state.slots().nr_held(), held);
            prop_assert_eq!(bench.breaks.enabled_mask().count_ones() as usize, twin.set.len());
            bench.leave();
            for cpu in cpus() {
                let registers = bench.state.cpu(cpu).unwrap();
                let owned = registers.owners().iter().flatten().count();
                prop_assert_eq!(owned, twin.set.len());
            }
            bench.enter();
        }
    }
}
