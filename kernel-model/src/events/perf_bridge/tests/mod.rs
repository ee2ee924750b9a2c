//! `precedence` breaks a good request in two places at once (rule 1.2), `privileges` is the
//! matrix of rule 1.6; both run against perf core and the breakpoint PMU.

mod precedence;
mod privileges;

use perf_core::{CpuId, Perf, PerfConfig, TaskId};

use super::*;
use crate::arch::x86::hw_breakpoint::AddressRules;
use crate::arch::x86::hw_breakpoint::port_log::PortLog;
use crate::events::hw_breakpoint::{BreakpointPmu, HwBreakpoints};

const CALLER: TaskId = TaskId(1);
/// pid 7 is another task.
const OTHER: TaskId = TaskId(7);

/// The caller and its surroundings.
#[derive(Clone, Debug)]
struct Facts {
    paranoid: i32,
    capabilities: Vec<Capability>,
    /// Whether the caller may look at tasks, itself included.
    read_access: bool,
    /// Whether it may attach to them.
    attach_access: bool,
    past_exit: bool,
    fds_used_up: bool,
    /// The event behind descriptor 10; there are no others.
    fd10: Option<EventId>,
}

impl OpenFacts for Facts {
    fn current(&self) -> TaskId {
        CALLER
    }
    fn capable(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }
    fn paranoid(&self) -> i32 {
        self.paranoid
    }
    fn check_unused_fd(&self) -> Result<(), Errno> {
        if self.fds_used_up { Err(Errno::EMFILE) } else { Ok(()) }
    }
    fn perf_event_of_fd(&self, fd: i32) -> Option<EventId> {
        self.fd10.filter(|_| fd == 10)
    }
    fn find_task_by_vpid(&self, pid: i32) -> Option<TaskId> {
        (pid == 7).then_some(OTHER)
    }
    fn ptrace_may_access(&self, _task: TaskId, mode: PtraceMode) -> bool {
        match mode {
            PtraceMode::Read => self.read_access,
            PtraceMode::Attach => self.attach_access,
        }
    }
    fn is_past_exit(&self, _task: TaskId) -> bool {
        self.past_exit
    }
}

/// A system with two CPUs, and a request that succeeds: an unprivileged task watches its own
/// memory, excluding the kernel, at paranoid level 2.
struct Scene {
    facts: Facts,
    perf: Perf,
    port: PortLog,
    state: HwBreakpoints,
    attr: PerfEventAttr,
    /// Bytes of the attribute that can be read.
    readable: usize,
    pid: i32,
    cpu: i32,
    group_fd: i32,
    flags: u64,
}

impl Scene {
    fn new() -> Self {
        let config = PerfConfig { nr_cpus: 2, ..PerfConfig::default() };
        let facts = Facts {
            paranoid: 2,
            capabilities: Vec::new(),
            read_access: true,
            attach_access: true,
            past_exit: false,
            fds_used_up: false,
            fd10: None,
        };
        let attr = PerfEventAttr::breakpoint(0x1000, 8, 2).with(AttrFlags::EXCLUDE_KERNEL);
        let mut scene = Self {
            facts,
            perf: Perf::new(config),
            port: PortLog::new(2),
            state: HwBreakpoints::new(2, AddressRules::default()),
            attr,
            readable: 4096,
            pid: 0,
            cpu: -1,
            group_fd: -1,
            flags: 0,
        };
        let leader = scene.open().expect("the request is a good one");
        scene.facts.fd10 = Some(leader.event);
        scene
    }

    fn open(&mut self) -> Result<Opened, OpenError> {
        let mut bytes = self.attr.to_bytes().to_vec();
        bytes.truncate(self.readable);
        let args = OpenArgs {
            attr: &bytes,
            pid: self.pid,
            cpu: self.cpu,
            group_fd: self.group_fd,
            flags: self.flags,
        };
        let caller = cap_sys_admin(&self.facts);
        let mut pmu = BreakpointPmu { hw: &mut self.port, state: &mut self.state, caller };
        perf_event_open(&self.facts, &mut self.perf, &mut pmu, 0, &args)
    }

