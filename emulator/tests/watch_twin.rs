//! The fast watch path against "compare every byte with every register", and the
//! boundary algorithm against its definition, over random programs.

mod stand;
mod watch {
    mod many;
    pub(crate) mod twin;

    pub(crate) use super::{SIZES, address_space};
}

use emulator::cpu::Cpu;
use emulator::debug::{AccessKind, AccessRecord, dr6};
use emulator::event::exception::Faulted;
use emulator::machine::Machine;
use emulator::mem::phys::PhysMem;
use emulator::regs::RFlags;
use emulator::regs::SegmentReg;
use emulator::regs::gpr::reg::RBX;
use proptest::prelude::*;

use stand::layout::CODE3;
use stand::paging::Rights;
use stand::{Stand, Stop};
use watch::twin::{Kind, PAGE, Twin};

/// Two groups of neighbouring pages whose numbers are equal modulo the TLB's size.
const GROUPS: [u64; 2] = [0x4000_0000, 0x4010_0000];
const PAGES_IN_GROUP: u64 = 3;
const CODE: u64 = 0x1000_0000;
/// L0 to L3, which enable the entries.
const ENABLE: u64 = 0x55;

/// One step of a random history.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Loads a debug register and new control bits.
    Arm { index: usize, address: u64, dr7: u64 },
    /// Accesses memory.
    Access { kind: Kind, linear: u64, size: u64 },
    /// INVLPG and MOV CR3 in one.
    Flush,
}

fn address() -> impl Strategy<Value = u64> {
    let offset = prop_oneof![0u64..20, 0x800u64..0x814, PAGE - 20..PAGE];
    (0..GROUPS.len(), 0..PAGES_IN_GROUP - 1, offset)
        .prop_map(|(group, page, offset)| GROUPS[group] + page * PAGE + offset)
}

/// DR7 with data entries mostly, all of them enabled or not as `enabled` says.
fn control() -> impl Strategy<Value = u64> {
    let field = prop_oneof![
        4 => prop::sample::select(vec![0x1u64, 0x5, 0x9, 0xd, 0x3, 0x7, 0xb, 0xf]),
        1 => 0u64..16,
    ];
    (prop::array::uniform4(field), 0u64..256).prop_map(|(fields, enabled)| {
        fields.iter().enumerate().fold(enabled, |dr7, (nth, field)| dr7 | field << (16 + 4 * nth))
    })
}

fn event() -> impl Strategy<Value = Event> {
    let sizes = prop::sample::select(SIZES.map(|(size, _)| size).to_vec());
    let kind = prop::sample::select(vec![Kind::Load, Kind::Store]);
    prop_oneof![
        2 => (0usize..4, address(), control())
            .prop_map(|(index, address, dr7)| Event::Arm { index, address, dr7 }),
        7 => (kind, address(), sizes)
            .prop_map(|(kind, linear, size)| Event::Access { kind, linear, size }),
        1 => Just(Event::Flush),
    ]
}

/// Maps pages that are not mapped yet.
pub(crate) fn address_space(stand: &mut Stand, pages: impl IntoIterator<Item = u64>) {
    for page in pages {
        if !stand.is_mapped(page) {
            stand.map(page, Rights::Write);
        }
    }
}

/// A stand with both groups mapped for CPL 3.
fn prepare() -> Stand {
    let mut stand = Stand::new();
    let group = |first: u64| (0..PAGES_IN_GROUP).map(move |page| first + page * PAGE);
    address_space(&mut stand, GROUPS.into_iter().flat_map(group));
    stand.map(CODE, Rights::Execute);
    stand
}

/// One access of a fixed size.
pub(crate) type FixedAccess = fn(&mut Cpu, &mut PhysMem, Kind, u64);

/// Makes an access of `N` bytes through the data port, the fast path where there is one.
fn fixed<const N: usize>(cpu: &mut Cpu, mem: &mut PhysMem, kind: Kind, linear: u64) {
    let done: Result<(), Faulted> = match kind {
        Kind::Load => cpu.load_bytes::<N>(mem, linear).map(|_| ()),
        Kind::Store => cpu.store_bytes(mem, linear, [linear as u8 ^ 0x5a; N]),
    };
    assert_eq!(done, Ok(()), "the page is mapped");
}

