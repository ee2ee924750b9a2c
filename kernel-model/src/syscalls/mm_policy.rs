//! Memory on nodes, protection keys, and memory calls of kernels that are built otherwise.
//!
//! The machine is one node, so a policy is checked and has no effect; a task's policy is not
//! kept. There are no protection keys, as on processors without PKU.
//! Source: Linux 6.18 `mm/mempolicy.c`, `mm/mprotect.c`, set_mempolicy(2), pkeys(7).

use perf_core::{Errno, TaskId};

use super::mm::sys_mprotect;
use super::table::Syscall;
use crate::kernel::Kernel;
use crate::mm::layout::{PAGE_SIZE, TASK_SIZE_MAX, offset_in_page, page_align_up};

const NO_KEEP: &str = "checked and without effect: there is one node";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::refused(216, "remap_file_pages", Errno::EINVAL, "no nonlinear mappings"),
    Syscall::plain(237, "mbind", sys_mbind).partial(NO_KEEP),
    Syscall::plain(238, "set_mempolicy", |kernel, _, args| {
        check_policy(kernel, args[0], args[1], args[2])?;
        Ok(0)
    })
    .partial(NO_KEEP),
    Syscall::plain(239, "get_mempolicy", sys_get_mempolicy)
        .partial("always the default policy and node 0"),
    Syscall::plain(256, "migrate_pages", sys_migrate_pages).partial("there is one node"),
    Syscall::absent(323, "userfaultfd", "a Linux without CONFIG_USERFAULTFD"),
    Syscall::plain(329, "pkey_mprotect", |kernel, task, args| match args[3] as i32 {
        -1 => sys_mprotect(kernel, task, args),
        _ => Err(Errno::EINVAL),
    })
    .partial("no keys, as on processors without them"),
    Syscall::plain(330, "pkey_alloc", |_, _, args| {
        let is_wrong = args[0] != 0 || args[1] & !3 != 0;
        Err(if is_wrong { Errno::EINVAL } else { Errno::ENOSPC })
    })
    .partial("no keys, as on processors without them"),
    Syscall::plain(331, "pkey_free", |_, _, _| Err(Errno::EINVAL))
        .partial("no keys, as on processors without them"),
    Syscall::absent(447, "memfd_secret", "a Linux without CONFIG_SECRETMEM"),
];

const MPOL_DEFAULT: u64 = 0;
const MPOL_PREFERRED: u64 = 1;
const MPOL_LOCAL: u64 = 4;
const MPOL_WEIGHTED_INTERLEAVE: u64 = 6;
/// Flags beside the mode: STATIC_NODES, RELATIVE_NODES, NUMA_BALANCING.
const MPOL_MODE_FLAGS: u64 = 0xe000;
const MPOL_STATIC_OR_RELATIVE: u64 = 0xc000;
/// Bits of a page of node numbers, the most that are read.
const MAX_NODE_BITS: u64 = 8 * PAGE_SIZE;

/// Whether a mode goes with a set of nodes (`sanitize_mpol_flags`, `get_nodes`, `mpol_new`).
fn check_policy(kernel: &mut Kernel, mode: u64, mask_at: u64, max_node: u64) -> Result<(), Errno> {
    let mode_flags = mode & MPOL_MODE_FLAGS;
    let mode = mode & 0xffff_ffff & !MPOL_MODE_FLAGS;
    if mode > MPOL_WEIGHTED_INTERLEAVE
        || mode_flags & MPOL_STATIC_OR_RELATIVE == MPOL_STATIC_OR_RELATIVE
    {
        return Err(Errno::EINVAL);
    }
    let nodes = read_nodes(kernel, mask_at, max_node)?;
    let is_right = match mode {
        MPOL_DEFAULT | MPOL_LOCAL => nodes == 0 && mode_flags == 0,
        MPOL_PREFERRED => nodes == 0 && mode_flags == 0 || nodes == 1,
        _ => nodes == 1,
    };
    if is_right { Ok(()) } else { Err(Errno::EINVAL) }
}

/// The set of nodes at an address: empty, or node 0.
fn read_nodes(kernel: &mut Kernel, at: u64, max_node: u64) -> Result<u64, Errno> {
    let nr_bits = max_node.wrapping_sub(1);
    if max_node == 0 || nr_bits == 0 || at == 0 {
        return Ok(0);
    }
    if nr_bits > MAX_NODE_BITS {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; nr_bits.div_ceil(64) as usize * 8];
    kernel.copy_from_user(at, &mut bytes)?;
    for bit in nr_bits..bytes.len() as u64 * 8 {
        bytes[(bit / 8) as usize] &= !(1 << (bit % 8));
    }
    if bytes[0] & !1 != 0 || bytes[1..].iter().any(|byte| *byte != 0) {
        return Err(Errno::EINVAL);
    }
    Ok(u64::from(bytes[0]))
}

fn sys_mbind(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const MPOL_MF_VALID: u64 = 7;

    let [addr, len, mode, mask_at, max_node, flags] = *args;
    if flags & !MPOL_MF_VALID != 0 || offset_in_page(addr) != 0 {
        return Err(Errno::EINVAL);
    }
    check_policy(kernel, mode, mask_at, max_node)?;
    let len = page_align_up(len).ok_or(Errno::EINVAL)?;
    let end = addr.checked_add(len).ok_or(Errno::EINVAL)?;
    if !kernel.tasks.space_of_mut(task).is_mapped(addr, end) {
        return Err(Errno::EFAULT);
    }
    Ok(0)
}

fn sys_get_mempolicy(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const MPOL_F_NODE: u64 = 1;
    const MPOL_F_ADDR: u64 = 2;
    const MPOL_F_MEMS_ALLOWED: u64 = 4;

    let [mode_at, mask_at, max_node, addr, flags, _] = *args;
    if mask_at != 0 && max_node < 1
        || flags & !(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED) != 0
        || flags & MPOL_F_MEMS_ALLOWED != 0 && flags != MPOL_F_MEMS_ALLOWED
        || flags & MPOL_F_ADDR == 0 && (addr != 0 || flags & MPOL_F_NODE != 0)
    {
        return Err(Errno::EINVAL);
    }
    if flags & MPOL_F_ADDR != 0 && kernel.tasks.space_of_mut(task).find_vma(addr).is_none() {
        return Err(Errno::EFAULT);
    }
    if mode_at != 0 {
        kernel.write_user_u32(mode_at, 0)?;
    }
    if mask_at != 0 {
        let nr_bytes = (max_node - 1).min(MAX_NODE_BITS).div_ceil(64) * 8;
        if mask_at.checked_add(nr_bytes).is_none_or(|end| end > TASK_SIZE_MAX) {
            return Err(Errno::EFAULT);
        }
        let mut bytes = vec![0; nr_bytes as usize];
        if let Some(first) = bytes.first_mut() {
            *first = u8::from(flags & MPOL_F_MEMS_ALLOWED != 0);
        }
        kernel.copy_to_user(mask_at, &bytes)?;
    }
    Ok(0)
}

fn sys_migrate_pages(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [pid, max_node, old_at, new_at, ..] = *args;
    read_nodes(kernel, old_at, max_node)?;
    let new = read_nodes(kernel, new_at, max_node)?;
    let own = kernel.tasks.process_of(task).pid;
    if pid as u32 != 0 && pid as u32 != own && kernel.tasks.find_pid(pid as u32).is_none() {
        return Err(Errno::ESRCH);
    }
    if new == 0 { Err(Errno::EINVAL) } else { Ok(0) }
}
