//! Files: descriptors, modes, stat, lists of buffers, directories, locks.
//! Source of the layouts: Linux 6.18 `arch/x86/include/uapi/asm/stat.h`,
//! `include/uapi/linux/{stat,uio,fcntl}.h`, `include/linux/dirent.h`.

use super::super::call::{Call, LIST_ITEMS, Raw};
use super::super::names::files as names;
use super::super::value::{Value, hex};
use super::time::timestamp_field;
use crate::uapi::fcntl::AT_FDCWD;

/// Bytes of `struct stat`.
const STAT_BYTES: usize = 144;
/// Bytes of `struct statx`.
const STATX_BYTES: usize = 256;
/// Bytes of `struct statfs`.
const STATFS_BYTES: usize = 120;
/// Bits of a mode that say what kind of file it is.
const S_IFMT: u32 = 0o170_000;
/// Bits of an open mode that are no flags.
const O_ACCMODE: u64 = 3;
/// `STATX_TYPE | STATX_MODE`.
const STATX_TYPE_OR_MODE: u64 = 3;
const STATX_SIZE: u64 = 0x200;
const O_CREAT: u64 = 0o100;
const O_TMPFILE_BIT: u64 = 0o20_000_000;

/// A descriptor that a path may start from.
pub(in super::super) fn dir_fd(_: &Call<'_>, value: u64) -> Value {
    let fd = value as i32;
    if fd == AT_FDCWD { Value::word("AT_FDCWD") } else { Value::decimal(fd) }
}

/// Permissions.
pub(in super::super) fn mode(_: &Call<'_>, value: u64) -> Value {
    Value::Word(octal_permissions(value as u32))
}

/// A number of at least three digits, octal behind a 0.
fn octal_permissions(mode: u32) -> String {
    let digits = if mode == 0 { String::from("0") } else { format!("0{mode:o}") };
    format!("{digits:0>3}")
}

/// Kind and permissions.
fn symbolic_mode(mode: u32) -> Value {
    let permissions = octal_permissions(mode & 0o777);
    let mut words = Vec::new();
    let kind = mode & S_IFMT;
    match names::FILE_TYPES.find(u64::from(kind)) {
        Some(name) => words.push(name.to_owned()),
        None if kind != 0 => words.push(octal_permissions(kind)),
        None => {}
    }
    for (bit, name) in [(0o4000, "S_ISUID"), (0o2000, "S_ISGID"), (0o1000, "S_ISVTX")] {
        if mode & bit != 0 {
            words.push(name.to_owned());
        }
    }
    words.push(permissions);
    Value::Word(words.join("|"))
}

/// The mode of mknod.
pub(in super::super) fn node_mode(_: &Call<'_>, value: u64) -> Value {
    symbolic_mode(value as u32)
}

/// A device number.
pub(in super::super) fn device(_: &Call<'_>, value: u64) -> Value {
    let value = value as u32;
    let (major, minor) = (value >> 8 & 0xfff, value & 0xff | value >> 12 & 0xf_ff00);
    makedev(major, minor)
}

fn makedev(major: u32, minor: u32) -> Value {
    Value::Word(format!("makedev({}, {})", hex(u64::from(major)), hex(u64::from(minor))))
}

/// Flags of open.
pub(in super::super) fn open_flags(_: &Call<'_>, value: u64) -> Value {
    Value::Word(open_words(u64::from(value as u32)))
}

/// Flags of open, in words.
pub(in super::super) fn open_words(value: u64) -> String {
    let access = names::ACCESS_MODES.one(value & O_ACCMODE);
    let flags = value & !O_ACCMODE;
    if flags == 0 {
        access
    } else {
        format!("{access}|{}", names::OPEN.bits(flags).replace(" /* O_??? */", ""))
    }
}

/// Whether open takes a mode.
pub(in super::super) const fn takes_mode(flags: u64) -> bool {
    flags & (O_CREAT | O_TMPFILE_BIT) != 0
}

/// `struct stat`.
pub(in super::super) fn stat(call: &Call<'_>, value: u64) -> Value {
    call.at(value, STAT_BYTES, |raw| {
        let mode = raw.u32(24);
        let field = match mode & S_IFMT {
            0o20_000 | 0o60_000 => ("st_rdev", device(call, raw.u64(40))),
            _ => ("st_size", Value::decimal(raw.u64(48))),
        };
        Value::abridged(vec![("st_mode", symbolic_mode(mode)), field])
    })
}

/// `struct statx`.
pub(in super::super) fn statx(call: &Call<'_>, value: u64) -> Value {
    call.at(value, STATX_BYTES, |raw| {
        let mask = u64::from(raw.u32(0));
        let mut fields = vec![
            ("stx_mask", names::STATX.bits_of(mask)),
            ("stx_attributes", names::STATX_ATTR.bits_of(raw.u64(8))),
        ];
        if mask & STATX_TYPE_OR_MODE != 0 {
            fields.push(("stx_mode", symbolic_mode(u32::from(raw.u16(28)))));
        }
        if mask & STATX_SIZE != 0 {
            fields.push(("stx_size", Value::decimal(raw.u64(40))));
        }
        Value::abridged(fields)
    })
}

