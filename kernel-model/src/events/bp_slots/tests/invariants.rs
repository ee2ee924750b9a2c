//! Refinement invariants of section 2.3: HC, HA and HT equal their definitions.

use perf_core::{CpuId, TaskId};

use super::twin::Twin;
use crate::events::bp_slots::scheme::Scheme;
use crate::events::bp_slots::{BpSlots, BpTypeIdx, MAX_SLOTS};

/// Cell `k` counts the numbers equal to `k + 1`.
fn histogram_of(counts: impl Iterator<Item = usize>) -> Vec<u32> {
    let mut cells = vec![0; MAX_SLOTS];
    for count in counts.filter(|count| *count > 0) {
        cells[count - 1] += 1;
    }
    cells
}

/// Panics where a table of `slots` differs from what the live events of `twin` define.
pub(super) fn check(slots: &BpSlots, twin: &Twin) {
    for idx in [BpTypeIdx::Data, BpTypeIdx::Inst] {
        let Scheme::Constraints(pools) = &slots.scheme else { panic!("not the 6.x scheme") };
        let pool = &pools[(idx as usize).min(pools.len() - 1)];
        let is_bound = |task: &TaskId| {
            let mut live = twin.in_pool(idx);
            live.any(|live| live.target.task() == Some(*task) && live.target.cpu().is_some())
        };
        let (bound, independent): (Vec<_>, Vec<_>) =
            twin.tasks(idx).into_iter().partition(is_bound);
        let a = twin.cpus().map(|cpu| twin.a(idx, cpu));
        assert_eq!(pool.cpu_pinned.cells(), histogram_of(a), "HC");
        let everywhere = independent.iter().map(|task| twin.n(idx, *task, CpuId(0)));
        assert_eq!(pool.tsk_pinned_all.cells(), histogram_of(everywhere), "HA");
        for cpu in twin.cpus() {
            let info = &pool.cpus[cpu.index()];
            assert_eq!(info.nr_wide as usize, twin.a(idx, cpu), "A({cpu})");
            let here = bound.iter().map(|task| twin.n(idx, *task, cpu));
            assert_eq!(info.tsk_pinned.cells(), histogram_of(here), "HT({cpu})");
            // Invariant 2.1.I, property P1.
            assert!(twin.a(idx, cpu) + twin.max_n(idx, cpu) <= twin.slots(idx), "2.1.I {cpu}");
        }
        for task in twin.tasks(idx) {
            let on = |cpu: CpuId| pool.tasks.count_on(task, cpu.index());
            assert!(twin.cpus().all(|cpu| on(cpu) == twin.n(idx, task, cpu)), "N({task})");
        }
        assert_eq!(pool.tasks.nr_tasks(), twin.tasks(idx).len());
    }
    assert_eq!(slots.nr_held(), twin.live.len());
    assert_eq!(slots.is_used(), !twin.live.is_empty());
}
