//! System calls that this kernel is configured without, and those that no Linux has any more.
//!
//! They answer what such a Linux answers, ENOSYS, which programs expect and handle.
//! Source: Linux 6.18 `kernel/sys_ni.c`, `arch/x86/entry/syscalls/syscall_64.tbl`.

use perf_core::Errno;

use super::table::Syscall;

const NO_AIO: &str = "a Linux without CONFIG_AIO";
const NO_IO_URING: &str = "a Linux without CONFIG_IO_URING";
const NO_KEYS: &str = "a Linux without CONFIG_KEYS";
const NO_MODULES: &str = "a Linux without CONFIG_MODULES";
const NO_KEXEC: &str = "a Linux without CONFIG_KEXEC";
const NO_QUOTA: &str = "a Linux without CONFIG_QUOTACTL";
const NO_SWAP: &str = "a Linux without CONFIG_SWAP";
const NO_FANOTIFY: &str = "a Linux without CONFIG_FANOTIFY";
const NO_FHANDLE: &str = "a Linux without CONFIG_FHANDLE";
const NO_LANDLOCK: &str = "a Linux without CONFIG_SECURITY_LANDLOCK";
const NO_LSM: &str = "a Linux without CONFIG_SECURITY";
/// As the Linux on which the programs of this field were measured.
const NO_IOPL: &str = "a Linux without CONFIG_X86_IOPL_IOPERM";
/// A number whose call is gone, or never came.
const GONE: &str = "no Linux 6.18 has it";
const MOUNT_FDS: &str = "mounts by descriptor, new in Linux 5.2; mount is what there is";

pub(super) const CALLS: &[Syscall] = &[
    Syscall::absent(206, "io_setup", NO_AIO),
    Syscall::absent(207, "io_destroy", NO_AIO),
    Syscall::absent(208, "io_getevents", NO_AIO),
    Syscall::absent(209, "io_submit", NO_AIO),
    Syscall::absent(210, "io_cancel", NO_AIO),
    Syscall::absent(333, "io_pgetevents", NO_AIO),
    Syscall::absent(425, "io_uring_setup", NO_IO_URING),
    Syscall::absent(426, "io_uring_enter", NO_IO_URING),
    Syscall::absent(427, "io_uring_register", NO_IO_URING),
    Syscall::absent(248, "add_key", NO_KEYS),
    Syscall::absent(249, "request_key", NO_KEYS),
    Syscall::absent(250, "keyctl", NO_KEYS),
    Syscall::absent(175, "init_module", NO_MODULES),
    Syscall::absent(176, "delete_module", NO_MODULES),
    Syscall::absent(313, "finit_module", NO_MODULES),
    Syscall::absent(172, "iopl", NO_IOPL),
    Syscall::absent(173, "ioperm", NO_IOPL),
    Syscall::absent(246, "kexec_load", NO_KEXEC),
    Syscall::absent(320, "kexec_file_load", NO_KEXEC),
    Syscall::absent(179, "quotactl", NO_QUOTA),
    Syscall::absent(443, "quotactl_fd", NO_QUOTA),
    Syscall::absent(167, "swapon", NO_SWAP),
    Syscall::absent(168, "swapoff", NO_SWAP),
    Syscall::absent(300, "fanotify_init", NO_FANOTIFY),
    Syscall::absent(301, "fanotify_mark", NO_FANOTIFY),
    Syscall::absent(303, "name_to_handle_at", NO_FHANDLE),
    Syscall::absent(304, "open_by_handle_at", NO_FHANDLE),
    Syscall::absent(444, "landlock_create_ruleset", NO_LANDLOCK),
    Syscall::absent(445, "landlock_add_rule", NO_LANDLOCK),
    Syscall::absent(446, "landlock_restrict_self", NO_LANDLOCK),
    Syscall::absent(459, "lsm_get_self_attr", NO_LSM),
    Syscall::absent(460, "lsm_set_self_attr", NO_LSM),
    Syscall::absent(461, "lsm_list_modules", NO_LSM),
    Syscall::absent(139, "sysfs", "a Linux without CONFIG_SYSFS_SYSCALL"),
    Syscall::absent(163, "acct", "a Linux without CONFIG_BSD_PROCESS_ACCT"),
    Syscall::absent(321, "bpf", "a Linux without CONFIG_BPF_SYSCALL"),
    Syscall::absent(453, "map_shadow_stack", "a Linux without CONFIG_X86_USER_SHADOW_STACK"),
    Syscall::absent(134, "uselib", GONE),
    Syscall::absent(156, "_sysctl", GONE),
    Syscall::absent(174, "create_module", GONE),
    Syscall::absent(177, "get_kernel_syms", GONE),
    Syscall::absent(178, "query_module", GONE),
    Syscall::absent(180, "nfsservctl", GONE),
    Syscall::absent(181, "getpmsg", GONE),
    Syscall::absent(182, "putpmsg", GONE),
    Syscall::absent(183, "afs_syscall", GONE),
    Syscall::absent(184, "tuxcall", GONE),
    Syscall::absent(185, "security", GONE),
    Syscall::absent(212, "lookup_dcookie", GONE),
    Syscall::absent(214, "epoll_ctl_old", GONE),
    Syscall::absent(215, "epoll_wait_old", GONE),
    Syscall::absent(236, "vserver", GONE),
    Syscall::refused(428, "open_tree", Errno::ENOSYS, MOUNT_FDS),
    Syscall::refused(429, "move_mount", Errno::ENOSYS, MOUNT_FDS),
    Syscall::refused(430, "fsopen", Errno::ENOSYS, MOUNT_FDS),
    Syscall::refused(431, "fsconfig", Errno::ENOSYS, MOUNT_FDS),
    Syscall::refused(432, "fsmount", Errno::ENOSYS, MOUNT_FDS),
    Syscall::refused(433, "fspick", Errno::ENOSYS, MOUNT_FDS),
    Syscall::refused(442, "mount_setattr", Errno::ENOSYS, MOUNT_FDS),
    Syscall::refused(457, "statmount", Errno::ENOSYS, MOUNT_FDS),
    Syscall::refused(458, "listmount", Errno::ENOSYS, MOUNT_FDS),
    Syscall::refused(467, "open_tree_attr", Errno::ENOSYS, MOUNT_FDS),
];
