//! Rule 1.2: of two things wrong with a request, the one with the lower step is reported.

use perf_core::attr::abi::{PERF_SAMPLE_BRANCH_STACK, PERF_SAMPLE_READ};

use super::*;

const KERNEL_ADDR: u64 = 0xffff_8880_0010_0000;

/// One thing wrong with a request.
struct Fault {
    /// Step of rule 1.2; 5 comes twice, for what follows it.
    step: u32,
    name: &'static str,
    errno: Errno,
    apply: fn(&mut Scene),
    /// Later faults that cannot be had together with this one.
    excludes: &'static [&'static str],
}

const fn fault(
    step: u32,
    name: &'static str,
    errno: Errno,
    apply: fn(&mut Scene),
    excludes: &'static [&'static str],
) -> Fault {
    Fault { step, name, errno, apply, excludes }
}

/// In the order of rule 1.2.
const FAULTS: &[Fault] = &[
    fault(1, "flags", Errno::EINVAL, |s| s.flags |= 1 << 4, &[]),
    fault(2, "size", Errno::E2BIG, |s| s.attr.size = 10, &[]),
    fault(2, "pointer", Errno::EFAULT, |s| s.readable = 70, &[]),
    fault(3, "read_format", Errno::EINVAL, |s| s.attr.read_format = 0x20, &[]),
    fault(
        4,
        "kernel hits",
        Errno::EACCES,
        |s| s.clear_flag(AttrFlags::EXCLUDE_KERNEL),
        // Those need the kernel included and allowed, or excluded.
        &["kernel address", "kernel address, no right", "offline"],
    ),
    fault(5, "period", Errno::EINVAL, |s| s.attr.sample_period = 1 << 63, &[]),
    fault(5, "descriptors", Errno::EMFILE, |s| s.facts.fds_used_up = true, &[]),
    fault(
        6,
        "group_fd",
        Errno::EBADF,
        |s| s.group_fd = 11,
        &["group's task", "leader's inherit", "group"],
    ),
    // Measured on 6.18: an event that has left its task leads no group.
    fault(
        6,
        "group's task",
        Errno::ENODEV,
        |s| {
            s.group_fd = 10;
            let caller = CapSysAdmin::Held;
            let mut pmu = BreakpointPmu { hw: &mut s.port, state: &mut s.state, caller };
            s.perf.exit_task(&mut pmu, 0, CALLER);
        },
        &[],
    ),
    fault(7, "pid", Errno::ESRCH, |s| s.pid = 4242, &["paranoid", "offline"]),
    fault(
        8,
        "leader's inherit",
        Errno::EINVAL,
        |s| {
            s.group_fd = 10;
            s.set_flag(AttrFlags::INHERIT);
        },
        &["paranoid", "offline"],
    ),
    fault(9, "cpu", Errno::EINVAL, |s| s.cpu = 2, &["paranoid", "offline"]),
    fault(
        9,
        "sigtrap without task",
        Errno::EINVAL,
        |s| {
            (s.pid, s.cpu) = (-1, 0);
            s.set_flag(AttrFlags::SIGTRAP | AttrFlags::REMOVE_ON_EXEC);
        },
        &["task access", "exiting", "group"],
    ),
    fault(
        10,
        "inherited read",
        Errno::EINVAL,
        |s| {
            s.set_flag(AttrFlags::INHERIT);
            s.attr.sample_type |= PERF_SAMPLE_READ;
        },
        &["group"],
    ),
    fault(
        11,
        "branches",
        Errno::EOPNOTSUPP,
        |s| {
            s.attr.sample_type |= PERF_SAMPLE_BRANCH_STACK;
            s.attr.branch_sample_type = 1 << 3;
        },
        &[],
    ),
    fault(12, "bp_type", Errno::EINVAL, |s| s.attr.bp_type = 7, &[]),
    fault(13, "slots", Errno::ENOSPC, Scene::fill_slots, &[]),
    fault(14, "bp_len", Errno::EOPNOTSUPP, |s| s.attr.bp_len = 16, &[]),
    fault(
        15,
        "kernel address",
        Errno::EINVAL,
        |s| s.attr.bp_addr = KERNEL_ADDR,
        &["kernel address, no right"],
    ),
    fault(
        16,
        "kernel address, no right",
        Errno::EPERM,
        |s| {
            s.attr.bp_addr = KERNEL_ADDR;
            s.facts.paranoid = -1;
            s.clear_flag(AttrFlags::EXCLUDE_KERNEL);
        },
        &["paranoid"],
    ),
    fault(17, "aux_output", Errno::EOPNOTSUPP, |s| s.set_flag(AttrFlags::AUX_OUTPUT), &[]),
    fault(
        18,
        "clockid",
        Errno::EINVAL,
        |s| {
            s.set_flag(AttrFlags::USE_CLOCKID);
            s.attr.clockid = 99;
        },
        &[],
    ),
    fault(
        19,
        "paranoid",
        Errno::EACCES,
        |s| (s.pid, s.cpu) = (-1, 0),
        &["task access", "exiting", "offline"],
    ),
    fault(20, "task access", Errno::EACCES, |s| s.facts.read_access = false, &["offline"]),
    fault(21, "exiting", Errno::ESRCH, |s| s.facts.past_exit = true, &["offline"]),
    fault(
        22,
        "group",
        Errno::EINVAL,
        |s| {
            s.group_fd = 10;
            s.set_flag(AttrFlags::EXCLUSIVE);
        },
        &[],
    ),
    fault(
        23,
        "offline",
        Errno::ENODEV,
        |s| {
            (s.pid, s.cpu) = (-1, 1);
            s.facts.paranoid = -1;
            let caller = CapSysAdmin::Held;
            let mut pmu = BreakpointPmu { hw: &mut s.port, state: &mut s.state, caller };
            s.perf.cpu_offline(&mut pmu, 0, CpuId(1));
        },
        &[],
    ),
];

