//! Files, descriptors, directories, waiting for descriptors.

use super::super::call::Call;
use super::super::decode::files as f;
use super::super::decode::poll as p;
use super::super::decode::signal as s;
use super::super::decode::{
    address, buffer_of_arg1, buffer_of_arg2, buffer_of_arg3, filled, hex, id, int, ioctl, long,
    long_at, path, perf, signal_number, text, time, uint, uint_at, ulong,
};
use super::super::names::{files as n, perf as pn};
use super::super::value::Value;
use super::Kind::{Flags, In, InOut, One, Out};
use super::{Arg, Base, Classes, Ret, Returned, Signature, call, chosen};

const F: Classes = Classes::FILE;
const D: Classes = Classes::DESC;
const FD: Classes = F.and(D);
const DS: Classes = D.and(Classes::SIGNAL);
const DN: Classes = D.and(Classes::NETWORK);

#[rustfmt::skip]
pub(super) const CALLS: &[Signature] = &[
    call("read", D, &[In(int), Out(filled), In(ulong)], Ret::Dec),
    call("write", D, &[In(int), In(buffer_of_arg2), In(ulong)], Ret::Dec),
    chosen("open", FD, open, Ret::Dec),
    chosen("openat", FD, openat, Ret::Dec),
    call("openat2", FD, &[In(f::dir_fd), In(path), In(f::open_how), In(ulong)], Ret::Dec),
    call("creat", FD, &[In(path), In(f::mode)], Ret::Dec),
    call("close", D, &[In(int)], Ret::Dec),
    call("close_range", D, &[In(uint), In(uint), Flags(&n::CLOSE_RANGE)], Ret::Dec),
    call("stat", F, &[In(path), Out(f::stat)], Ret::Dec),
    call("lstat", F, &[In(path), Out(f::stat)], Ret::Dec),
    call("fstat", D, &[In(int), Out(f::stat)], Ret::Dec),
    call("newfstatat", FD, &[In(f::dir_fd), In(path), Out(f::stat), Flags(&n::AT)], Ret::Dec),
    call("statx", FD, &[In(f::dir_fd), In(path), In(statx_flags), Flags(&n::STATX), Out(f::statx)], Ret::Dec),
    call("statfs", F, &[In(path), Out(f::statfs)], Ret::Dec),
    call("fstatfs", D, &[In(int), Out(f::statfs)], Ret::Dec),
    call("ustat", Classes::NONE, &[In(f::device), In(address)], Ret::Dec),
    call("poll", D, &[In(p::poll_fds), In(uint), In(int)], Ret::Noted(p::polled)),
    call("ppoll", D, &[In(p::poll_fds), In(uint), In(time::timespec), In(s::set_of_arg4), In(ulong)], Ret::Noted(p::polled)),
    call("select", D, &[In(int), In(p::fd_set), In(p::fd_set), In(p::fd_set), In(time::timeval)], Ret::Noted(p::selected)),
    call("pselect6", D, &[In(int), In(p::fd_set), In(p::fd_set), In(p::fd_set), In(time::timespec), In(s::set_and_size)], Ret::Noted(p::pselected)),
    call("epoll_create", D, &[In(int)], Ret::Dec),
    call("epoll_create1", D, &[Flags(&n::EPOLL_CREATE)], Ret::Dec),
    call("epoll_ctl", D, &[In(int), One(&n::EPOLL_CTL), In(int), In(p::epoll_event)], Ret::Dec),
    call("epoll_wait", D, &[In(int), Out(p::epoll_events), In(int), In(int)], Ret::Dec),
    call("epoll_pwait", D, &[In(int), Out(p::epoll_events), In(int), In(int), In(s::set_of_arg5), In(ulong)], Ret::Dec),
    call("epoll_pwait2", D, &[In(int), Out(p::epoll_events), In(int), In(time::timespec), In(s::set_of_arg5), In(ulong)], Ret::Dec),
    call("lseek", D, &[In(int), In(long), One(&n::WHENCE)], Ret::Dec),
    chosen("ioctl", D, ioctl::arguments, Ret::Dec),
    chosen("fcntl", D, fcntl, Ret::Noted(fcntl_result)),
    call("flock", D, &[In(int), Flags(&n::FLOCK)], Ret::Dec),
    call("pread64", D, &[In(int), Out(filled), In(ulong), In(long)], Ret::Dec),
    call("pwrite64", D, &[In(int), In(buffer_of_arg2), In(ulong), In(long)], Ret::Dec),
    call("readv", D, &[In(int), Out(f::iovec_out), In(ulong)], Ret::Dec),
    call("writev", D, &[In(int), In(f::iovec_in), In(ulong)], Ret::Dec),
    call("preadv", D, &[In(int), Out(f::iovec_out), In(ulong), In(long)], Ret::Dec),
    call("pwritev", D, &[In(int), In(f::iovec_in), In(ulong), In(long)], Ret::Dec),
    chosen("preadv2", D, preadv2, Ret::Dec),
    chosen("pwritev2", D, pwritev2, Ret::Dec),
    call("access", F, &[In(path), Flags(&n::ACCESS)], Ret::Dec),
    call("faccessat", FD, &[In(f::dir_fd), In(path), Flags(&n::ACCESS)], Ret::Dec),
    call("faccessat2", FD, &[In(f::dir_fd), In(path), Flags(&n::ACCESS), Flags(&n::FACCESSAT)], Ret::Dec),
    call("pipe", D, &[Out(f::fd_pair)], Ret::Dec),
    call("pipe2", D, &[Out(f::fd_pair), Flags(&n::OPEN)], Ret::Dec),
    call("dup", D, &[In(int)], Ret::Dec),
    call("dup2", D, &[In(int), In(int)], Ret::Dec),
    call("dup3", D, &[In(int), In(int), Flags(&n::OPEN)], Ret::Dec),
    call("sendfile", DN, &[In(int), In(int), InOut(long_at), In(ulong)], Ret::Dec),
    call("splice", D, &[In(int), InOut(long_at), In(int), InOut(long_at), In(ulong), Flags(&n::SPLICE)], Ret::Dec),
    call("tee", D, &[In(int), In(int), In(ulong), Flags(&n::SPLICE)], Ret::Dec),
    call("vmsplice", D, &[In(int), In(f::iovec_in), In(ulong), Flags(&n::SPLICE)], Ret::Dec),
    call("copy_file_range", D, &[In(int), InOut(long_at), In(int), InOut(long_at), In(ulong), In(uint)], Ret::Dec),
    call("fsync", D, &[In(int)], Ret::Dec),
    call("fdatasync", D, &[In(int)], Ret::Dec),
    call("syncfs", D, &[In(int)], Ret::Dec),
    call("sync", Classes::NONE, &[], Ret::Dec),
    call("sync_file_range", D, &[In(int), In(long), In(long), In(hex)], Ret::Dec),
    call("readahead", D, &[In(int), In(long), In(ulong)], Ret::Dec),
    call("fadvise64", D, &[In(int), In(long), In(ulong), One(&n::FADVISE)], Ret::Dec),
    call("fallocate", D, &[In(int), Flags(&n::FALLOCATE), In(long), In(long)], Ret::Dec),
    call("truncate", F, &[In(path), In(long)], Ret::Dec),
    call("ftruncate", D, &[In(int), In(long)], Ret::Dec),
    call("getdents", D, &[In(int), Out(f::dirents), In(uint)], Ret::Dec),
    call("getdents64", D, &[In(int), Out(f::dirents), In(uint)], Ret::Dec),
    call("getcwd", F, &[Out(path), In(ulong)], Ret::Dec),
    call("chdir", F, &[In(path)], Ret::Dec),
    call("fchdir", D, &[In(int)], Ret::Dec),
    call("chroot", F, &[In(path)], Ret::Dec),
    call("pivot_root", F, &[In(path), In(path)], Ret::Dec),
    call("rename", F, &[In(path), In(path)], Ret::Dec),
    call("renameat", FD, &[In(f::dir_fd), In(path), In(f::dir_fd), In(path)], Ret::Dec),
    call("renameat2", FD, &[In(f::dir_fd), In(path), In(f::dir_fd), In(path), Flags(&n::RENAME)], Ret::Dec),
    call("mkdir", F, &[In(path), In(f::mode)], Ret::Dec),
    call("mkdirat", FD, &[In(f::dir_fd), In(path), In(f::mode)], Ret::Dec),
    call("rmdir", F, &[In(path)], Ret::Dec),
    call("link", F, &[In(path), In(path)], Ret::Dec),
    call("linkat", FD, &[In(f::dir_fd), In(path), In(f::dir_fd), In(path), Flags(&n::AT)], Ret::Dec),
    call("unlink", F, &[In(path)], Ret::Dec),
    call("unlinkat", FD, &[In(f::dir_fd), In(path), Flags(&n::AT)], Ret::Dec),
    call("symlink", F, &[In(path), In(path)], Ret::Dec),
    call("symlinkat", FD, &[In(path), In(f::dir_fd), In(path)], Ret::Dec),
    call("readlink", F, &[In(path), Out(filled), In(ulong)], Ret::Dec),
    call("readlinkat", FD, &[In(f::dir_fd), In(path), Out(filled), In(ulong)], Ret::Dec),
    chosen("mknod", F, mknod, Ret::Dec),
    chosen("mknodat", FD, mknodat, Ret::Dec),
    call("chmod", F, &[In(path), In(f::mode)], Ret::Dec),
    call("fchmod", D, &[In(int), In(f::mode)], Ret::Dec),
    call("fchmodat", FD, &[In(f::dir_fd), In(path), In(f::mode)], Ret::Dec),
    call("fchmodat2", FD, &[In(f::dir_fd), In(path), In(f::mode), Flags(&n::AT)], Ret::Dec),
    call("chown", F, &[In(path), In(id), In(id)], Ret::Dec),
    call("lchown", F, &[In(path), In(id), In(id)], Ret::Dec),
    call("fchown", D, &[In(int), In(id), In(id)], Ret::Dec),
    call("fchownat", FD, &[In(f::dir_fd), In(path), In(id), In(id), Flags(&n::AT)], Ret::Dec),
    call("umask", Classes::NONE, &[In(f::mode)], Ret::Octal),
    call("utime", F, &[In(path), In(address)], Ret::Dec),
    call("utimes", F, &[In(path), In(time::timevals)], Ret::Dec),
    call("futimesat", FD, &[In(f::dir_fd), In(path), In(time::timevals)], Ret::Dec),
    call("utimensat", FD, &[In(f::dir_fd), In(path), In(f::utimes), Flags(&n::AT)], Ret::Dec),
    call("setxattr", F, &[In(path), In(text), In(buffer_of_arg3), In(ulong), Flags(&n::XATTR)], Ret::Dec),
    call("lsetxattr", F, &[In(path), In(text), In(buffer_of_arg3), In(ulong), Flags(&n::XATTR)], Ret::Dec),
    call("fsetxattr", D, &[In(int), In(text), In(buffer_of_arg3), In(ulong), Flags(&n::XATTR)], Ret::Dec),
    call("getxattr", F, &[In(path), In(text), Out(filled), In(ulong)], Ret::Dec),
    call("lgetxattr", F, &[In(path), In(text), Out(filled), In(ulong)], Ret::Dec),
    call("fgetxattr", D, &[In(int), In(text), Out(filled), In(ulong)], Ret::Dec),
    call("listxattr", F, &[In(path), Out(filled), In(ulong)], Ret::Dec),
    call("llistxattr", F, &[In(path), Out(filled), In(ulong)], Ret::Dec),
    call("flistxattr", D, &[In(int), Out(filled), In(ulong)], Ret::Dec),
    call("removexattr", F, &[In(path), In(text)], Ret::Dec),
    call("lremovexattr", F, &[In(path), In(text)], Ret::Dec),
    call("fremovexattr", D, &[In(int), In(text)], Ret::Dec),
    call("setxattrat", FD, &[In(f::dir_fd), In(path), Flags(&n::AT), In(text), In(address), In(ulong)], Ret::Dec),
    call("getxattrat", FD, &[In(f::dir_fd), In(path), Flags(&n::AT), In(text), In(address), In(ulong)], Ret::Dec),
    call("listxattrat", FD, &[In(f::dir_fd), In(path), Flags(&n::AT), Out(filled), In(ulong)], Ret::Dec),
    call("removexattrat", FD, &[In(f::dir_fd), In(path), Flags(&n::AT), In(text)], Ret::Dec),
    call("mount", F, &[In(path), In(path), In(text), Flags(&n::MOUNT), In(text)], Ret::Dec),
    call("umount2", F, &[In(path), Flags(&n::UMOUNT)], Ret::Dec),
    call("inotify_init", D, &[], Ret::Dec),
    call("inotify_init1", D, &[Flags(&n::INOTIFY_INIT)], Ret::Dec),
    call("inotify_add_watch", FD, &[In(int), In(path), Flags(&n::INOTIFY)], Ret::Dec),
    call("inotify_rm_watch", D, &[In(int), In(int)], Ret::Dec),
    call("eventfd", D, &[In(uint)], Ret::Dec),
    call("eventfd2", D, &[In(uint), Flags(&n::EVENTFD)], Ret::Dec),
    call("signalfd", DS, &[In(int), In(s::set_of_arg2), In(ulong)], Ret::Dec),
    call("signalfd4", DS, &[In(int), In(s::set_of_arg2), In(ulong), Flags(&n::SIGNALFD)], Ret::Dec),
    call("memfd_create", D, &[In(text), Flags(&n::MEMFD)], Ret::Dec),
    call("memfd_secret", D, &[Flags(&n::FD_FLAGS)], Ret::Dec),
    call("perf_event_open", D, &[In(perf::attr), In(int), In(int), In(int), Flags(&pn::OPEN)], Ret::Dec),
    call("mq_open", D, &[In(text), In(f::open_flags), In(f::mode), In(address)], Ret::Dec),
    call("mq_unlink", Classes::NONE, &[In(text)], Ret::Dec),
    call("mq_timedsend", D, &[In(int), In(buffer_of_arg2), In(ulong), In(uint), In(time::timespec)], Ret::Dec),
    call("mq_timedreceive", D, &[In(int), Out(filled), In(ulong), Out(uint_at), In(time::timespec)], Ret::Dec),
    call("mq_notify", D, &[In(int), In(address)], Ret::Dec),
    call("mq_getsetattr", D, &[In(int), In(address), In(address)], Ret::Dec),
    call("cachestat", D, &[In(int), In(address), In(address), In(hex)], Ret::Dec),
    call("sethostname", Classes::NONE, &[In(buffer_of_arg1), In(ulong)], Ret::Dec),
    call("setdomainname", Classes::NONE, &[In(buffer_of_arg1), In(ulong)], Ret::Dec),
];

