//! Replacing a task's program: what execve does once the file, its interpreters and the strings
//! are known.
//!
//! [`Bprm`] is Linux's `linux_binprm`: everything that an exec needs of the old program. The
//! order follows `begin_new_exec`: other threads go first, then the old memory, then what the
//! new program must not inherit; perf events come before the new name, mappings after it
//! (linux-hw-breakpoint rules 3.11.6 and 3.12.1).
//! Source: Linux 6.18 `fs/exec.c`, `fs/binfmt_elf.c`.

use perf_core::{CommChange, Errno, TaskId};

use super::{Kernel, comm_of};
use crate::arch::x86::fpu::FpuState;
use crate::arch::x86::hw::Hw;
use crate::arch::x86::pt_regs::PtRegs;
use crate::arch::x86::segments::ThreadStruct;
use crate::arch::x86::vdso::{VDSO_BYTES, VDSO_NAME};
use crate::exec::elf::ElfImage;
use crate::exec::load::{self, LoadedElf, ProgramFile, Role};
use crate::exec::stack;
use crate::fs::inode::InodeId;
use crate::fs::namei::Node;
use crate::fs::permission::{MAY_READ, S_ISGID, S_ISUID};
use crate::mm::address_space::AddressSpace;
use crate::mm::frame::FrameAllocator;
use crate::mm::mmap::{MapSource, MmapArgs, map};
use crate::mm::page_object::PageObject;
use crate::mm::vma::{MappedFile, Prot, Vma, VmaName};
use crate::signal::SigInfo;
use crate::signal::jobctl::{GroupStop, Jobctl};
use crate::syscalls::Outcome;
use crate::task::ProcessId;
use crate::task::cred::{Cap, Cred, Dumpable, Ids, SetIds};
use crate::task::wait::{Channel, WaitFor};
use crate::uapi::signal::{SIGCHLD, SIGSEGV};

/// A set-group-id program: without the right to execute the bit means something else.
const SET_GROUP: u32 = S_ISGID | 0o010;

/// A program's file, read.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The file.
    pub inode: InodeId,
    /// Its path.
    pub path: Vec<u8>,
    /// Its headers.
    pub elf: ElfImage,
}

/// A program that is to run, with what it is given.
#[derive(Clone, Debug)]
pub(crate) struct Bprm {
    /// The path as execve was given it: AT_EXECFN, and the task's name.
    pub filename: Vec<u8>,
    /// The program that runs: of a script, the last interpreter.
    pub program: Program,
    /// The program that loads it (PT_INTERP).
    pub loader: Option<Program>,
    /// Arguments, those of interpreters included.
    pub argv: Vec<Vec<u8>>,
    /// Environment.
    pub envp: Vec<Vec<u8>>,
    /// Bytes for AT_RANDOM.
    pub random: [u8; 16],
}

/// Where a loaded program starts.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    /// Registers at the first instruction.
    pub(crate) regs: PtRegs,
    /// The auxiliary vector.
    pub(crate) auxv: Vec<(u64, u64)>,
}

/// Whether the threads beside the one that calls exec have gone (`de_thread`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeThread {
    /// The caller is the only thread, and the leader.
    Alone,
    /// It has to wait.
    Wait(WaitFor),
}

fn is_vdso(vma: &Vma) -> bool {
    matches!(&vma.name, VmaName::File(file) if file.path == VDSO_NAME)
}

/// Maps the vDSO where a mapping without a wish would go (`map_vdso_randomized`, without
/// randomisation); tells where.
fn map_vdso(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    space: &mut AddressSpace,
    pages: &PageObject,
) -> Result<u64, Errno> {
    let prot = Prot::READ.with(Prot::EXEC);
    let file = MappedFile::unnumbered(VDSO_NAME);
    let source =
        MapSource::File { object: pages, nr_bytes: VDSO_BYTES, file: &file, max_shared: prot };
    let args = MmapArgs {
        addr: 0,
        len: VDSO_BYTES,
        prot: u64::from(prot.bits()),
        flags: map::PRIVATE,
        offset: 0,
    };
    space.mmap(hw, frames, &args, &source)
}

impl Kernel {
    /// How a mapping of a file is shown.
    pub(crate) fn mapped_file(&self, id: InodeId, path: Vec<u8>) -> MappedFile {
        let device = self.stat_node(Node::Inode(id)).map_or(0, |stat| stat.device);
        MappedFile { path: String::from_utf8_lossy(&path).into_owned(), device, inode: id.0 }
    }

    /// Maps one program's file.
    fn map_program(
        &mut self,
        space: &mut AddressSpace,
        program: &Program,
        role: Role,
    ) -> Result<LoadedElf, Errno> {
        let id = program.inode;
        for segment in &program.elf.segments {
            self.file_load(id, segment.offset, segment.file_bytes)?;
        }
        let object = self.file_map(id, 0, 0)?;
        let nr_bytes = self.regular(id)?.nr_bytes();
        let shown = self.mapped_file(id, program.path.clone());
        let file = ProgramFile { object: &object, nr_bytes, shown: &shown };
        let (hw, frames) = (&mut self.hw, &mut self.frames);
        let loaded = load::load_elf(hw, frames, space, &program.elf, &file, role);
        object.release(hw, frames);
        loaded
    }

