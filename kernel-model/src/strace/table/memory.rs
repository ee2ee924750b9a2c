//! Memory, futexes, System V IPC, random numbers.

use super::super::call::Call;
use super::super::decode::{address, address_at, filled_binary, hex, int, long, time, uint, ulong};
use super::super::names::memory as n;
use super::super::value::Value;
use super::Kind::{Flags, In, One, Out};
use super::{Arg, Classes, Ret, Signature, call, chosen};

const M: Classes = Classes::MEMORY;
const DM: Classes = M.and(Classes::DESC);
const I: Classes = Classes::IPC;
const IM: Classes = M.and(I);
const NONE: Classes = Classes::NONE;

#[rustfmt::skip]
pub(super) const CALLS: &[Signature] = &[
    call("mmap", DM, &[In(address), In(ulong), Flags(&n::PROT), In(map_flags), In(int), In(offset)], Ret::Hex),
    call("munmap", M, &[In(address), In(ulong)], Ret::Dec),
    call("mprotect", M, &[In(address), In(ulong), Flags(&n::PROT)], Ret::Dec),
    call("pkey_mprotect", M, &[In(address), In(ulong), Flags(&n::PROT), In(int)], Ret::Dec),
    call("pkey_alloc", NONE, &[In(hex), Flags(&n::PKEY)], Ret::Dec),
    call("pkey_free", NONE, &[In(int)], Ret::Dec),
    call("brk", M, &[In(address)], Ret::Hex),
    chosen("mremap", M, mremap, Ret::Hex),
    call("remap_file_pages", M, &[In(address), In(ulong), Flags(&n::PROT), In(ulong), In(map_flags)], Ret::Dec),
    call("madvise", M, &[In(address), In(ulong), One(&n::MADVISE)], Ret::Dec),
    call("process_madvise", DM, &[In(int), In(address), In(ulong), One(&n::MADVISE), In(hex)], Ret::Dec),
    call("msync", M, &[In(address), In(ulong), Flags(&n::MSYNC)], Ret::Dec),
    call("mincore", M, &[In(address), In(ulong), Out(resident)], Ret::Dec),
    call("mlock", M, &[In(address), In(ulong)], Ret::Dec),
    call("mlock2", M, &[In(address), In(ulong), Flags(&n::MLOCK)], Ret::Dec),
    call("munlock", M, &[In(address), In(ulong)], Ret::Dec),
    call("mlockall", M, &[Flags(&n::MLOCKALL)], Ret::Dec),
    call("munlockall", M, &[], Ret::Dec),
    call("mseal", M, &[In(address), In(ulong), In(hex)], Ret::Dec),
    call("mbind", M, &[In(address), In(ulong), In(int), In(address), In(ulong), In(hex)], Ret::Dec),
    call("set_mempolicy", M, &[In(int), In(address), In(ulong)], Ret::Dec),
    call("get_mempolicy", M, &[In(address), In(address), In(ulong), In(address), In(hex)], Ret::Dec),
    call("migrate_pages", M, &[In(int), In(ulong), In(address), In(address)], Ret::Dec),
    call("move_pages", M, &[In(int), In(ulong), In(address), In(address), In(address), In(hex)], Ret::Dec),
    chosen("futex", NONE, futex, Ret::Dec),
    call("futex_waitv", NONE, &[In(address), In(uint), In(hex), In(address), In(int)], Ret::Dec),
    call("futex_wake", NONE, &[In(address), In(hex), In(int), In(hex)], Ret::Dec),
    call("futex_wait", NONE, &[In(address), In(ulong), In(hex), In(hex), In(time::timespec), In(int)], Ret::Dec),
    call("futex_requeue", NONE, &[In(address), In(hex), In(int), In(int)], Ret::Dec),
    call("set_robust_list", NONE, &[In(address), In(ulong)], Ret::Dec),
    call("get_robust_list", NONE, &[In(int), Out(address_at), Out(address_at)], Ret::Dec),
    call("rseq", NONE, &[In(address), In(hex), Flags(&n::RSEQ), In(hex)], Ret::Dec),
    call("membarrier", NONE, &[One(&n::MEMBARRIER), In(hex)], Ret::Dec),
    call("getrandom", NONE, &[Out(filled_binary), In(ulong), Flags(&n::GETRANDOM)], Ret::Dec),
    call("shmget", I, &[In(key), In(ulong), In(ipc_flags)], Ret::Dec),
    call("shmat", IM, &[In(int), In(address), Flags(&n::SHM)], Ret::Hex),
    call("shmdt", IM, &[In(address)], Ret::Dec),
    call("shmctl", I, &[In(int), One(&n::IPC_CTL), In(address)], Ret::Dec),
    call("semget", I, &[In(key), In(int), In(ipc_flags)], Ret::Dec),
    call("semop", I, &[In(int), In(operations), In(ulong)], Ret::Dec),
    call("semtimedop", I, &[In(int), In(operations), In(ulong), In(time::timespec)], Ret::Dec),
    call("semctl", I, &[In(int), In(int), One(&n::IPC_CTL), In(hex)], Ret::Dec),
    call("msgget", I, &[In(key), In(ipc_flags)], Ret::Dec),
    call("msgsnd", I, &[In(int), In(address), In(ulong), Flags(&n::IPC_GET)], Ret::Dec),
    call("msgrcv", I, &[In(int), In(address), In(ulong), In(long), Flags(&n::IPC_GET)], Ret::Dec),
    call("msgctl", I, &[In(int), One(&n::IPC_CTL), In(address)], Ret::Dec),
];