fn open(args: &[u64; 6]) -> Vec<Arg> {
    let mut list = vec![Arg::at(0, In(path)), Arg::at(1, In(f::open_flags))];
    if f::takes_mode(args[1]) {
        list.push(Arg::at(2, In(f::mode)));
    }
    list
}

fn openat(args: &[u64; 6]) -> Vec<Arg> {
    let mut list =
        vec![Arg::at(0, In(f::dir_fd)), Arg::at(1, In(path)), Arg::at(2, In(f::open_flags))];
    if f::takes_mode(args[2]) {
        list.push(Arg::at(3, In(f::mode)));
    }
    list
}

/// The sync type stands first, and always.
fn statx_flags(_: &Call<'_>, value: u64) -> Value {
    let words = n::STATX_AT.bits(value & 0xffff_ffff);
    Value::Word(if value & 0x6000 == 0 {
        match value & 0xffff_ffff {
            0 => String::from("AT_STATX_SYNC_AS_STAT"),
            _ => format!("AT_STATX_SYNC_AS_STAT|{words}"),
        }
    } else {
        words
    })
}

fn preadv2(_: &[u64; 6]) -> Vec<Arg> {
    vector_with_flags(Out(f::iovec_out))
}

fn pwritev2(_: &[u64; 6]) -> Vec<Arg> {
    vector_with_flags(In(f::iovec_in))
}