    /// Maps a program into an empty address space and builds its stack. Answers where
    /// it starts.
    fn load_binary(
        &mut self,
        space: &mut AddressSpace,
        bprm: &Bprm,
        ids: stack::Ids,
    ) -> Result<Started, Errno> {
        let loaded = self.map_program(space, &bprm.program, Role::Main)?;
        let loader = match &bprm.loader {
            Some(loader) => Some(self.map_program(space, loader, Role::Interpreter)?),
            None => None,
        };
        let (hw, frames) = (&mut self.hw, &mut self.frames);
        let vdso = map_vdso(hw, frames, space, &self.vdso)?;
        let spec = stack::StackSpec {
            argv: &bprm.argv,
            envp: &bprm.envp,
            path: &bprm.filename,
            random: bprm.random,
            ids,
            hwcap: hw.hwcap(),
            hwcap2: hw.hwcap2(),
            minsigstksz: hw.fpu_format().min_signal_stack(),
            interp_base: loader.map_or(0, |loader| loader.load_bias),
            sysinfo_ehdr: Some(vdso),
        };
        let first = stack::build(hw, frames, space, &bprm.program.elf, &loaded, &spec)?;
        let entry = loader.map_or(loaded.entry, |loader| loader.entry);
        Ok(Started { regs: PtRegs::new_user(entry, first.rsp), auxv: first.auxv })
    }

    /// Ends the process's other threads; the caller becomes its leader and takes its id.
    ///
    /// # Errors
    /// EAGAIN where another thread is about to exec, or the process ends.
    pub(crate) fn de_thread(&mut self, task: TaskId) -> Result<DeThread, Errno> {
        let id = self.tasks.task(task).process;
        let process = self.tasks.process_of_mut(task);
        if process.exiting.is_some() || process.exec_task.is_some_and(|other| other != task) {
            return Err(Errno::EAGAIN);
        }
        if process.threads.len() > 1 || !process.zombie_threads.is_empty() {
            process.exec_task = Some(task);
            process.group_stop = GroupStop::default();
            let others: Vec<TaskId> =
                process.threads.iter().copied().filter(|thread| *thread != task).collect();
            for thread in others {
                let trace = &mut self.tasks.task_mut(thread).trace;
                trace.jobctl.clear(Jobctl::PENDING_MASK);
                trace.fatal_pending = true;
                self.wake_to_die(thread);
            }
            let channels = vec![Channel::Exec(id)];
            return Ok(DeThread::Wait(WaitFor { channels, ..WaitFor::default() }));
        }
        process.exec_task = None;
        process.exit_signal = SIGCHLD;
        let (pid, leader) = (process.pid, process.leader);
        if leader != task {
            self.finish_vfork(id);
            self.tasks.process_of_mut(task).leader = task;
            self.tasks.tasks.remove(&leader);
            self.tasks.task_mut(task).tid = pid;
            if self.init == Some(leader) {
                self.init = Some(task);
            }
        }
        Ok(DeThread::Alone)
    }

    /// One thread of a process has gone: the one that waits in exec may go on.
    pub(crate) fn wake_exec(&mut self, process: ProcessId) {
        let Some(entry) = self.tasks.processes.get(&process) else { return };
        let is_alone = entry.threads.len() == 1 && entry.zombie_threads.is_empty();
        if entry.exec_task.is_some() && is_alone {
            self.wake(Channel::Exec(process));
        }
    }

    /// Gives the current task, which is alone in its process, another program. What fails before
    /// the old memory is gone is execve's answer; afterwards the task dies of SIGSEGV.
    pub(crate) fn begin_new_exec(&mut self, task: TaskId, bprm: &Bprm) -> Outcome {
        let limit = self.tasks.space_of_mut(task).stack_limit();
        let space = AddressSpace::with_stack_limit(
            &mut self.hw,
            &mut self.frames,
            &self.layout.template,
            limit,
        );
        let space = match space {
            Ok(space) => space,
            Err(errno) => return Outcome::Done(Err(errno)),
        };
        self.hold_program(task, bprm);
        self.exec_mmap(task, space);
        self.flush_thread(task);
        self.delete_posix_timers(self.tasks.task(task).process);
        let process = self.tasks.process_of_mut(task);
        let closed = process.files.close_on_exec(&mut self.files);
        self.after_close(closed);
        let entry = self.tasks.task_mut(task);
        entry.altstack = (0, 0, 0);
        entry.rseq = None;
        self.tasks.process_of_mut(task).membarrier = 0;
        self.exec_perf(task, bprm);
        let process = self.tasks.process_of_mut(task);
        process.handlers.flush_for_exec();
        self.exec_cred(task, bprm);
        if self.load_into(task, bprm).is_err() {
            self.force_fatal_signal(task, SigInfo::from_kernel(SIGSEGV));
        }
        if let Some(loader) = &bprm.loader {
            self.put_inode(loader.inode);
        }
        Outcome::RegistersSet
    }

