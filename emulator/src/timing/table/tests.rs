//! The block model against the measurements, and the model as a whole.

use iced_x86::{Decoder, DecoderOptions};
use proptest::prelude::*;

use super::super::{AccessKind, BranchKind, TimingChoice};
use super::costs::snippets;
use super::data::{TICKS_PER_CYCLE, Ticks};
use super::*;

/// Copies of a snippet that make a block long enough for fractions of a cycle to show.
fn repeated(code: &[u8], nr_copies: usize) -> Vec<Instruction> {
    let code = code.repeat(nr_copies);
    Decoder::with_ip(64, &code, 0x1000, DecoderOptions::NONE).into_iter().collect()
}

/// Cycles of one copy of a snippet in hundredths.
fn centicycles(table: &mut Table, code: &[u8], nr_copies: usize) -> u32 {
    table.block(&repeated(code, nr_copies)).total * 100 / nr_copies as u32
}

#[test]
fn chains_and_independent_work() {
    let mut table = Table::new();
    let cases: &[(&str, &[u8], u32, u32)] = &[
        ("add rax, rbx", &[0x48, 0x01, 0xd8], 100, 100),
        ("imul rax, rbx", &[0x48, 0x0f, 0xaf, 0xc3], 300, 301),
        ("mov rax, [rax]", &[0x48, 0x8b, 0x00], 500, 500),
        ("nop", &[0x90], 16, 18),
        ("add rax, 1", &[0x48, 0x83, 0xc0, 0x01], 16, 18),
        // Charged as an event when it runs; in the block it only issues.
        ("rdtsc", &[0x0f, 0x31], 16, 18),
        // Five ALU ports: five additions a cycle.
        (
            "six independent additions",
            &[
                0x48, 0x01, 0xd8, 0x48, 0x01, 0xd9, 0x48, 0x01, 0xda, 0x48, 0x01, 0xde, 0x48, 0x01,
                0xdf, 0x49, 0x01, 0xd8,
            ],
            118,
            124,
        ),
    ];
    for (name, code, low, high) in cases {
        let cycles = centicycles(&mut table, code, 60);
        assert!((*low..=*high).contains(&cycles), "{name}: {cycles} centicycles");
    }
}

#[test]
fn a_block_is_cumulative_and_never_free() {
    let mut table = Table::new();
    let code = [0x48, 0x8b, 0x03, 0x48, 0x0f, 0xaf, 0xc0, 0x48, 0x89, 0x03, 0x90, 0x75, 0xf3];
    for nr_insns in 0..=5 {
        let insns: Vec<Instruction> = repeated(&code, 1).into_iter().take(nr_insns).collect();
        let cost = table.block(&insns);
        assert_eq!(cost.before.len(), nr_insns);
        assert!(cost.before.is_sorted());
        assert!(cost.before.first().is_none_or(|first| *first == 0));
        assert!(cost.before.last().is_none_or(|last| *last <= cost.total));
        assert_eq!(cost.total > 0, nr_insns > 0);
    }
}

/// Rows of `instructions.csv` that the block model must get within 20 %.
const NR_ROWS_WITHIN_20_PERCENT: usize = 214;

#[test]
fn block_costs_agree_with_the_measurements() {
    let mut table = Table::new();
    let snippets = snippets().unwrap();
    let mut nr_within = 0;
    let mut report = String::new();
    for snippet in &snippets {
        let nr_copies = 120 / snippet.nr_insns.min(24) + 1;
        let total = table.block(&repeated(&snippet.code, nr_copies)).total;
        let modelled = Ticks::from(total) * TICKS_PER_CYCLE / nr_copies as Ticks;
        if modelled.abs_diff(snippet.cost()) * 5 <= snippet.cost() {
            nr_within += 1;
        } else {
            report += &format!(
                "\n{}: {} modelled, {} measured",
                snippet.name,
                cycles(modelled),
                cycles(snippet.cost())
            );
        }
    }
    let summary =
        format!("{nr_within} of {} rows within 20 %; the others:{report}", snippets.len());
    // Shown by `cargo test -- --nocapture`.
    eprintln!("{summary}");
    assert!(nr_within >= NR_ROWS_WITHIN_20_PERCENT, "{summary}");
}

