//! The first stack of a program: strings, argument and environment vectors, and the
//! auxiliary vector.
//!
//! From the top: a zero word, the program's path, the environment strings, the argument
//! strings, the platform's name, 16 random bytes; then, 16-byte aligned at RSP, argc,
//! argv, envp and the auxiliary vector.
//! Source: Linux 6.18 `fs/binfmt_elf.c` (`create_elf_tables`), `fs/exec.c`
//! (`setup_arg_pages`, `bprm_stack_limits`); AMD64 psABI, 3.4.1.

use perf_core::Errno;

use super::elf::{ElfImage, StackExec};
use super::load::LoadedElf;
use crate::arch::x86::hw::Hw;
use crate::mm::access::Access;
use crate::mm::address_space::AddressSpace;
use crate::mm::frame::FrameAllocator;
use crate::mm::layout::{DEFAULT_STACK_LIMIT, PAGE_SIZE, STACK_TOP, page_align_down};
use crate::mm::vma::Prot;

/// Types of auxiliary vector entries (Linux `include/uapi/linux/auxvec.h`).
pub mod at {
    /// End of the vector.
    pub const NULL: u64 = 0;
    /// Address of the program headers.
    pub const PHDR: u64 = 3;
    /// Bytes of a program header.
    pub const PHENT: u64 = 4;
    /// Number of program headers.
    pub const PHNUM: u64 = 5;
    /// Bytes of a page.
    pub const PAGESZ: u64 = 6;
    /// Base of the interpreter: 0 without one.
    pub const BASE: u64 = 7;
    /// Flags: 0.
    pub const FLAGS: u64 = 8;
    /// Entry point.
    pub const ENTRY: u64 = 9;
    /// Real user id.
    pub const UID: u64 = 11;
    /// Effective user id.
    pub const EUID: u64 = 12;
    /// Real group id.
    pub const GID: u64 = 13;
    /// Effective group id.
    pub const EGID: u64 = 14;
    /// Address of the platform's name.
    pub const PLATFORM: u64 = 15;
    /// CPUID.1:EDX.
    pub const HWCAP: u64 = 16;
    /// Ticks a second of `times()`.
    pub const CLKTCK: u64 = 17;
    /// Whether privileges were raised.
    pub const SECURE: u64 = 23;
    /// Address of 16 random bytes.
    pub const RANDOM: u64 = 25;
    /// More processor features that the kernel vouches for.
    pub const HWCAP2: u64 = 26;
    /// Address of the program's path.
    pub const EXECFN: u64 = 31;
    /// Address of the vDSO.
    pub const SYSINFO_EHDR: u64 = 33;
    /// Least bytes of a signal stack.
    pub const MINSIGSTKSZ: u64 = 51;
}

/// Longest argument or environment string with its zero byte (`MAX_ARG_STRLEN`).
pub const MAX_ARG_STRLEN: usize = 32 * PAGE_SIZE as usize;
/// Strings are allowed at least this much (`ARG_MAX`).
const ARG_MAX: u64 = 131_072;
/// Bytes mapped below the strings at once.
const STACK_EXPAND: u64 = 131_072;
/// Ticks a second of `times()` (`USER_HZ`).
const USER_HZ: u64 = 100;
/// The platform's name.
const PLATFORM: &[u8] = b"x86_64\0";

/// Who runs a program (`AT_UID` and its siblings).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective group id.
    pub egid: u32,
}

/// What the first stack holds. Strings come without their zero byte.
#[derive(Clone, Copy, Debug)]
pub struct StackSpec<'a> {
    /// Arguments; without any, one empty string is passed.
    pub argv: &'a [Vec<u8>],
    /// Environment.
    pub envp: &'a [Vec<u8>],
    /// Path of the program, as it was given to execve.
    pub path: &'a [u8],
    /// Random bytes for the program's own use.
    pub random: [u8; 16],
    /// Who runs it.
    pub ids: Ids,
    /// CPUID.1:EDX.
    pub hwcap: u64,
    /// `AT_HWCAP2`.
    pub hwcap2: u64,
    /// Least bytes of a signal stack, as the signal frame needs them.
    pub minsigstksz: u64,
    /// Where the interpreter was loaded; 0 without one.
    pub interp_base: u64,
    /// Address of the vDSO, if there is one.
    pub sysinfo_ehdr: Option<u64>,
}

