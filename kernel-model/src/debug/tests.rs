//! The debugger on a machine with a program of three bytes.

use std::collections::VecDeque;

use perf_core::CpuId;

use super::*;
use crate::arch::x86::kgdb::{HwBreakAccess, HwBreakError};
use crate::exec::tiny_elf::TinyElf;
use crate::inputs::FixedInputs;
use crate::kernel::{INITIAL_JIFFIES, KernelConfig, StopReason, Variable};
use crate::observe::{ExitStatus, WatchAccess, WatchRequest};

/// Where the program's code is, in the file and in memory.
const CODE_OFFSET: usize = 0x10b0;
const ENTRY: u64 = 0x40_10b0;
/// `jmp .`
const SPIN: [u8; 3] = [0xeb, 0xfe, 0x90];
/// `syscall; hlt`: reads nothing, and is killed.
const CALL: [u8; 3] = [0x0f, 0x05, 0xf4];
const USER_CS: u16 = 0x33;

type Act = Box<dyn FnOnce(&mut Kernel, &Stop) -> Resume>;

/// Does one act a stop; a stop too many fails the test.
struct Script {
    acts: VecDeque<Act>,
}

impl KgdbIo for Script {
    fn stopped(&mut self, kernel: &mut Kernel, stop: &Stop) -> Resume {
        let act = self.acts.pop_front();
        act.unwrap_or_else(|| panic!("one stop too many: {stop:?}"))(kernel, stop)
    }

    fn wants_stop(&mut self) -> bool {
        false
    }

    fn ended(&mut self, _end: &Step) {
        assert!(self.acts.is_empty(), "{} more stops were expected", self.acts.len());
    }
}

fn act(act: impl FnOnce(&mut Kernel, &Stop) -> Resume + 'static) -> Act {
    Box::new(act)
}

/// A machine whose first process has this code.
fn machine(code: [u8; 3], acts: Vec<Act>) -> Kernel {
    let config = KernelConfig { ram_bytes: 32 << 20, nr_cpus: 2, ..KernelConfig::default() };
    let mut kernel = Kernel::boot(&config, Box::new(FixedInputs::new(1))).unwrap();
    kernel.kgdb_attach(Box::new(Script { acts: acts.into() })).unwrap();
    let mut image = TinyElf::default().bytes();
    image[CODE_OFFSET..CODE_OFFSET + 3].copy_from_slice(&code);
    kernel.spawn_init("/tiny", &image, &[b"tiny".to_vec()], &[]).unwrap();
    kernel
}

fn run(kernel: &mut Kernel) -> Step {
    loop {
        match kernel.step() {
            Step::Running => {}
            end => return end,
        }
    }
}

const KILLED: Step = Step::Stopped(StopReason::Killed);

fn write_to(variable: Variable) -> HwBreak {
    HwBreak { addr: variable.addr(), len: variable.size(), access: HwBreakAccess::Write }
}

fn word(kernel: &mut Kernel, addr: u64) -> u64 {
    let mut bytes = [0; 8];
    assert_eq!(kernel.kgdb_read(CpuId(0), addr, &mut bytes), Ok(8));
    u64::from_le_bytes(bytes)
}

#[test]
fn the_first_stop_is_before_the_first_user_instruction() {
    let mut kernel = machine(
        SPIN,
        vec![
            act(|kernel, stop| {
                assert_eq!(*stop, Stop { cpu: CpuId(0), cause: StopCause::Interrupt });
                let regs = kernel.kgdb_regs(CpuId(0));
                assert_eq!((regs.ip, regs.selectors[0]), (ENTRY, USER_CS));
                let cpus: Vec<_> = kernel.kgdb_cpus().map(|cpu| cpu.to_string()).collect();
                assert_eq!(cpus, ["CPU 0: pid 1000 tiny", "CPU 1: idle"]);
                Resume::Step(CpuId(0))
            }),
            act(|kernel, stop| {
                assert_eq!(stop.cause, StopCause::Step);
                // `jmp .` has been executed.
                assert_eq!(kernel.kgdb_regs(CpuId(0)).ip, ENTRY);
                Resume::Kill
            }),
        ],
    );
    assert_eq!(run(&mut kernel), KILLED);
}

