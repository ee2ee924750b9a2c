//! Who opened what.

use super::rig::{Rig, T0, T1, bp};

/// Opening order stays whoever leaves: first, last, in between, all.
#[test]
fn the_order_of_opening() {
    let mut rig = Rig::new();
    let [a, b, c, d] = [(); 4].map(|()| rig.open(&bp()));
    let (task, other) = (T0, T1);
    assert_eq!(rig.perf.owned_by(task), [a, b, c, d]);
    rig.perf.set_owner(b, None);
    assert_eq!(rig.perf.owned_by(task), [a, c, d]);
    rig.perf.set_owner(a, Some(other));
    rig.perf.set_owner(d, Some(other));
    assert_eq!(rig.perf.owned_by(task), [c]);
    assert_eq!(rig.perf.owned_by(other), [a, d]);
    rig.perf.set_owner(c, None);
    assert!(rig.perf.owned_by(task).is_empty());
    rig.perf.set_owner(c, Some(task));
    assert_eq!(rig.perf.owned_by(task), [c]);
    assert_eq!(rig.perf.event(c).unwrap().owner(), Some(task));
}
