//! `struct user_regs_struct`: general registers as a tracer reads and writes them.
//! Source: Linux 6.18 `arch/x86/kernel/ptrace.c` (`getreg`, `putreg`),
//! `arch/x86/include/asm/user_64.h`.

use perf_core::Errno;

use super::step::TF;
use crate::arch::x86::pt_regs::{R8, R9, R10, R11, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP};
use crate::mm::layout::TASK_SIZE_MAX;
use crate::task::Task;

/// Words of the structure.
pub(super) const NR_WORDS: usize = 27;
/// Bytes of the structure.
pub(super) const USER_REGS_BYTES: usize = 8 * NR_WORDS;

/// R12 to R15 stand in the registers from here on.
const R12: usize = 12;
/// General registers in the order of the structure's first words.
const ORDER: [usize; 15] =
    [R12 + 3, R12 + 2, R12 + 1, R12, RBP, RBX, R11, R10, R9, R8, RAX, RCX, RDX, RSI, RDI];
const ORIG_RAX: usize = 15;
const RIP: usize = 16;
const CS: usize = 17;
const EFLAGS: usize = 18;
const SP: usize = 19;
const SS: usize = 20;
const FS_BASE: usize = 21;
const GS_BASE: usize = 22;
const DS: usize = 23;
const ES: usize = 24;
const FS: usize = 25;
const GS: usize = 26;

/// RFLAGS that a tracer may set (`FLAG_MASK`): CF, PF, AF, ZF, SF, TF, DF, OF, NT, RF, AC.
const FLAG_MASK: u64 = 0xd5 | TF | 0x400 | 0x800 | 0x4000 | 0x1_0000 | 0x4_0000;

/// Word `index` of the structure.
pub(super) fn getreg(task: &Task, index: usize) -> u64 {
    let regs = &task.regs;
    match index {
        ORIG_RAX => regs.orig_ax,
        RIP => regs.ip,
        CS => u64::from(regs.cs),
        EFLAGS => task.step.shown_flags(regs.flags),
        SP => regs.gpr[RSP],
        SS => u64::from(regs.ss),
        FS_BASE => task.fs_base,
        GS_BASE => task.gs_base,
        DS => u64::from(task.arch.selectors.ds),
        ES => u64::from(task.arch.selectors.es),
        FS => u64::from(task.arch.selectors.fs),
        GS => u64::from(task.arch.selectors.gs),
        _ => ORDER.get(index).map_or(0, |&reg| regs.gpr[reg]),
    }
}

/// Writes word `index`.
///
/// # Errors
/// EIO for selectors of the kernel, a null CS or SS, and bases beyond user space.
pub(super) fn putreg(task: &mut Task, index: usize, value: u64) -> Result<(), Errno> {
    match index {
        ORIG_RAX => task.regs.orig_ax = value,
        RIP => task.regs.ip = value,
        EFLAGS => {
            let value = task.step.accept_flags(value & FLAG_MASK);
            task.regs.flags = task.regs.flags & !FLAG_MASK | value;
        }
        SP => task.regs.gpr[RSP] = value,
        CS => task.regs.cs = user_selector(value).filter(|cs| *cs != 0).ok_or(Errno::EIO)?,
        SS => task.regs.ss = user_selector(value).filter(|ss| *ss != 0).ok_or(Errno::EIO)?,
        FS_BASE if value < TASK_SIZE_MAX => task.fs_base = value,
        GS_BASE if value < TASK_SIZE_MAX => task.gs_base = value,
        FS_BASE | GS_BASE => return Err(Errno::EIO),
        _ => match ORDER.get(index) {
            Some(&reg) => task.regs.gpr[reg] = value,
            None => {
                let selector = user_selector(value).ok_or(Errno::EIO)?;
                let selectors = &mut task.arch.selectors;
                match index {
                    DS => selectors.ds = selector,
                    ES => selectors.es = selector,
                    FS => selectors.fs = selector,
                    _ => selectors.gs = selector,
                }
            }
        },
    }
    Ok(())
}

/// A selector that user mode may have; 0 is among them (`invalid_selector`).
fn user_selector(value: u64) -> Option<u16> {
    let selector = value as u16;
    (selector == 0 || selector & 3 == 3).then_some(selector)
}

/// The whole structure.
pub(super) fn user_regs(task: &Task) -> [u8; USER_REGS_BYTES] {
    let mut bytes = [0; USER_REGS_BYTES];
    for index in 0..NR_WORDS {
        crate::uapi::put(&mut bytes, 8 * index, getreg(task, index).to_le_bytes());
    }
    bytes
}

/// Writes the words of which `bytes` consists, from the first on.
///
/// # Errors
/// As [`putreg`]; words before that have been written.
pub(super) fn set_user_regs(task: &mut Task, bytes: &[u8]) -> Result<(), Errno> {
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().take(NR_WORDS).enumerate() {
        putreg(task, index, u64::from_le_bytes(*word))?;
    }
    Ok(())
}