#[test]
fn memory_that_is_not_there_is_refused_and_the_rest_is_not() {
    let mut kernel = machine(
        SPIN,
        vec![act(|kernel, _| {
            let cpu = CpuId(0);
            let mut code = [0; 2];
            // CPU 1 is idle and has never run: it has the first process's addresses.
            assert_eq!(kernel.kgdb_read(CpuId(1), ENTRY, &mut code), Ok(2));
            assert_eq!(code, SPIN[..2]);
            for addr in [0, 0x8000_0000_0000, u64::MAX - 7, 0xffff_c000_0000_0000, 1 << 63] {
                let refused = kernel.kgdb_read(cpu, addr, &mut [0; 16]);
                assert_eq!(refused, Err(DebugMemoryError::Fault(addr)));
                let refused = kernel.kgdb_write(cpu, addr, &[0; 16]);
                assert_eq!(refused, Err(DebugMemoryError::Fault(addr)));
            }
            // The end of the bss: what is there can be read.
            assert_eq!(kernel.kgdb_read(cpu, 0x40_4ff8, &mut [0; 16]), Ok(8));
            kernel.kgdb_write(cpu, 0x40_4ff0, &7u64.to_le_bytes()).unwrap();
            assert_eq!(word(kernel, 0x40_4ff0), 7);
            let pid_max = Variable::PidMax.addr();
            kernel.kgdb_write(cpu, pid_max, &1234u32.to_le_bytes()).unwrap();
            assert_eq!(word(kernel, pid_max) as u32, 1234);
            Resume::Kill
        })],
    );
    assert_eq!(run(&mut kernel), KILLED);
}

#[test]
fn registers_can_be_changed_and_selectors_cannot() {
    let mut kernel = machine(
        SPIN,
        vec![
            act(|kernel, _| {
                let cpu = CpuId(0);
                let mut regs = kernel.kgdb_regs(cpu);
                regs.selectors[2] = 3;
                assert!(kernel.kgdb_set_regs(cpu, &regs).is_err());
                let mut regs = kernel.kgdb_regs(cpu);
                (regs.gpr[3], regs.fs_base, regs.ip) = (42, 0x1000, ENTRY);
                regs.fxsave[160] = 9;
                kernel.kgdb_set_regs(cpu, &regs).unwrap();
                assert_eq!(kernel.kgdb_regs(cpu), regs);
                regs.fs_base = 1 << 60;
                assert!(kernel.kgdb_set_regs(cpu, &regs).is_err());
                Resume::Step(cpu)
            }),
            act(|kernel, _| {
                let regs = kernel.kgdb_regs(CpuId(0));
                assert_eq!((regs.gpr[3], regs.fs_base, regs.fxsave[160]), (42, 0x1000, 9));
                Resume::Kill
            }),
        ],
    );
    assert_eq!(run(&mut kernel), KILLED);
}

#[test]
fn a_watched_kernel_variable_stops_the_machine_in_kernel_code() {
    let hit = StopCause::HwBreakpoint(write_to(Variable::Jiffies));
    let start = INITIAL_JIFFIES;
    let mut kernel = machine(
        SPIN,
        vec![
            act(|kernel, _| {
                kernel.kgdb_set_hw_break(write_to(Variable::Jiffies)).unwrap();
                Resume::Continue
            }),
            act(move |kernel, stop| {
                assert_eq!(*stop, Stop { cpu: CpuId(0), cause: hit });
                assert_eq!(word(kernel, Variable::Jiffies.addr()), start + 1);
                let regs = kernel.kgdb_regs(CpuId(0));
                assert_eq!(Kernel::symbol_at(regs.ip), Some(("do_timer", 3)));
                assert_eq!(regs.selectors[0] & 3, 0);
                // Rule 6.3.5: nothing is live, and a slot on every CPU is held.
                assert_eq!(kernel.hw.get_debugreg(CpuId(0), 7), 0x400);
                assert_eq!(kernel.breakpoints.slots().nr_held(), 2);
                Resume::Continue
            }),
            act(move |kernel, stop| {
                assert_eq!(stop.cause, hit);
                assert_eq!(word(kernel, Variable::Jiffies.addr()), start + 2);
                Resume::Detach
            }),
        ],
    );
    for _ in 0..1000 {
        assert_eq!(kernel.step(), Step::Running);
    }
    assert!(!kernel.breakpoints.slots().is_used());
    assert!(!kernel.kgdb_connected());
}