/// Kind of a mapping, and its other flags.
fn map_flags(_: &Call<'_>, value: u64) -> Value {
    let value = value & 0xffff_ffff;
    let kind = n::MAP_TYPES.one(value & 3);
    match value & !3 {
        0 => Value::Word(kind),
        flags => {
            let words = n::MAP.bits(flags).replace(" /* MAP_??? */", "");
            Value::Word(format!("{kind}|{words}"))
        }
    }
}

/// Where in a file a mapping starts: 0 without a prefix.
fn offset(_: &Call<'_>, value: u64) -> Value {
    Value::hex(value)
}

fn mremap(args: &[u64; 6]) -> Vec<Arg> {
    let mut list = vec![
        Arg::at(0, In(address)),
        Arg::at(1, In(ulong)),
        Arg::at(2, In(ulong)),
        Arg::at(3, Flags(&n::MREMAP)),
    ];
    if args[3] & 6 != 0 {
        list.push(Arg::at(4, In(address)));
    }
    list
}

fn futex(args: &[u64; 6]) -> Vec<Arg> {
    let mut list = vec![Arg::at(0, In(address)), Arg::at(1, One(&n::FUTEX))];
    let rest: &[(usize, super::Kind)] = match args[1] & 127 {
        // WAIT
        0 => &[(2, In(uint)), (3, In(time::timespec))],
        // WAKE
        1 => &[(2, In(uint))],
        // REQUEUE
        3 => &[(2, In(uint)), (3, In(uint)), (4, In(address))],
        // CMP_REQUEUE, CMP_REQUEUE_PI
        4 | 12 => &[(2, In(uint)), (3, In(uint)), (4, In(address)), (5, In(uint))],
        // WAKE_OP
        5 => &[(2, In(uint)), (3, In(uint)), (4, In(address)), (5, In(hex))],
        // LOCK_PI, LOCK_PI2
        6 | 13 => &[(3, In(time::timespec))],
        // UNLOCK_PI, TRYLOCK_PI
        7 | 8 => &[],
        // WAIT_BITSET
        9 => &[(2, In(uint)), (3, In(time::timespec)), (5, In(bitset))],
        // WAKE_BITSET
        10 => &[(2, In(uint)), (5, In(bitset))],
        // WAIT_REQUEUE_PI
        11 => &[(2, In(uint)), (3, In(time::timespec)), (4, In(address))],
        _ => &[(2, In(uint)), (3, In(address)), (4, In(address)), (5, In(hex))],
    };
    list.extend(rest.iter().map(|(nr, kind)| Arg::at(*nr, *kind)));
    list
}

fn bitset(_: &Call<'_>, value: u64) -> Value {
    match value as u32 {
        u32::MAX => Value::word("FUTEX_BITSET_MATCH_ANY"),
        bits => Value::hex(bits.into()),
    }
}

fn resident(call: &Call<'_>, value: u64) -> Value {
    let pages = call.args[1].div_ceil(4096).min(32);
    call.at(value, pages as usize, |raw| {
        Value::list(raw.bytes().iter().map(|page| Value::decimal(page & 1)).collect())
    })
}

fn key(_: &Call<'_>, value: u64) -> Value {
    match value as u32 {
        0 => Value::word("IPC_PRIVATE"),
        key => Value::hex(key.into()),
    }
}

/// Flags, and the mode in octal.
fn ipc_flags(_: &Call<'_>, value: u64) -> Value {
    let mode = format!("0{:03o}", value & 0o777);
    match value & 0xffff_fe00 {
        0 => Value::Word(mode),
        flags => Value::Word(format!("{}|{mode}", n::IPC_GET.bits(flags))),
    }
}

fn operations(call: &Call<'_>, value: u64) -> Value {
    call.array(value, call.args[2], 6, |raw| {
        Value::whole(vec![
            ("sem_num", Value::decimal(raw.u16(0))),
            ("sem_op", Value::decimal(raw.u16(2) as i16)),
            ("sem_flg", n::IPC_GET.bits_of(raw.u16(4).into())),
        ])
    })
}