/// Accesses of every size that instructions have up to a vector register's, and of some
/// that they have not.
pub(crate) const SIZES: [(u64, FixedAccess); 16] = [
    (1, fixed::<1>),
    (2, fixed::<2>),
    (3, fixed::<3>),
    (4, fixed::<4>),
    (5, fixed::<5>),
    (6, fixed::<6>),
    (7, fixed::<7>),
    (8, fixed::<8>),
    (10, fixed::<10>),
    (14, fixed::<14>),
    (16, fixed::<16>),
    (28, fixed::<28>),
    (31, fixed::<31>),
    (32, fixed::<32>),
    (63, fixed::<63>),
    (64, fixed::<64>),
];

/// Makes one access.
fn access(cpu: &mut Cpu, mem: &mut PhysMem, kind: Kind, linear: u64, size: u64) {
    let known = SIZES.into_iter().find(|(known, _)| *known == size);
    known.expect("a size of the table").1(cpu, mem, kind, linear);
}

/// The bytes that an entry covers, as a number.
fn covered(machine: &mut Machine, twin: &Twin, index: usize) -> u64 {
    let mut bytes = [0; 8];
    machine.peek(0, twin.base(index), &mut bytes[..twin.len(index) as usize]);
    u64::from_le_bytes(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Rules M3, M7, M8 and M10 through the TLB, at both privileges.
    #[test]
    fn hits_are_those_of_the_bytes(
        user: bool,
        events in prop::collection::vec(event(), 1..60),
    ) {
        let mut stand = prepare();
        let mut twin = Twin::default();
        let mut pending = 0;
        let cpu = stand.machine.cpu_mut(0);
        if user {
            cpu.regs.seg[SegmentReg::Cs as usize].selector = CODE3;
            cpu.set_rflags(0x2);
        }
        for event in events {
            match event {
                Event::Flush => stand.machine.cpu_mut(0).flush_tlb(),
                Event::Arm { index, address, dr7 } => {
                    twin.dr[index] = address;
                    twin.dr7 = dr7;
                    let cpu = stand.machine.cpu_mut(0);
                    cpu.set_dr_address(index, address);
                    cpu.set_dr7(dr7);
                }
                Event::Access { kind, linear, size } => {
                    let old: [u64; 4] =
                        std::array::from_fn(|index| covered(&mut stand.machine, &twin, index));
                    let (cpu, mem) = stand.machine.cpu_and_mem(0);
                    access(cpu, mem, kind, linear, size);
                    let records = cpu.take_access_records();
                    let found = cpu.pending_debug();
                    let hits = twin.hits(kind, linear, size);
                    pending |= hits;
                    prop_assert_eq!(found, pending);
                    for (index, record) in records.into_iter().enumerate() {
                        // Values are kept for enabled entries only (rule M11).
                        let value = |value| if twin.is_enabled(index) { value } else { 0 };
                        let expected = (hits >> index & 1 != 0).then(|| AccessRecord {
                            kind: match kind {
                                Kind::Load => AccessKind::Read,
                                Kind::Store => AccessKind::Write,
                            },
                            rip: 0,
                            linear,
                            size: size as u32,
                            old: value(old[index]),
                            new: value(covered(&mut stand.machine, &twin, index)),
                        });
                        prop_assert_eq!(record, expected);
                    }
                }
            }
        }
    }

    /// An access to a page that is not watched takes the fast path from the second
    /// time on, whatever is armed elsewhere; one to a watched page never does.
    #[test]
    fn only_watched_pages_are_slow(events in prop::collection::vec(event(), 1..60)) {
        let mut stand = prepare();
        let mut twin = Twin::default();
        for event in events {
            let (cpu, mem) = stand.machine.cpu_and_mem(0);
            match event {
                Event::Flush => cpu.flush_tlb(),
                Event::Arm { index, address, dr7 } => {
                    twin.dr[index] = address;
                    twin.dr7 = dr7;
                    cpu.set_dr_address(index, address);
                    cpu.set_dr7(dr7);
                }
                Event::Access { kind, linear, size } => {
                    access(cpu, mem, kind, linear, size);
                    let before = cpu.slow_accesses();
                    access(cpu, mem, kind, linear, size);
                    let crosses = linear / PAGE != (linear + size - 1) / PAGE;
                    let slow = crosses || twin.watches_page(kind, linear);
                    prop_assert_eq!(cpu.slow_accesses() - before, u64::from(slow));
                }
            }
        }
    }
}

/// One MOV of a random program, relative to the first group.
#[derive(Clone, Copy, Debug)]
struct Mov {
    kind: Kind,
    offset: u32,
    /// Binary logarithm of the size.
    size_log2: u32,
}

impl Mov {
    /// MOV between rAX and [RBX + offset].
    fn encode(self) -> Vec<u8> {
        let load = if self.kind == Kind::Load { 2 } else { 0 };
        let opcode =
            [&[0x88u8][..], &[0x66, 0x89], &[0x89], &[0x48, 0x89]][self.size_log2 as usize];
        let (last, prefixes) = opcode.split_last().expect("an opcode");
        let mut code = prefixes.to_vec();
        code.extend([last + load, 0x83]);
        code.extend(self.offset.to_le_bytes());
        code
    }
}

fn mov() -> impl Strategy<Value = Mov> {
    let kind = prop::sample::select(vec![Kind::Load, Kind::Store]);
    (kind, 0u32..24, 0u32..4).prop_map(|(kind, offset, size_log2)| Mov { kind, offset, size_log2 })
}

/// Where an entry of a random program is, and what it looks for.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Data { offset: u64, field: u64 },
    Execute { nth: usize },
    Off,
}