    /// The credentials of the new program, and whether others may look into it.
    fn exec_cred(&mut self, task: TaskId, bprm: &Bprm) {
        let file = bprm.program.inode;
        let readable = self.permission(task, Node::Inode(file), MAY_READ).is_ok();
        let new = self.set_ids_of(task, file);
        let cred = &mut self.tasks.task_mut(task).cred;
        cred.exec(new);
        let same = |ids: Ids| ids.real == ids.effective;
        let plain = same(cred.user) && same(cred.group) && readable;
        let process = self.tasks.process_of_mut(task);
        process.dumpable = if plain { Dumpable::Yes } else { Dumpable::No };
    }

    /// What a program's set-id bits give a task (`bprm_fill_uid`): nothing with
    /// PR_SET_NO_NEW_PRIVS, or under a tracer without privileges.
    fn set_ids_of(&self, task: TaskId, file: InodeId) -> SetIds {
        let entry = self.tasks.task(task);
        let (inode, cred) = (self.vfs.inode(file), &entry.cred);
        let tracer = entry.trace.tracer().and_then(|tracer| self.tasks.tasks.get(&tracer));
        let is_watched = tracer.is_some_and(|tracer| !tracer.cred.capable(Cap::SysPtrace));
        if cred.no_new_privs || is_watched && !cred.capable(Cap::Setuid) {
            return SetIds::default();
        }
        let runs_as_group = inode.permissions & SET_GROUP == SET_GROUP;
        SetIds {
            user: (inode.permissions & S_ISUID != 0).then_some(inode.uid),
            group: runs_as_group.then_some(inode.gid),
        }
    }

    /// The process's program file is another one; the loader's is kept until it is mapped.
    pub(super) fn hold_program(&mut self, task: TaskId, bprm: &Bprm) {
        self.vfs.get(bprm.program.inode);
        if let Some(loader) = &bprm.loader {
            self.vfs.get(loader.inode);
        }
        let process = self.tasks.process_of_mut(task);
        process.exe_path = String::from_utf8_lossy(&bprm.program.path).into_owned();
        if let Some(before) = process.exe.replace(bprm.program.inode) {
            self.put_inode(before);
        }
    }

    /// Leaves the old address space for an empty one (`exec_mmap`, `exec_mm_release`).
    fn exec_mmap(&mut self, task: TaskId, space: AddressSpace) {
        self.exit_robust_list(task);
        self.tasks.task_mut(task).robust_list = (0, 0);
        self.clear_child_tid(task);
        self.finish_vfork(self.tasks.task(task).process);
        let cr3 = space.cr3();
        let new = self.tasks.add_space(space);
        let old = std::mem::replace(&mut self.tasks.task_mut(task).mm, new);
        self.hw.write_cr3(self.this_cpu, cr3);
        self.put_mm(old);
    }

    /// What belongs to the thread's old program goes: vector state, segment bases, and the
    /// debug registers that ptrace set (`flush_thread`).
    fn flush_thread(&mut self, task: TaskId) {
        self.flush_ptrace_hw_breakpoint(task);
        self.load_fpu(task, &FpuState::default());
        let entry = self.tasks.task_mut(task);
        (entry.fs_base, entry.gs_base) = (0, 0);
        entry.arch = ThreadStruct { tsc: entry.arch.tsc, ..ThreadStruct::default() };
        entry.user_dispatch = None;
        self.load_segments(self.this_cpu, task);
    }

    /// Perf events of the task, then its new name.
    fn exec_perf(&mut self, task: TaskId, bprm: &Bprm) {
        self.exec_task_perf(task);
        self.tasks.task_mut(task).comm = comm_of(&String::from_utf8_lossy(&bprm.filename));
        self.perf_event_comm(task, CommChange::Exec);
    }

    /// Loads the program into the task's empty address space.
    pub(super) fn load_into(&mut self, task: TaskId, bprm: &Bprm) -> Result<(), Errno> {
        let mm = self.tasks.task(task).mm;
        let Cred { user, group, .. } = &self.tasks.task(task).cred;
        let ids = stack::Ids {
            uid: user.real,
            euid: user.effective,
            gid: group.real,
            egid: group.effective,
        };
        let Some((mut space, users)) = self.tasks.spaces.remove(&mm) else {
            return Err(Errno::ENOMEM);
        };
        let loaded = self.load_binary(&mut space, bprm, ids);
        // In the order of mapping: the program, its interpreter, the vDSO (rule 3.11.6).
        let (last, mut mapped): (Vec<&Vma>, Vec<&Vma>) = space.vmas().partition(|vma| is_vdso(vma));
        mapped.extend(last);
        let mapped: Vec<u64> = mapped.into_iter().map(|vma| vma.start).collect();
        self.tasks.spaces.insert(mm, (space, users));
        let started = loaded?;
        for start in mapped {
            self.perf_event_mmap(task, start);
        }
        // Tracers still see which call it is.
        let entry = self.tasks.task_mut(task);
        entry.regs = PtRegs { orig_ax: entry.regs.orig_ax, ..started.regs };
        self.tasks.process_of_mut(task).auxv = started.auxv;
        Ok(())
    }
}