/// The stack as built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialStack {
    /// RSP at the first instruction; a multiple of 16.
    pub rsp: u64,
    /// The auxiliary vector with its end, for `/proc/PID/auxv`.
    pub auxv: Vec<(u64, u64)>,
}

/// Where the strings are.
struct Strings {
    /// Lowest address of a string.
    bottom: u64,
    argv: Vec<u64>,
    envp: Vec<u64>,
    path: u64,
    /// The bytes from `bottom` to the top of the stack.
    bytes: Vec<u8>,
}

/// Maps a stack into `mm` and fills it for the program `image`, loaded as `loaded`.
///
/// # Errors
/// E2BIG where the strings are too many or too long, EINVAL for a zero byte in one, ENOMEM.
pub fn build(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    mm: &mut AddressSpace,
    image: &ElfImage,
    loaded: &LoadedElf,
    spec: &StackSpec<'_>,
) -> Result<InitialStack, Errno> {
    let empty = [Vec::new()];
    let argv = if spec.argv.is_empty() { &empty[..] } else { spec.argv };
    let strings = lay_out_strings(argv, spec.envp, spec.path, mm.stack_limit())?;
    let start = page_align_down(strings.bottom) - STACK_EXPAND;
    let exec = match image.stack {
        StackExec::Yes => Prot::EXEC,
        StackExec::No => Prot::NONE,
    };
    mm.map_stack(hw, frames, start, exec)?;
    mm.write_bytes(hw, frames, strings.bottom, &strings.bytes, Access::User)?;

    let platform = (strings.bottom & !15) - PLATFORM.len() as u64;
    let random = platform - spec.random.len() as u64;
    mm.write_bytes(hw, frames, platform, PLATFORM, Access::User)?;
    mm.write_bytes(hw, frames, random, &spec.random, Access::User)?;

    let auxv = auxiliary_vector(loaded, spec, strings.path, platform, random);
    let mut words = vec![strings.argv.len() as u64];
    words.extend(strings.argv.iter().chain(&[0]).chain(&strings.envp).chain(&[0]));
    let auxv_at = random - auxv.len() as u64 * 16;
    let rsp = (auxv_at - words.len() as u64 * 8) & !15;
    words.extend(auxv.iter().flat_map(|(kind, value)| [*kind, *value]));
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    mm.write_bytes(hw, frames, rsp, &bytes, Access::User)?;

    mm.image.start_stack = rsp;
    mm.image.arg_start = strings.argv.first().copied().unwrap_or(strings.bottom);
    mm.image.env_start = strings.envp.first().copied().unwrap_or(strings.path);
    mm.image.arg_end = mm.image.env_start;
    mm.image.env_end = strings.path;
    Ok(InitialStack { rsp, auxv })
}

/// Bytes that the strings and the pointers to them may take together, by `RLIMIT_STACK`
/// (`bprm_stack_limits`).
#[must_use]
pub fn strings_limit(stack_limit: u64) -> u64 {
    (DEFAULT_STACK_LIMIT / 4 * 3).min(stack_limit / 4).max(ARG_MAX)
}

/// Whether the strings of a program fit on its stack.
///
/// # Errors
/// E2BIG; EINVAL for a zero byte in one.
pub fn check_strings(
    argv: &[Vec<u8>],
    envp: &[Vec<u8>],
    path: &[u8],
    stack_limit: u64,
) -> Result<(), Errno> {
    lay_out_strings(argv, envp, path, stack_limit).map(|_| ())
}

/// Places the strings below the stack's top and checks the limits on them.
fn lay_out_strings(
    argv: &[Vec<u8>],
    envp: &[Vec<u8>],
    path: &[u8],
    stack_limit: u64,
) -> Result<Strings, Errno> {
    let pointers = (argv.len() as u64 + envp.len() as u64) * 8;
    let room = strings_limit(stack_limit)
        .checked_sub(pointers)
        .filter(|room| *room > 0)
        .ok_or(Errno::E2BIG)?;
    let mut bytes = Vec::new();
    let mut offset_of = |string: &[u8]| {
        if string.contains(&0) {
            return Err(Errno::EINVAL);
        }
        let offset = bytes.len() as u64;
        if string.len() >= MAX_ARG_STRLEN || offset + string.len() as u64 >= room {
            return Err(Errno::E2BIG);
        }
        bytes.extend_from_slice(string);
        bytes.push(0);
        Ok(offset)
    };
    let mut place = |strings: &[Vec<u8>]| -> Result<Vec<u64>, Errno> {
        strings.iter().map(|string| offset_of(string)).collect()
    };
    let mut argv = place(argv)?;
    let mut envp = place(envp)?;
    let path = offset_of(path)?;
    bytes.extend_from_slice(&[0; 8]);
    let bottom = STACK_TOP - bytes.len() as u64;
    argv.iter_mut().chain(&mut envp).for_each(|addr| *addr += bottom);
    Ok(Strings { bottom, argv, envp, path: bottom + path, bytes })
}

