//! What random operations watch and touch.

use kernel_model::scenario::op::{
    Access, AccessKind, BreakpointSpec, Op, OpenOp, OpenTarget, Place, TaskName,
};

use super::super::rng::Rng;

/// Variables that every sequence declares.
const VARS: [&str; 3] = ["a", "b", "c"];
/// Functions that every sequence declares.
const FUNCTIONS: [&str; 2] = ["f", "g"];
/// Bytes of a variable that are watched; accesses reach a little beyond.
const WATCHED_BYTES: u64 = 16;
/// In kernel space with four and with five levels of page tables, and never written.
pub(super) const KERNEL_TEXT: u64 = 0xffff_ffff_8100_0000;
/// What hardware watches.
const LENGTHS: [u64; 4] = [1, 2, 4, 8];
/// What it does not: rule 1.3.
const BAD_LENGTHS: [u64; 10] = [0, 3, 5, 6, 7, 9, 16, 32, 4096, u64::MAX];
/// `bp_type` values that x86 does not have: rules 1.3 and 1.3.4.
const BAD_TYPES: [u32; 7] = [0, 1, 5, 6, 7, 8, 16];

const W: u32 = 2;
const RW: u32 = 3;
const X: u32 = 4;

/// The operations that declare all of it.
pub(super) fn declarations() -> impl Iterator<Item = Op> {
    let vars = VARS.into_iter().map(|name| Op::Var { name: name.into() });
    vars.chain(FUNCTIONS.into_iter().map(|name| Op::Code { name: name.into() }))
}

/// The operations that make somebody else's task with this many breakpoints, on the model only.
pub(super) fn surroundings(others: usize) -> Vec<Op> {
    let task = || TaskName::from("other");
    let open = |nth| {
        let spec = BreakpointSpec::write(1, Place::address(0));
        Op::Open(OpenOp::breakpoint(&format!("other{nth}"), OpenTarget::Task(task()), spec))
    };
    match others {
        0 => Vec::new(),
        _ => std::iter::once(Op::Task { task: task() }).chain((0..others).map(open)).collect(),
    }
}

/// What a new or changed event watches: mostly something that is possible.
pub(super) fn breakpoint(rng: &mut Rng) -> BreakpointSpec {
    let mut spec = possible(rng);
    match rng.below(100) {
        0..=2 => spec.bp_type = rng.pick(&BAD_TYPES),
        3..=5 => spec.bp_len = rng.pick(&BAD_LENGTHS),
        6..=8 => spec.place.offset += 1,
        9..=10 if spec.bp_type != X => spec.place = Place::address(KERNEL_TEXT),
        _ => {}
    }
    spec
}

fn possible(rng: &mut Rng) -> BreakpointSpec {
    if rng.chance(20) {
        return BreakpointSpec::execute(Place::at(rng.pick(&FUNCTIONS), 0));
    }
    let bp_len = rng.pick(&LENGTHS);
    let offset = rng.below(WATCHED_BYTES / bp_len) * bp_len;
    let place = Place::at(rng.pick(&VARS), offset);
    BreakpointSpec { bp_type: rng.pick(&[W, W, RW]), bp_len, place }
}

/// An access, near `aim` if there is one.
pub(super) fn access(rng: &mut Rng, aim: Option<&BreakpointSpec>) -> Access {
    match aim {
        Some(spec) if is_function(&spec.place) => exec_at(spec.place.clone()),
        Some(spec) if is_variable(&spec.place) => {
            let kind = data_access(rng);
            let before = rng.below(4).min(spec.place.offset);
            let offset = spec.place.offset - before + rng.below(4);
            Access { kind, place: Place { base: spec.place.base.clone(), offset } }
        }
        _ if rng.chance(20) => exec_at(Place::at(rng.pick(&FUNCTIONS), 0)),
        _ => {
            let kind = data_access(rng);
            Access { kind, place: Place::at(rng.pick(&VARS), rng.below(WATCHED_BYTES + 4)) }
        }
    }
}

fn exec_at(place: Place) -> Access {
    Access { kind: AccessKind::Exec, place: Place { offset: 0, ..place } }
}

fn data_access(rng: &mut Rng) -> AccessKind {
    let bytes = rng.pick(&[1, 2, 4, 8]);
    match rng.below(10) {
        0..=4 => AccessKind::Store(bytes),
        5..=6 => AccessKind::Load(bytes),
        7..=8 => AccessKind::Increment(bytes),
        _ => rng.pick(&[AccessKind::Store(16), AccessKind::Load(16)]),
    }
}

fn is_function(place: &Place) -> bool {
    FUNCTIONS.iter().any(|name| Place::at(name, place.offset) == *place)
}

fn is_variable(place: &Place) -> bool {
    VARS.iter().any(|name| Place::at(name, place.offset) == *place)
}
