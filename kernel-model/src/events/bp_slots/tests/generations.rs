//! The older generations: section 2.4, example by example, each with its switch on and off.

use perf_core::{Defect, Defects, Generation, Target, TaskId};

use super::{any_cpu, bound, event, wide};
use crate::events::bp_slots::scheme::Scheme;
use crate::events::bp_slots::{BpSlots, CpuPower, RegisterPools};

const W: u32 = 2;

/// Slots with the events that were admitted, in order.
struct Play {
    slots: BpSlots,
    nr_opened: usize,
}

impl Play {
    fn new(nr_cpus: u32, generation: Generation, defects: Defects) -> Self {
        let slots = BpSlots::of_kernel(RegisterPools::X86, nr_cpus, generation, defects);
        Self { slots, nr_opened: 0 }
    }

    fn open(&mut self, target: Target) -> bool {
        let admitted = self.slots.reserve_bp_slot(event(self.nr_opened), target, W).is_ok();
        self.nr_opened += usize::from(admitted);
        admitted
    }

    fn open_times(&mut self, target: Target, times: usize) {
        (0..times).for_each(|nth| assert!(self.open(target), "{target:?} number {nth}"));
    }

    fn close(&mut self, number: usize) {
        assert!(self.slots.release_bp_slot(event(number)).is_some(), "event {number}");
    }

    /// How many CPU-wide events still fit.
    fn room_on(&self, cpu: u32) -> usize {
        let mut play = Play { slots: self.slots.clone(), nr_opened: 1000 };
        (0..8).take_while(|_| play.open(wide(cpu))).count()
    }
}

/// 2.6.33 without its counter: the table, with one defect or none.
fn table(nr_cpus: u32, defect: Option<Defect>) -> Play {
    let defects = defect.map_or(Defects::NONE, |defect| Defects::NONE.with(defect));
    Play::new(nr_cpus, Generation::V2_6_33, defects)
}

/// Rule 2.4.1: three of anything, machine-wide.
#[test]
fn one_counter_for_the_machine() {
    for generation in Generation::ALL {
        let counter = Defects::NONE.with(Defect::GlobalSlotCounter);
        let mut play = Play::new(2, generation, counter);
        assert!(play.open(any_cpu(0)) && play.open(any_cpu(1)) && play.open(wide(0)));
        for target in [any_cpu(2), bound(3, 1), wide(0), wide(1)] {
            assert!(!play.open(target), "{target:?}");
        }
        play.close(1);
        assert!(play.open(wide(1)));
        [0, 2, 3].into_iter().for_each(|number| play.slots.leak_bp_slot(event(number)));
        assert_eq!((play.slots.nr_held(), play.slots.nr_leaked()), (0, 3));
        assert!(!play.open(any_cpu(9)));
    }
    assert!(Defects::LINUX_2_6_33.has(Defect::GlobalSlotCounter));
}

/// Rule 2.4.2: what a wide breakpoint costs. The rollback of its events gives everything back.
#[test]
fn wide_breakpoints() {
    for (nr_cpus, unit_per_cpu, fits) in [(2, true, 1), (4, true, 0), (2, false, 3), (4, false, 3)]
    {
        let mut defects = Defects::NONE.with(Defect::GlobalSlotCounter);
        if unit_per_cpu {
            defects = defects.with(Defect::WideTakesUnitPerCpu);
        }
        let mut play = Play::new(nr_cpus, Generation::V2_6_33, defects);
        let mut nr_wide = 0;
        loop {
            let first = play.nr_opened;
            play.slots.begin_wide();
            let all = (0..nr_cpus).all(|cpu| play.open(wide(cpu)));
            play.slots.end_wide();
            if !all {
                (first..play.nr_opened).for_each(|number| play.close(number));
                break;
            }
            nr_wide += 1;
        }
        assert_eq!(nr_wide, fits, "{nr_cpus} CPUs, a unit each: {unit_per_cpu}");
        let room = (0..4).take_while(|_| play.open(any_cpu(0))).count();
        let units = if unit_per_cpu { nr_wide * nr_cpus as usize } else { nr_wide };
        assert_eq!(room, 3 - units);
    }
}

/// Rule 2.4.5, both examples.
#[test]
fn b1_other_tasks_are_in_the_way() {
    for (defect, admitted) in [(Some(Defect::TaskLimitedByOthers), false), (None, true)] {
        let mut play = table(2, defect);
        play.open_times(any_cpu(1), 4);
        assert_eq!(play.open(any_cpu(2)), admitted);

        let mut play = table(2, defect);
        play.open_times(any_cpu(1), 2);
        play.open_times(any_cpu(2), 3);
        play.open_times(any_cpu(1), 2);
        assert_eq!(play.open(any_cpu(2)), admitted);
    }
}

