//! How what the guest saw of the host is laid out: mounts, names, bytes of files.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use kernel_model::fs::host::{HostMount, MountAccess};
use kernel_model::inputs::{HostEntry, HostKind, HostPlace};
use perf_core::Errno;

use super::decode::{Decoder, PayloadError};
use super::encode::Encoder;
use crate::session::event::Content;
use crate::session::host_tree::Mount;

/// Kinds by their number in the file.
const KINDS: [HostKind; 7] = [
    HostKind::Regular,
    HostKind::Directory,
    HostKind::Link,
    HostKind::Fifo,
    HostKind::Socket,
    HostKind::Block,
    HostKind::Character,
];

/// Least bytes of a name.
const LEAST_ENTRY_BYTES: u64 = 45;

/// A mount: the host's path, the guest's, and whether it can be changed.
pub(super) fn put_mount(out: &mut Encoder, mount: &Mount) {
    out.bytes(mount.host.as_os_str().as_bytes());
    out.bytes(&mount.guest.target);
    out.u8(u8::from(mount.guest.access == MountAccess::ReadOnly));
}

pub(super) fn get_mount(from: &mut Decoder<'_>) -> Result<Mount, PayloadError> {
    let host = PathBuf::from(OsString::from_vec(from.bytes("mounted path")?));
    let target = from.bytes("mount point")?;
    let access = match from.u8("mount access")? {
        0 => MountAccess::CopyOnWrite,
        1 => MountAccess::ReadOnly,
        value => {
            return Err(PayloadError::Unknown { what: "mount access", value: u64::from(value) });
        }
    };
    Ok(Mount { host, guest: HostMount { target, access } })
}

pub(super) fn put_place(out: &mut Encoder, place: &HostPlace) {
    out.u32(place.mount);
    out.bytes(&place.path);
}

pub(super) fn get_place(from: &mut Decoder<'_>) -> Result<HostPlace, PayloadError> {
    Ok(HostPlace { mount: from.u32("mount")?, path: from.bytes("path on the host")? })
}

/// 0 and the value, or the errno.
pub(super) fn put_answer<T>(
    out: &mut Encoder,
    answer: &Result<T, Errno>,
    each: impl FnOnce(&mut Encoder, &T),
) {
    match answer {
        Ok(value) => {
            out.u8(0);
            each(out, value);
        }
        Err(errno) => out.u8(errno.number() as u8),
    }
}

pub(super) fn get_answer<T>(
    from: &mut Decoder<'_>,
    each: impl FnOnce(&mut Decoder<'_>) -> Result<T, PayloadError>,
) -> Result<Result<T, Errno>, PayloadError> {
    let number = from.u8("errno")?;
    if number == 0 {
        return each(from).map(Ok);
    }
    let found = Errno::ALL.iter().copied().find(|errno| errno.number() == i32::from(number));
    let unknown = PayloadError::Unknown { what: "errno", value: u64::from(number) };
    found.map(Err).ok_or(unknown)
}

pub(super) fn put_entry(out: &mut Encoder, entry: &HostEntry) {
    out.bytes(&entry.name);
    let kind = KINDS.iter().position(|kind| *kind == entry.kind).unwrap_or(0);
    out.u8(kind as u8);
    out.u32(entry.permissions);
    out.u32(entry.uid);
    out.u32(entry.gid);
    out.u64(entry.nr_bytes);
    out.u64(entry.modified_ns);
    out.bytes(&entry.target);
}

pub(super) fn get_entry(from: &mut Decoder<'_>) -> Result<HostEntry, PayloadError> {
    let name = from.bytes("name")?;
    let kind = from.u8("kind of file")?;
    let unknown = PayloadError::Unknown { what: "kind of file", value: u64::from(kind) };
    Ok(HostEntry {
        name,
        kind: KINDS.get(usize::from(kind)).copied().ok_or(unknown)?,
        permissions: from.u32("rights")?,
        uid: from.u32("owner")?,
        gid: from.u32("group")?,
        nr_bytes: from.u64("size")?,
        modified_ns: from.u64("time of change")?,
        target: from.bytes("target of a link")?,
    })
}

pub(super) fn put_entries(out: &mut Encoder, entries: &[HostEntry]) {
    out.list(entries, put_entry);
}

pub(super) fn get_entries(from: &mut Decoder<'_>) -> Result<Vec<HostEntry>, PayloadError> {
    from.list("names", LEAST_ENTRY_BYTES, get_entry)
}

pub(super) fn put_content(out: &mut Encoder, content: &Content) {
    out.raw(&content.hash);
    out.option(content.bytes.as_deref(), Encoder::bytes);
}

pub(super) fn get_content(from: &mut Decoder<'_>) -> Result<Content, PayloadError> {
    Ok(Content {
        hash: from.array("hash of a file's bytes")?,
        bytes: from.option("bytes of a file", |from| from.bytes("bytes of a file"))?,
    })
}
