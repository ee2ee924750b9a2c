//! `/proc/sysvipc` and the limits in `/proc/sys/kernel`.
//! Source: Linux 6.18 `ipc/ipc_sysctl.c`, the `sysvipc_*_proc_show` of `ipc/`.

use std::fmt::Write;

use crate::fs::pseudo::PseudoFile;
use crate::kernel::Kernel;
use crate::mm::layout::PAGE_SIZE;
use crate::uapi::ipc::{MSGMAX, MSGMNB, MSGMNI, SEMMNI, SEMMNS, SEMMSL, SEMOPM, SHMMAX, SHMMNI};

pub(crate) const FILES: &[PseudoFile] = &[
    PseudoFile::text("/proc/sysvipc/msg", |kernel, _| msg(kernel).into_bytes()),
    PseudoFile::text("/proc/sysvipc/sem", |kernel, _| sem(kernel).into_bytes()),
    PseudoFile::text("/proc/sysvipc/shm", |kernel, _| shm(kernel).into_bytes()),
    PseudoFile::text("/proc/sys/kernel/msgmax", |_, _| line(MSGMAX)),
    PseudoFile::text("/proc/sys/kernel/msgmnb", |_, _| line(MSGMNB)),
    PseudoFile::text("/proc/sys/kernel/msgmni", |_, _| line(u64::from(MSGMNI))),
    PseudoFile::text("/proc/sys/kernel/sem", |_, _| {
        format!("{SEMMSL}\t{SEMMNS}\t{SEMOPM}\t{SEMMNI}\n").into_bytes()
    }),
    PseudoFile::text("/proc/sys/kernel/shm_rmid_forced", |_, _| line(0)),
    PseudoFile::text("/proc/sys/kernel/shmall", |_, _| line(SHMMAX)),
    PseudoFile::text("/proc/sys/kernel/shmmax", |_, _| line(SHMMAX)),
    PseudoFile::text("/proc/sys/kernel/shmmni", |_, _| line(u64::from(SHMMNI))),
];

fn line(number: u64) -> Vec<u8> {
    format!("{number}\n").into_bytes()
}

fn msg(kernel: &Kernel) -> String {
    let mut text = "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  \
                    cuid  cgid      stime      rtime      ctime\n"
        .to_owned();
    for object in kernel.ipc.msgs.iter() {
        let (perm, queue) = (&object.perm, &object.body);
        let _fits = writeln!(
            text,
            "{:10} {:10}  {:4o}  {:10} {:10} {:5} {:5} {:5} {:5} {:5} {:5} {:10} {:10} {:10}",
            perm.key,
            object.id,
            perm.mode,
            queue.nr_bytes(),
            queue.len(),
            queue.last_sender,
            queue.last_receiver,
            perm.uid,
            perm.gid,
            perm.cuid,
            perm.cgid,
            queue.stime,
            queue.rtime,
            queue.ctime,
        );
    }
    text
}

fn sem(kernel: &Kernel) -> String {
    let mut text =
        "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      \
                    ctime\n"
            .to_owned();
    for object in kernel.ipc.sems.iter() {
        let (perm, set) = (&object.perm, &object.body);
        let _fits = writeln!(
            text,
            "{:10} {:10}  {:4o} {:10} {:5} {:5} {:5} {:5} {:10} {:10}",
            perm.key,
            object.id,
            perm.mode,
            set.sems().len(),
            perm.uid,
            perm.gid,
            perm.cuid,
            perm.cgid,
            set.otime,
            set.ctime,
        );
    }
    text
}

fn shm(kernel: &Kernel) -> String {
    let mut text = concat!(
        "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid",
        "  cgid      atime      dtime      ctime                   rss                  swap\n"
    )
    .to_owned();
    for object in kernel.ipc.shms.iter() {
        let (perm, segment) = (&object.perm, &object.body);
        let pages = segment.object.pages_between(&kernel.hw, 0, segment.nr_pages()).len() as u64;
        let _fits = writeln!(
            text,
            "{:10} {:10}  {:4o} {:21} {:5} {:5}  {:5} {:5} {:5} {:5} {:5} {:10} {:10} {:10} \
             {:21} {:21}",
            perm.key,
            object.id,
            perm.mode,
            segment.nr_bytes,
            segment.creator,
            segment.last,
            segment.nr_attached(&kernel.frames),
            perm.uid,
            perm.gid,
            perm.cuid,
            perm.cgid,
            segment.atime,
            segment.dtime,
            segment.ctime,
            pages * PAGE_SIZE,
            0,
        );
    }
    text
}