/// Rule 2.4.6.
#[test]
fn b2_the_exited_leave_their_count() {
    for (defect, room) in [(Some(Defect::ExitedTaskNotReleased), 2), (None, 4)] {
        let mut play = table(2, defect);
        play.open_times(any_cpu(0), 2);
        play.slots.task_exited(TaskId(0));
        play.close(0);
        play.close(1);
        assert!(!play.slots.is_used());
        assert_eq!((play.room_on(0), play.room_on(1)), (room, room));
    }
}

/// Rule 2.4.7: opened while CPU 1 is down, closed when it is up.
#[test]
fn b3_only_cpus_that_are_online() {
    for (defect, room) in [(Some(Defect::OnlineCpusOnly), 3), (None, 4)] {
        let mut play = table(2, defect);
        let cpu1 = perf_core::CpuId(1);
        play.slots.set_cpu_power(cpu1, CpuPower::Offline);
        assert!(play.open(any_cpu(0)));
        play.slots.set_cpu_power(cpu1, CpuPower::Online);
        play.close(0);
        assert_eq!((play.room_on(0), play.room_on(1)), (4, room));
    }
}

/// Rules 2.4.8 and 2.4.3: the reservation of an open that failed stays in the table.
#[test]
fn what_leaks_is_in_the_way_for_ever() {
    let mut play = table(1, None);
    assert!(play.open(wide(0)));
    play.slots.leak_bp_slot(event(0));
    assert_eq!((play.room_on(0), play.slots.nr_leaked()), (3, 1));
    assert!(play.slots.is_used());
}

/// Rule 2.4.10, in either generation.
#[test]
fn c1_the_cpu_of_a_tasks_events() {
    for generation in Generation::ALL {
        for (defects, admitted) in
            [(Defects::NONE.with(Defect::TaskCountIgnoresCpu), false), (Defects::NONE, true)]
        {
            let mut play = Play::new(2, generation, defects);
            play.open_times(bound(0, 0), 4);
            assert_eq!(play.open(bound(0, 1)), admitted, "{generation} {defects:?}");
        }
    }
}

/// Rule 2.4.11: the cells, and what they do to CPU-wide events.
#[test]
fn c2_counts_below_zero() {
    for (defect, room) in [(Some(Defect::HistogramCorruption), 2), (None, 4)] {
        let mut play = table(2, defect);
        assert!(play.open(bound(0, 0)) && play.open(bound(0, 1)));
        play.close(0);
        play.close(1);
        if defect.is_some() {
            let Scheme::CpuTable(tables) = &play.slots.scheme else { panic!("not the table") };
            assert_eq!(tables[0].cells(0)[..2], [2, 1u32.wrapping_neg()]);
            assert_eq!(tables[0].cells(1)[..2], [2u32.wrapping_neg(), 1]);
        }
        assert_eq!((play.room_on(0), play.room_on(1)), (room, room));
    }
}

/// Which scheme a kernel has.
#[test]
fn schemes() {
    let scheme = |generation, defects| match Play::new(1, generation, defects).slots.scheme {
        Scheme::Constraints(_) => "constraints",
        Scheme::CpuTable(_) => "table",
        Scheme::UnitCounter(_) => "counter",
    };
    let (v6, old) = (Generation::V6, Generation::V2_6_33);
    assert_eq!(scheme(v6, Defects::LINUX_6), "constraints");
    assert_eq!(scheme(v6, Defects::LINUX_6.with(Defect::OnlineCpusOnly)), "table");
    assert_eq!(scheme(v6, Defects::LINUX_6.with(Defect::GlobalSlotCounter)), "counter");
    assert_eq!(scheme(old, Defects::LINUX_2_6_33), "counter");
    assert_eq!(scheme(old, Defects::LINUX_2_6_33.without(Defect::GlobalSlotCounter)), "table");
    assert_eq!(scheme(old, Defects::NONE), "table");
}

/// Who is in the way is shown for every scheme.
#[test]
fn reports_of_older_generations() {
    let mut play = Play::new(1, Generation::V2_6_33, Defects::LINUX_2_6_33);
    assert!(play.open(any_cpu(0)) && play.open(any_cpu(1)) && play.open(wide(0)));
    play.slots.leak_bp_slot(event(1));
    let refused = play.slots.reserve_bp_slot(event(9), any_cpu(2), W);
    let Err(crate::events::bp_slots::SlotError::NoSpace(refusal)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        play.slots.report(refusal).to_string(),
        "no breakpoint slot for task2 on any CPU: cpu0 would need 4, has 3
            cpu0
  CPU-wide  event2
  task0     event0
  task2     -
  taken     3 of 3
  1 lost to opens that failed"
    );
}