fn entry() -> impl Strategy<Value = Entry> {
    let fields = prop::sample::select(vec![0x1u64, 0x5, 0x9, 0xd, 0x3, 0x7, 0xb, 0xf]);
    prop_oneof![
        3 => (0u64..32, fields).prop_map(|(offset, field)| Entry::Data { offset, field }),
        2 => (0usize..9).prop_map(|nth| Entry::Execute { nth }),
        1 => Just(Entry::Off),
    ]
}

/// What a #DB looks like: RIP, and DR6's B and BS bits.
type Report = (u64, u64);

/// The boundary algorithm (section 3 of the rules) for straight-line code, with a
/// handler that sets RF after an execute breakpoint.
fn expected(twin: &Twin, program: &[Mov], starts: &[u64], steps: bool) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut pending = 0;
    for (nth, &rip) in starts.iter().enumerate() {
        let executes = twin.executes(rip);
        if pending != 0 || executes != 0 {
            reports.push((rip, pending | executes));
        }
        let Some(mov) = program.get(nth) else { break };
        let linear = GROUPS[0] + u64::from(mov.offset);
        pending = twin.hits(mov.kind, linear, 1 << mov.size_log2);
        if steps {
            pending |= dr6::BS;
        }
    }
    reports
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Rules M1 to M10, P3, T1, T3, T4, T7 and T10 for MOV.
    #[test]
    fn reports_are_those_of_the_boundary_algorithm(
        program in prop::collection::vec(mov(), 1..10),
        entries in prop::array::uniform4(entry()),
        steps: bool,
    ) {
        let mut starts = vec![CODE];
        let mut code = Vec::new();
        for mov in &program {
            code.extend(mov.encode());
            starts.push(CODE + code.len() as u64);
        }
        code.push(0xf4);
        let mut twin = Twin::default();
        for (index, entry) in entries.into_iter().enumerate() {
            let (address, field) = match entry {
                Entry::Data { offset, field } => (GROUPS[0] + offset, field),
                Entry::Execute { nth } => (starts[nth % starts.len()], 0),
                Entry::Off => continue,
            };
            twin.dr[index] = address;
            twin.dr7 |= ENABLE & 3 << (2 * index) | field << (16 + 4 * index);
        }
        let mut stand = prepare();
        stand.poke(CODE, &code);
        stand.set_gpr(RBX, GROUPS[0]);
        let flags = RFlags::FIXED | if steps { RFlags::TF } else { 0 };
        stand.start(Stand::user_frame(CODE, flags, GROUPS[1]));
        for (index, address) in twin.dr.into_iter().enumerate() {
            stand.machine.cpu_mut(0).set_dr_address(index, address);
        }
        stand.machine.cpu_mut(0).set_dr7(twin.dr7);
        let mut reports = Vec::new();
        loop {
            let stop = stand.run();
            let mut frame = stand.frame();
            if stop != Stop::Exception(1, None) {
                prop_assert_eq!(stop, Stop::Exception(13, Some(0)));
                prop_assert_eq!(Some(&frame.rip), starts.last());
                break;
            }
            prop_assert_eq!(frame.rflags & RFlags::RF, 0);
            let seen = stand.machine.cpu(0).debug().dr6() & (dr6::BS | dr6::B_MASK);
            reports.push((frame.rip, seen));
            stand.machine.cpu_mut(0).set_dr6(dr6::RESET);
            if twin.executes(frame.rip) != 0 {
                frame.rflags |= RFlags::RF;
                stand.set_frame(frame);
            }
        }
        prop_assert_eq!(reports, expected(&twin, &program, &starts, steps));
    }
}