/// The offset's upper half, which 64 bits do not need, is not shown.
fn vector_with_flags(vector: super::Kind) -> Vec<Arg> {
    vec![
        Arg::at(0, In(int)),
        Arg::at(1, vector),
        Arg::at(2, In(ulong)),
        Arg::at(3, In(long)),
        Arg::at(5, Flags(&n::RWF)),
    ]
}

fn is_device(mode: u64) -> bool {
    matches!(mode & 0o170_000, 0o20_000 | 0o60_000)
}

fn mknod(args: &[u64; 6]) -> Vec<Arg> {
    let mut list = vec![Arg::at(0, In(path)), Arg::at(1, In(f::node_mode))];
    if is_device(args[1]) {
        list.push(Arg::at(2, In(f::device)));
    }
    list
}

fn mknodat(args: &[u64; 6]) -> Vec<Arg> {
    let mut list =
        vec![Arg::at(0, In(f::dir_fd)), Arg::at(1, In(path)), Arg::at(2, In(f::node_mode))];
    if is_device(args[2]) {
        list.push(Arg::at(3, In(f::device)));
    }
    list
}

fn fcntl(args: &[u64; 6]) -> Vec<Arg> {
    let third = match args[1] {
        0 | 1030 | 1031 => Some(In(int)),
        2 => Some(Flags(&n::FD_FLAGS)),
        4 => Some(In(status_flags)),
        5 | 36 => Some(Out(f::flock_with_pid)),
        6 | 7 | 37 | 38 => Some(In(f::flock)),
        8 => Some(In(int)),
        10 => Some(In(signal_number)),
        1024 => Some(One(&n::LOCK_TYPES)),
        1033 => Some(Flags(&n::SEALS)),
        1 | 3 | 9 | 11 | 1025 | 1032 | 1034 => None,
        _ => Some(In(address)),
    };
    let mut list = vec![Arg::at(0, In(int)), Arg::at(1, One(&n::FCNTL))];
    list.extend(third.map(|kind| Arg::at(2, kind)));
    list
}

/// Flags of F_SETFL, where the access mode means nothing and is shown all the same.
fn status_flags(_: &Call<'_>, value: u64) -> Value {
    Value::Word(f::open_words(value))
}

fn fcntl_result(call: &Call<'_>) -> Returned {
    let result = call.count();
    let note = match call.args[1] {
        _ if call.failed() => None,
        1 if result != 0 => Some(format!("flags {}", n::FD_FLAGS.bits(result))),
        3 => Some(format!("flags {}", f::open_words(result))),
        1034 if result != 0 => Some(format!("seals {}", n::SEALS.bits(result))),
        _ => return Returned::DEC,
    };
    Returned { base: Base::Hex, note: note.map(Value::Word) }
}
