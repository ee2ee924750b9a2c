//! The `cpu` PMU under perf core, with counters that a test moves.

use perf_core::attr::abi::{AttrFlags, PERF_TYPE_HW_CACHE, PERF_TYPE_RAW, hw};
use perf_core::{
    CpuId, Errno, EventId, EventState, Perf, PerfConfig, PerfEventAttr, Target, TaskId,
};

use super::{CounterKinds, CpuPmu};
use crate::arch::x86::pmc::{CounterEvent, Counts};

const CPU: CpuId = CpuId(0);
const TASK: TaskId = TaskId(7);

struct Stand {
    perf: Perf,
    pmu: CpuPmu,
    now: u64,
    counts: Counts,
}

impl Stand {
    fn new(kinds: CounterKinds) -> Self {
        let perf = Perf::new(PerfConfig::default());
        let counts = Counts::default();
        let mut stand = Self { perf, pmu: CpuPmu::new(1, kinds), now: 0, counts };
        stand.perf.task_sched_in(&mut stand.pmu, 0, CPU, TASK);
        stand
    }

    fn open(&mut self, attr: &PerfEventAttr) -> Result<EventId, Errno> {
        let target = Target::Task(TASK, None);
        self.perf.create_kernel_counter(&mut self.pmu, self.now, attr, target, None)
    }

    /// The CPU counts more of everything, in the mode it is in.
    fn work(&mut self, n: u64) {
        self.counts = self.counts + Counts::of_work(2 * n, n);
        self.counts[CounterEvent::Branches] += n / 4;
        self.pmu.sync(CPU, self.counts);
    }

    fn count(&mut self, event: EventId) -> u64 {
        self.perf.read_value(&mut self.pmu, self.now, event).expect("the event lives")
    }

    fn share(instructions: u64) -> Counts {
        Counts::of_work(instructions, instructions)
    }
}

fn hardware(config: u64) -> PerfEventAttr {
    PerfEventAttr::hardware(config)
}

/// Each mode's events count their part, to the instruction at entry and exit.
#[test]
fn modes() {
    let mut stand = Stand::new(CounterKinds::Work);
    let both = stand.open(&hardware(hw::INSTRUCTIONS)).unwrap();
    let user = hardware(hw::INSTRUCTIONS).with(AttrFlags::EXCLUDE_KERNEL);
    let user = stand.open(&user).unwrap();
    let kernel = hardware(hw::INSTRUCTIONS).with(AttrFlags::EXCLUDE_USER);
    let kernel = stand.open(&kernel).unwrap();
    stand.work(100);
    stand.pmu.enter_user(CPU, stand.counts, Stand::share(1));
    // What goes back is the kernel's, and so is what came in.
    stand.work(1);
    stand.work(50);
    stand.counts = stand.counts + Counts::of_work(2, 2);
    stand.pmu.enter_kernel(CPU, stand.counts, Stand::share(2));
    stand.work(7);
    assert_eq!([both, user, kernel].map(|e| stand.count(e)), [160, 50, 110]);
    stand.counts = stand.counts + Counts::of_work(1000, 0);
    stand.pmu.skip_idle(CPU, stand.counts);
    let cycles = stand.open(&hardware(hw::CPU_CYCLES)).unwrap();
    stand.work(10);
    assert_eq!(stand.count(cycles), 20, "idle cycles are nobody's");
}

/// What the processor does not have is refused by the errno Linux has for it.
#[test]
fn refusals() {
    let sampling = |config| PerfEventAttr { sample_period: 100, ..hardware(config) };
    let typed = |attr_type| PerfEventAttr { attr_type, ..hardware(0) };
    let cases = [
        (hardware(hw::BRANCH_MISSES), Err(Errno::ENOENT), Ok(())),
        (hardware(hw::CACHE_MISSES), Err(Errno::ENOENT), Ok(())),
        (hardware(hw::BUS_CYCLES), Err(Errno::ENOENT), Err(Errno::ENOENT)),
        (hardware(hw::MAX), Err(Errno::EINVAL), Err(Errno::EINVAL)),
        (hardware(4 << 32), Ok(()), Ok(())),
        (hardware(5 << 32), Err(Errno::ENOENT), Err(Errno::ENOENT)),
        (typed(PERF_TYPE_RAW), Err(Errno::ENOENT), Err(Errno::ENOENT)),
        (typed(PERF_TYPE_HW_CACHE), Err(Errno::ENOENT), Err(Errno::ENOENT)),
        (sampling(hw::INSTRUCTIONS), Ok(()), Ok(())),
        (sampling(hw::BRANCH_INSTRUCTIONS), Err(Errno::ENOENT), Err(Errno::EOPNOTSUPP)),
        (
            hardware(0).with(AttrFlags::PRECISE_IP_LOW),
            Err(Errno::EOPNOTSUPP),
            Err(Errno::EOPNOTSUPP),
        ),
    ];
    for (attr, work, all) in cases {
        for (kinds, expected) in
            [(CounterKinds::Work, work), (CounterKinds::WorkBranchesCaches, all)]
        {
            let opened = Stand::new(kinds).open(&attr).map(|_event| ());
            assert_eq!(opened, expected, "{attr:?} with {kinds:?}");
        }
    }
}

/// Four counters: a fifth event waits, and rotation gives each its turn; what ran is counted to
/// the last, and enabled and running time tell the share.
#[test]
fn five_events_share_four_counters() {
    let mut stand = Stand::new(CounterKinds::Work);
    let events = [0; 5].map(|_| stand.open(&hardware(hw::INSTRUCTIONS)).unwrap());
    let mut on = [0; 5];
    for _ in 0..10 {
        assert!(stand.perf.rotation_due(CPU));
        for (event, on) in events.iter().zip(&mut on) {
            let active = stand.perf.event(*event).unwrap().state() == EventState::Active;
            *on += u64::from(active);
        }
        stand.work(1000);
        stand.now += 4_000_000;
        stand.perf.rotate(&mut stand.pmu, stand.now, CPU);
    }
    assert_eq!(on, [8; 5]);
    for event in events {
        assert_eq!(stand.count(event), 8000);
    }
}

/// A group that can never be on four counters is refused when its fifth member is opened.
#[test]
fn a_group_of_five() {
    use perf_core::OpenRequest;

    let mut stand = Stand::new(CounterKinds::Work);
    let mut leader = None;
    for nth in 0..5 {
        let attr = hardware(hw::CPU_CYCLES);
        let request =
            OpenRequest { attr, task: Some(TASK), cpu: -1, group_leader: leader, owner: TASK };
        let opened = stand.perf.event_alloc(&mut stand.pmu, &request);
        if nth == 4 {
            assert_eq!(opened, Err(Errno::EINVAL));
            break;
        }
        let event = opened.unwrap();
        stand.perf.event_install(&mut stand.pmu, 0, event, None).unwrap();
        leader.get_or_insert(event);
    }
    assert_eq!(stand.pmu.active(CPU).len(), 4);
}