/// `struct statfs`.
pub(in super::super) fn statfs(call: &Call<'_>, value: u64) -> Value {
    call.at(value, STATFS_BYTES, |raw| {
        let number = |at| Value::decimal(raw.u64(at));
        let id = vec![Value::hex(u64::from(raw.u32(56))), Value::hex(u64::from(raw.u32(60)))];
        Value::whole(vec![
            ("f_type", names::FILE_SYSTEMS.one_of(raw.u64(0))),
            ("f_bsize", number(8)),
            ("f_blocks", number(16)),
            ("f_bfree", number(24)),
            ("f_bavail", number(32)),
            ("f_files", number(40)),
            ("f_ffree", number(48)),
            ("f_fsid", Value::whole(vec![("val", Value::list(id))])),
            ("f_namelen", number(64)),
            ("f_frsize", number(72)),
            ("f_flags", names::STATFS_FLAGS.bits_of(raw.u64(80))),
        ])
    })
}

/// Buffers that are written.
pub(in super::super) fn iovec_in(call: &Call<'_>, value: u64) -> Value {
    iovec(call, value, call.args[2], u64::MAX)
}

/// Buffers that were filled, as far as the result says.
pub(in super::super) fn iovec_out(call: &Call<'_>, value: u64) -> Value {
    iovec(call, value, call.args[2], call.count())
}

/// Buffers of which together `valid` bytes count.
pub(super) fn iovec(call: &Call<'_>, addr: u64, count: u64, valid: u64) -> Value {
    if addr == 0 {
        return Value::address(0);
    }
    let (mut items, mut left) = (Vec::new(), valid);
    for index in 0..count.min(LIST_ITEMS as u64) {
        let Some(raw) = call.raw(addr.wrapping_add(index * 16), 16) else {
            if items.is_empty() {
                return Value::address(addr);
            }
            return Value::List { items, is_cut: true };
        };
        let (base, len) = (raw.u64(0), raw.u64(8));
        let shown = len.min(left);
        left -= shown;
        items.push(Value::whole(vec![
            ("iov_base", call.buffer(base, shown)),
            ("iov_len", Value::decimal(len)),
        ]));
    }
    Value::List { items, is_cut: count > LIST_ITEMS as u64 }
}

/// Ranges of memory that are not the caller's.
pub(in super::super) fn remote_iovec(call: &Call<'_>, value: u64) -> Value {
    call.array(value, call.args[4], 16, |raw| {
        Value::whole(vec![
            ("iov_base", Value::address(raw.u64(0))),
            ("iov_len", Value::decimal(raw.u64(8))),
        ])
    })
}

/// Directory entries: how many there are.
pub(in super::super) fn dirents(call: &Call<'_>, value: u64) -> Value {
    if value == 0 {
        return Value::address(0);
    }
    let bytes = call.view(value, call.count().min(1 << 16) as usize);
    let (mut at, mut entries) = (0, 0);
    while let Some(len) = bytes.get(at + 16..at + 18) {
        let len = usize::from(u16::from_le_bytes([len[0], len[1]]));
        if len == 0 {
            break;
        }
        at += len;
        entries += 1;
    }
    let plural = if entries == 1 { "y" } else { "ies" };
    Value::Word(format!("{value:#x} /* {entries} entr{plural} */"))
}

/// `struct flock`.
pub(in super::super) fn flock(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 32, |raw| Value::whole(flock_fields(raw)))
}

/// `struct flock` with who holds it.
pub(in super::super) fn flock_with_pid(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 32, |raw| {
        let mut fields = flock_fields(raw);
        fields.push(("l_pid", Value::decimal(raw.i32(24))));
        Value::whole(fields)
    })
}

fn flock_fields(raw: &Raw) -> Vec<(&'static str, Value)> {
    vec![
        ("l_type", names::LOCK_TYPES.one_of(u64::from(raw.u16(0)))),
        ("l_whence", names::WHENCE.one_of(u64::from(raw.u16(2)))),
        ("l_start", Value::decimal(raw.i64(8))),
        ("l_len", Value::decimal(raw.i64(16))),
    ]
}

/// The two ends of a pipe, or a pair of sockets.
pub(in super::super) fn fd_pair(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 8, |raw| {
        Value::list(vec![Value::decimal(raw.i32(0)), Value::decimal(raw.i32(4))])
    })
}

/// `struct open_how`.
pub(in super::super) fn open_how(call: &Call<'_>, value: u64) -> Value {
    call.at(value, 24, |raw| {
        let flags = raw.u64(0);
        let mut fields = vec![("flags", Value::Word(open_words(flags)))];
        if takes_mode(flags) || raw.u64(8) != 0 {
            fields.push(("mode", Value::Word(octal_permissions(raw.u64(8) as u32))));
        }
        fields.push(("resolve", Value::hex(raw.u64(16))));
        Value::whole(fields)
    })
}

/// Times of utimensat.
pub(in super::super) fn utimes(call: &Call<'_>, value: u64) -> Value {
    call.array(value, 2, 16, |raw| match raw.i64(8) {
        0x3fff_ffff => Value::word("UTIME_NOW"),
        0x3fff_fffe => Value::word("UTIME_OMIT"),
        _ => timestamp_field(raw, 0, "tv_nsec"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_flags_in_words() {
        assert_eq!(octal_permissions(0), "000");
        assert_eq!(octal_permissions(0o22), "022");
        assert_eq!(octal_permissions(0o644), "0644");
        assert_eq!(symbolic_mode(0o100_755), Value::word("S_IFREG|0755"));
        assert_eq!(symbolic_mode(0o41_777), Value::word("S_IFDIR|S_ISVTX|0777"));
        assert_eq!(open_words(0), "O_RDONLY");
        assert_eq!(open_words(0o2_000_102), "O_RDWR|O_CREAT|O_CLOEXEC");
        assert!(takes_mode(0o101) && !takes_mode(0o1));
    }
}