    fn errno(&mut self) -> Option<Errno> {
        self.open().err().map(OpenError::errno)
    }

    fn clear_flag(&mut self, flag: AttrFlags) {
        self.attr.flags = self.attr.flags.without(flag);
    }

    fn set_flag(&mut self, flag: AttrFlags) {
        self.attr.flags = self.attr.flags | flag;
    }

    /// Takes all slots of both CPUs that the caller's one event has left.
    fn fill_slots(&mut self) {
        for (number, cpu) in (10_000..).zip((0..2).map(CpuId).cycle().take(6)) {
            let target = perf_core::Target::Cpu(cpu);
            let slots = self.state.slots_mut();
            assert_eq!(slots.reserve_bp_slot(EventId(number), target, 2), Ok(()));
        }
    }
}

/// The descriptor's property, the leader and the buffer come from the flags.
#[test]
fn flags_and_descriptors() {
    let mut scene = Scene::new();
    scene.flags = PERF_FLAG_FD_CLOEXEC;
    assert_eq!(scene.open().unwrap().close_on_exec, CloseOnExec::Yes);
    scene.flags = 0;
    scene.group_fd = 10;
    let sibling = scene.open().unwrap();
    assert_eq!(sibling.close_on_exec, CloseOnExec::No);
    let leader = |scene: &Scene, event| scene.perf.event(event).unwrap().group_leader();
    assert_eq!(Some(leader(&scene, sibling.event)), scene.facts.fd10);
    scene.flags = PERF_FLAG_FD_NO_GROUP;
    let alone = scene.open().unwrap().event;
    assert_eq!(leader(&scene, alone), alone);
    assert_eq!(scene.perf.event(alone).unwrap().owner(), Some(CALLER));
    scene.flags = PERF_FLAG_PID_CGROUP;
    scene.cpu = 0;
    assert_eq!(scene.errno(), Some(Errno::EINVAL));
}

/// Rule 1.2 step 7.
#[test]
fn targets() {
    for (pid, cpu, expected) in [
        (0, -1, Ok(perf_core::Target::Task(CALLER, None))),
        (7, -1, Ok(perf_core::Target::Task(OTHER, None))),
        (7, 1, Ok(perf_core::Target::Task(OTHER, Some(CpuId(1))))),
        (8, -1, Err(Errno::ESRCH)),
        (-2, -1, Err(Errno::ESRCH)),
        (i32::MIN, 0, Err(Errno::ESRCH)),
        (-1, -1, Err(Errno::EINVAL)),
        (0, 2, Err(Errno::EINVAL)),
        (0, -2, Err(Errno::EINVAL)),
        (-1, 1, Ok(perf_core::Target::Cpu(CpuId(1)))),
    ] {
        let mut scene = Scene::new();
        (scene.pid, scene.cpu) = (pid, cpu);
        scene.facts.paranoid = -1;
        let opened = scene.open().map_err(OpenError::errno);
        let target = opened.map(|o| scene.perf.event(o.event).unwrap().target());
        assert_eq!(target, expected, "pid {pid} cpu {cpu}");
    }
}

/// Rule 1.1.1: E2BIG tells the size; nothing else does.
#[test]
fn sizes_are_written_back() {
    let mut scene = Scene::new();
    scene.attr.size = 63;
    let error = scene.open().unwrap_err();
    assert_eq!((error.errno(), error.write_back_size()), (Errno::E2BIG, Some(136)));
    scene.attr.size = 136;
    scene.readable = 100;
    let error = scene.open().unwrap_err();
    assert_eq!((error.errno(), error.write_back_size()), (Errno::EFAULT, None));
    scene.readable = 4096;
    scene.attr.bp_len = 3;
    assert_eq!(scene.open().unwrap_err().write_back_size(), None);
}