/// The request with these faults is refused, and nothing is left of it.
fn check(faults: &[&Fault], expected: Errno) {
    let mut scene = Scene::new();
    // Later faults first, so that where two set the same field the earlier one has it.
    faults.iter().rev().for_each(|fault| (fault.apply)(&mut scene));
    let (slots, nr_events) = (scene.state.slots().clone(), scene.perf.events().count());
    let names: Vec<_> = faults.iter().map(|fault| fault.name).collect();
    assert_eq!(scene.errno(), Some(expected), "{names:?}");
    assert_eq!(scene.state.slots(), &slots, "{names:?}");
    assert_eq!(scene.perf.events().count(), nr_events, "{names:?}");
}

#[test]
fn each_step_alone() {
    assert!(FAULTS.windows(2).all(|pair| pair[0].step <= pair[1].step));
    let steps: std::collections::BTreeSet<_> = FAULTS.iter().map(|fault| fault.step).collect();
    assert_eq!(steps, (1..=23).collect());
    FAULTS.iter().for_each(|fault| check(&[fault], fault.errno));
}

#[test]
fn the_first_of_two_wins() {
    let mut nr_pairs = 0;
    for (index, first) in FAULTS.iter().enumerate() {
        let later = FAULTS[index + 1..].iter();
        let telling = later.filter(|later| later.errno != first.errno);
        for second in telling.filter(|later| !first.excludes.contains(&later.name)) {
            check(&[first, second], first.errno);
            nr_pairs += 1;
        }
    }
    assert!(nr_pairs > 200, "{nr_pairs} pairs");
}

/// Rule 1.2.2: the refused opener had its slot until step 20, so with the last slot taken it
/// hears ENOSPC, and with one left EACCES.
#[test]
fn a_slot_for_a_moment() {
    let mut scene = Scene::new();
    (scene.pid, scene.facts.read_access) = (7, false);
    for _ in 0..100 {
        assert_eq!(scene.errno(), Some(Errno::EACCES));
    }
    scene.facts.read_access = true;
    for _ in 0..4 {
        assert_eq!(scene.errno(), None);
    }
    scene.facts.read_access = false;
    assert_eq!(scene.errno(), Some(Errno::ENOSPC));
}

/// Rule 2.5.3: a zombie whose slots are full says ENOSPC, otherwise ESRCH.
#[test]
fn zombies() {
    let mut scene = Scene::new();
    scene.pid = 7;
    for _ in 0..4 {
        assert_eq!(scene.errno(), None);
    }
    scene.facts.past_exit = true;
    assert_eq!(scene.errno(), Some(Errno::ENOSPC));
    scene.pid = 0;
    assert_eq!(scene.errno(), Some(Errno::ESRCH));
}
