//! Every entry comes back as it was laid out; any bytes are answered.

use proptest::prelude::*;

use super::decode::{Decoder, PayloadError};
use super::encode::Encoder;
use super::entry::{get, put};
use crate::session::event::{
    At, Digest, Entry, Event, Hit, Input, Mark, Origin, Position, Span, Who,
};
use kernel_model::observe::{AccessKind, ExitStatus};

fn at() -> impl Strategy<Value = At> {
    let fields = any::<(u64, u64, u64, u32)>();
    fields.prop_map(|(time_ns, cycles, icount, cpu)| At { time_ns, cycles, icount, cpu })
}

fn who() -> impl Strategy<Value = Who> {
    (any::<(u32, u32)>(), ".{0,15}").prop_map(|((pid, tid), comm)| Who { pid, tid, comm })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..20)
}

fn status() -> impl Strategy<Value = ExitStatus> {
    prop_oneof![
        any::<u8>().prop_map(ExitStatus::Exited),
        any::<(u8, bool)>().prop_map(|(signal, core)| ExitStatus::Signaled { signal, core }),
    ]
}

fn hit() -> impl Strategy<Value = Hit> {
    let origin = prop_oneof![
        Just(Origin::User),
        prop::option::of("[a-z_]{1,9}").prop_map(|syscall| Origin::Kernel { syscall }),
    ];
    let kinds = vec![AccessKind::Execute, AccessKind::Read, AccessKind::Write];
    let kind = prop::sample::select(kinds);
    let numbers = any::<(u64, u64, u32, u64, u64)>();
    (0..3_u32, at(), who(), bytes(), origin, kind, numbers).prop_map(
        |(watch, at, who, insn_bytes, origin, kind, numbers)| {
            let (insn_ip, access_addr, access_len, old, new) = numbers;
            Hit {
                watch,
                at,
                who,
                insn_ip,
                insn_bytes,
                origin,
                kind,
                access_addr,
                access_len,
                old,
                new,
            }
        },
    )
}

fn span() -> impl Strategy<Value = Span> {
    (0..3_u32, any::<u32>(), 0..4_u8, who(), any::<(u64, u64)>()).prop_map(
        |(watch, cpu, slot, who, (from_icount, to_icount))| Span {
            watch,
            cpu,
            slot,
            who,
            from_icount,
            to_icount,
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let name = prop::option::of("[a-z_]{1,9}");
    let event = prop_oneof![
        hit().prop_map(|hit| Event::Hit(Box::new(hit))),
        span().prop_map(|span| Event::Span(Box::new(span))),
        (any::<u8>(), bytes()).prop_map(|(fd, bytes)| Event::Output { fd, bytes }),
        (at(), who(), status()).prop_map(|(at, who, status)| Event::Exit { at, who, status }),
        (any::<u64>(), bytes(), who()).prop_map(|(ip, insn_bytes, who)| Event::UndefinedInsn {
            ip,
            insn_bytes,
            who
        }),
        (who(), any::<(u64, u64)>()).prop_map(|(who, (resident_bytes, ram_bytes))| {
            Event::OutOfMemory { who, resident_bytes, ram_bytes }
        }),
        (any::<u64>(), name, who()).prop_map(|(nr, name, who)| Event::UnsupportedSyscall {
            nr,
            name,
            who
        }),
    ];
    prop_oneof![
        (any::<u64>(), bytes()).prop_map(|(max, bytes)| Entry::Input(Input::Stdin { max, bytes })),
        bytes().prop_map(|bytes| Entry::Input(Input::Random { bytes })),
        any::<u64>().prop_map(|ns| Entry::Input(Input::BootRealtime { ns })),
        event.prop_map(Entry::Event),
        any::<(u64, u64, [u8; 32])>().prop_map(|(step, insns, digest)| Entry::Mark(Mark {
            at: Position { step, insns },
            digest: Digest(digest),
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_put_is_got(entry in entry()) {
        let mut out = Encoder::default();
        put(&mut out, &entry);
        let payload = out.into_bytes();
        let mut from = Decoder::new(&payload);
        prop_assert_eq!(get(&mut from, 3), Ok(entry));
        prop_assert_eq!(from.finish(), Ok(()));
        for len in 0..payload.len() {
            let cut = get(&mut Decoder::new(&payload[..len]), 3);
            let is_short = matches!(cut, Err(PayloadError::Short { .. }));
            prop_assert!(is_short, "{:?}", cut);
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in bytes()) {
        let _ = get(&mut Decoder::new(&bytes), 3);
    }
}