fn cycles(ticks: Ticks) -> f64 {
    ticks as f64 / TICKS_PER_CYCLE as f64
}

#[test]
fn events_cost_what_was_measured() {
    let table = Table::new();
    assert_eq!(table.event(FixedEvent::Rdtsc), 29);
    assert_eq!(table.event(FixedEvent::Rdtscp), 46);
    assert_eq!(table.event(FixedEvent::Pause), 35);
    assert_eq!(table.event(FixedEvent::Syscall) + table.event(FixedEvent::Sysret), 316);
    assert_eq!(table.event(FixedEvent::Exception) + table.event(FixedEvent::Iret), 950);
    for (place, event) in FixedEvent::ALL.into_iter().enumerate() {
        assert_eq!(event as usize, place);
        assert!(table.event(event) > 0, "{event:?}");
    }
}

/// One call of a model at run time.
#[derive(Debug, Clone)]
enum Call {
    Access(MemoryEvent),
    Branch(BranchEvent),
    Flush,
}

fn call() -> impl Strategy<Value = Call> {
    let kinds = prop::sample::select(vec![AccessKind::Load, AccessKind::Store, AccessKind::Fetch]);
    let access = (kinds, 0u64..0x4_0000, 1u32..65).prop_map(|(kind, address, size)| {
        Call::Access(MemoryEvent { kind, linear: address, physical: address + 0x10_0000, size })
    });
    let kinds = prop::sample::select(vec![
        BranchKind::Conditional,
        BranchKind::Direct,
        BranchKind::Indirect,
        BranchKind::Call,
        BranchKind::IndirectCall,
        BranchKind::Return,
    ]);
    let branch =
        (kinds, 0u64..64, any::<bool>(), 0u64..8).prop_map(|(kind, rip, taken, target)| {
            let taken = taken || kind != BranchKind::Conditional;
            Call::Branch(BranchEvent {
                rip: 0x1000 + rip,
                kind,
                taken,
                target: 0x2000 + target,
                fallthrough: 0x1005 + rip,
            })
        });
    prop_oneof![8 => access, 8 => branch, 1 => Just(Call::Flush)]
}

fn play(model: &mut dyn TimingModel, calls: &[Call]) -> Vec<u32> {
    calls
        .iter()
        .map(|call| match call {
            Call::Access(event) => model.access(event),
            Call::Branch(event) => model.branch(event),
            Call::Flush => {
                model.flush_tlb();
                0
            }
        })
        .collect()
}

fn digest(model: &dyn TimingModel) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    model.digest(&mut |part| {
        hasher.update(part);
    });
    hasher.finalize()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_same_calls_cost_the_same(calls in prop::collection::vec(call(), 1..300)) {
        let (mut one, mut other) = (TimingChoice::Table.build(), TimingChoice::Table.build());
        prop_assert_eq!(play(one.as_mut(), &calls), play(other.as_mut(), &calls));
        prop_assert_eq!(digest(one.as_ref()), digest(other.as_ref()));
        prop_assert_eq!(one.counts(), other.counts());
    }

    #[test]
    fn any_bytes_make_a_block(code in prop::collection::vec(any::<u8>(), 1..200)) {
        let insns = repeated(&code, 1);
        let mut table = Table::new();
        let cost = table.block(&insns);
        prop_assert_eq!(cost.before.len(), insns.len());
        prop_assert!(cost.before.is_sorted());
        prop_assert!(cost.before.last().is_none_or(|last| *last <= cost.total));
        prop_assert_eq!(&cost, &table.block(&insns));
    }
}

#[test]
fn state_that_matters_is_in_the_digest() {
    let access = MemoryEvent { kind: AccessKind::Load, linear: 0x1000, physical: 0x1000, size: 8 };
    let branch =
        BranchEvent { rip: 1, kind: BranchKind::Call, taken: true, target: 2, fallthrough: 6 };
    let cold = Table::new();
    let (mut loaded, mut called) = (Table::new(), Table::new());
    loaded.access(&access);
    called.branch(&branch);
    let digests = [digest(&cold), digest(&loaded), digest(&called)];
    assert!(digests[0] != digests[1] && digests[0] != digests[2] && digests[1] != digests[2]);
}