#[test]
fn int3_is_hidden_and_goes_with_the_debugger() {
    let raw = |kernel: &Kernel| {
        let task = kernel.tasks.task(kernel.init.unwrap());
        kernel.tasks.spaces[&task.mm].0.peek_bytes(&kernel.hw, ENTRY, 1)
    };
    let mut kernel = machine(
        SPIN,
        vec![
            act(move |kernel, _| {
                let cpu = CpuId(0);
                kernel.kgdb_set_sw_break(cpu, ENTRY).unwrap();
                assert_eq!(raw(kernel), [0xcc]);
                let mut code = [0; 2];
                assert_eq!(kernel.kgdb_read(cpu, ENTRY, &mut code), Ok(2));
                assert_eq!(code, SPIN[..2]);
                // What is written under it comes back later.
                kernel.kgdb_write(cpu, ENTRY, &SPIN).unwrap();
                assert_eq!(raw(kernel), [0xcc]);
                let refused = kernel.kgdb_set_sw_break(cpu, Variable::Jiffies.addr());
                assert_eq!(refused, Err(DebugMemoryError::KernelText));
                assert!(kernel.kgdb_set_sw_break(cpu, 0x1000).is_err());
                assert_eq!(kernel.kgdb_remove_sw_break(0x1000), Err(DebugMemoryError::Unknown));
                Resume::Continue
            }),
            act(|kernel, stop| {
                assert_eq!(stop.cause, StopCause::SwBreakpoint);
                assert_eq!(kernel.kgdb_regs(CpuId(0)).ip, ENTRY);
                Resume::Detach
            }),
        ],
    );
    for _ in 0..100 {
        assert_eq!(kernel.step(), Step::Running);
    }
    assert_eq!(raw(&kernel), SPIN[..1]);
}

#[test]
fn a_system_call_is_one_step_and_its_entry_can_have_a_breakpoint() {
    let entry = Kernel::symbol("entry_SYSCALL_64").unwrap().0;
    let wanted = HwBreak { addr: entry, len: 1, access: HwBreakAccess::Execute };
    let mut kernel = machine(
        CALL,
        vec![
            act(|_, _| Resume::Step(CpuId(0))),
            act(move |kernel, stop| {
                assert_eq!(stop.cause, StopCause::Step);
                let mut regs = kernel.kgdb_regs(CpuId(0));
                assert_eq!(regs.ip, ENTRY + 2);
                kernel.kgdb_set_hw_break(wanted).unwrap();
                regs.ip = ENTRY;
                kernel.kgdb_set_regs(CpuId(0), &regs).unwrap();
                Resume::Continue
            }),
            act(move |kernel, stop| {
                assert_eq!(stop.cause, StopCause::HwBreakpoint(wanted));
                let regs = kernel.kgdb_regs(CpuId(0));
                assert_eq!((regs.ip, regs.selectors[0] & 3), (entry, 0));
                Resume::Continue
            }),
        ],
    );
    let end = run(&mut kernel);
    assert!(matches!(end, Step::Finished(ExitStatus::Signaled { signal: 11, .. })), "{end:?}");
}

/// Rule 6.3.6: neither evicts the other.
#[test]
fn perf_and_the_debugger_share_the_slots() {
    let request = |addr| WatchRequest { addr, len: 8, access: WatchAccess::Write };
    let mut kernel = machine(
        SPIN,
        vec![act(move |kernel, _| {
            let break_at = |addr| HwBreak { addr, len: 8, access: HwBreakAccess::Write };
            assert_eq!(kernel.kgdb_set_hw_break(break_at(0x40_4000)), Ok(()));
            let refused = kernel.kgdb_set_hw_break(break_at(0x40_4008));
            assert!(matches!(refused, Err(HwBreakError::NoSlot { cpu: CpuId(0), .. })));
            let init = kernel.init.unwrap();
            assert!(kernel.open_watch(init, &request(0x40_4010)).is_err());
            assert!(kernel.kgdb_report(KgdbReport::Slots).contains("kgdb 0 0x404000/8:w"));
            assert!(kernel.kgdb_report(KgdbReport::DebugRegisters).contains("owner -e 0x404018"));
            assert!(kernel.kgdb_report(KgdbReport::Tasks).contains("running  tiny"));
            Resume::Kill
        })],
    );
    let init = kernel.init.unwrap();
    for addr in [0x40_4018, 0x40_4020, 0x40_4028] {
        kernel.open_watch(init, &request(addr)).unwrap();
    }
    assert_eq!(run(&mut kernel), KILLED);
}