/// The auxiliary vector in Linux's order.
fn auxiliary_vector(
    loaded: &LoadedElf,
    spec: &StackSpec<'_>,
    path: u64,
    platform: u64,
    random: u64,
) -> Vec<(u64, u64)> {
    let ids = spec.ids;
    let is_secure = ids.uid != ids.euid || ids.gid != ids.egid;
    let vdso = spec.sysinfo_ehdr.map(|addr| (at::SYSINFO_EHDR, addr));
    let rest = [
        (at::MINSIGSTKSZ, spec.minsigstksz),
        (at::HWCAP, spec.hwcap),
        (at::PAGESZ, PAGE_SIZE),
        (at::CLKTCK, USER_HZ),
        (at::PHDR, loaded.phdr),
        (at::PHENT, ElfImage::PHENT),
        (at::PHNUM, loaded.phnum),
        (at::BASE, spec.interp_base),
        (at::FLAGS, 0),
        (at::ENTRY, loaded.entry),
        (at::UID, u64::from(ids.uid)),
        (at::EUID, u64::from(ids.euid)),
        (at::GID, u64::from(ids.gid)),
        (at::EGID, u64::from(ids.egid)),
        (at::SECURE, u64::from(is_secure)),
        (at::RANDOM, random),
        (at::HWCAP2, spec.hwcap2),
        (at::EXECFN, path),
        (at::PLATFORM, platform),
        (at::NULL, 0),
    ];
    vdso.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::elf::parse;
    use crate::exec::load::load_bytes;
    use crate::exec::tiny_elf::TinyElf;
    use crate::mm::fault::{FaultResult, error_code};
    use crate::mm::fixture::{machine, space};
    use crate::mm::vma::VmFlags;

    struct World {
        hw: Hw,
        frames: FrameAllocator,
        mm: AddressSpace,
    }

    impl World {
        fn bytes(&mut self, addr: u64, len: usize) -> Vec<u8> {
            let mut bytes = vec![0; len];
            let Self { hw, frames, mm } = self;
            mm.read_bytes(hw, frames, addr, &mut bytes, Access::User).unwrap();
            bytes
        }

        fn word(&mut self, addr: u64) -> u64 {
            u64::from_le_bytes(self.bytes(addr, 8).try_into().unwrap())
        }

        fn string(&mut self, addr: u64) -> Vec<u8> {
            (addr..).map(|at| self.bytes(at, 1)[0]).take_while(|byte| *byte != 0).collect()
        }
    }

    fn strings(list: &[&str]) -> Vec<Vec<u8>> {
        list.iter().map(|string| string.as_bytes().to_vec()).collect()
    }

    fn spec<'a>(argv: &'a [Vec<u8>], envp: &'a [Vec<u8>]) -> StackSpec<'a> {
        StackSpec {
            argv,
            envp,
            path: b"/bin/t",
            random: *b"0123456789abcdef",
            ids: Ids { uid: 1, euid: 2, gid: 3, egid: 4 },
            hwcap: 0x178b_fbfd,
            hwcap2: 2,
            minsigstksz: 1376,
            interp_base: 0,
            sysinfo_ehdr: None,
        }
    }

    fn start(spec: &StackSpec<'_>, elf: TinyElf) -> (World, Result<InitialStack, Errno>) {
        let (mut hw, mut frames) = machine(512);
        let mut mm = space(&mut hw, &mut frames);
        let file = elf.bytes();
        let image = parse(&file).unwrap();
        let loaded = load_bytes(&mut hw, &mut frames, &mut mm, &image, &file).unwrap();
        let stack = build(&mut hw, &mut frames, &mut mm, &image, &loaded, spec);
        (World { hw, frames, mm }, stack)
    }

    #[test]
    fn the_program_finds_everything_from_rsp() {
        let (argv, envp) = (strings(&["t", "an argument"]), strings(&["A=1", "LANG=C", "B="]));
        let (mut world, stack) = start(&spec(&argv, &envp), TinyElf::default());
        let stack = stack.unwrap();
        assert_eq!(stack.rsp % 16, 0);
        assert_eq!(world.word(stack.rsp), 2);
        let mut at = stack.rsp + 8;
        for list in [&argv, &envp] {
            for want in list {
                let addr = world.word(at);
                assert_eq!(&world.string(addr), want);
                at += 8;
            }
            assert_eq!(world.word(at), 0);
            at += 8;
        }
        let mut auxv = Vec::new();
        while auxv.last().is_none_or(|(kind, _)| *kind != at::NULL) {
            auxv.push((world.word(at), world.word(at + 8)));
            at += 16;
        }
        assert_eq!(auxv, stack.auxv);
        let get = |wanted| auxv.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| *value);
        assert_eq!(get(at::PHDR), Some(0x40_0040));
        assert_eq!(get(at::PHNUM), Some(4));
        assert_eq!(get(at::ENTRY), Some(0x40_10b0));
        assert_eq!(get(at::SECURE), Some(1));
        assert_eq!(get(at::SYSINFO_EHDR), None);
        assert_eq!(get(at::EXECFN), Some(STACK_TOP - 15));
        assert_eq!(world.string(STACK_TOP - 15), b"/bin/t");
        assert_eq!(world.string(get(at::PLATFORM).unwrap()), b"x86_64");
        assert_eq!(world.bytes(get(at::RANDOM).unwrap(), 16), b"0123456789abcdef");
        assert_eq!(get(at::RANDOM).unwrap() % 16, 9, "below a 7-byte name on a 16-byte boundary");
        assert_eq!(world.mm.image.start_stack, stack.rsp);
        let arguments = world.mm.image;
        assert_eq!(arguments.arg_end - arguments.arg_start, 2 + 12);
        assert_eq!(arguments.env_end - arguments.env_start, 4 + 7 + 3);
    }

    #[test]
    fn no_arguments_are_one_empty_argument() {
        let (mut world, stack) = start(&spec(&[], &[]), TinyElf::default());
        let rsp = stack.unwrap().rsp;
        assert_eq!(world.word(rsp), 1);
        let argument = world.word(rsp + 8);
        assert_eq!(world.string(argument), b"");
    }

    #[test]
    fn the_stack_grows_and_is_executable_only_on_request() {
        for (stack_flags, want) in [(6, false), (7, true)] {
            let elf = TinyElf { stack_flags, ..TinyElf::default() };
            let argv = strings(&["t"]);
            let (mut world, stack) = start(&spec(&argv, &[]), elf);
            let rsp = stack.unwrap().rsp;
            let vma = world.mm.find_vma(rsp).unwrap();
            assert_eq!(vma.prot.has(Prot::EXEC), want);
            assert!(vma.flags.has(VmFlags::GROWSDOWN));
            assert_eq!(vma.end, STACK_TOP);
            let deep = STACK_TOP - (8 << 20);
            let World { hw, frames, mm } = &mut world;
            let grown = mm.handle_fault(hw, frames, deep, error_code::WRITE);
            assert_eq!(grown, FaultResult::Handled);
        }
    }

    #[test]
    fn too_much_is_e2big() {
        let long = vec![vec![b'x'; 131_071]];
        let too_long = vec![vec![b'x'; 131_072]];
        let many = vec![vec![b'x'; 100_000]; 21];
        let pointers = vec![Vec::new(); (2 << 20) / 8];
        let zero = strings(&["a\0b"]);
        for (argv, want) in [
            (&long, Ok(())),
            (&too_long, Err(Errno::E2BIG)),
            (&many, Err(Errno::E2BIG)),
            (&pointers, Err(Errno::E2BIG)),
            (&zero, Err(Errno::EINVAL)),
        ] {
            let (_, stack) = start(&spec(argv, &[]), TinyElf::default());
            assert_eq!(stack.map(|_| ()), want);
        }
    }
}
