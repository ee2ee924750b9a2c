//! Address spaces against a naive twin: a map from page to rights and one byte.

use std::collections::BTreeMap;

use perf_core::Errno;
use proptest::prelude::*;

use super::access::Access;
use super::address_space::AddressSpace;
use super::fault::{FaultResult, error_code};
use super::fixture::{machine, space};
use super::frame::FrameAllocator;
use super::layout::PAGE_SIZE;
use super::mmap::{MapSource, MmapArgs, map};
use super::vma::Prot;
use crate::arch::x86::hw::Hw;

const BASE: u64 = 0x10_0000;
const NR_PAGES: u64 = 12;
const MAX_SPACES: usize = 4;

fn addr(page: u64) -> u64 {
    BASE + page * PAGE_SIZE
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Map {
        page: u64,
        len: u64,
        prot: u64,
        shared: bool,
    },
    Unmap {
        page: u64,
        len: u64,
    },
    Protect {
        page: u64,
        len: u64,
        prot: u64,
    },
    DontNeed {
        page: u64,
        len: u64,
    },
    Write {
        page: u64,
        value: u8,
        access: Access,
    },
    Read {
        page: u64,
        access: Access,
    },
    /// A store or load of the processor, with the faults it takes.
    Touch {
        page: u64,
        store: Option<u8>,
    },
    Fork,
    Exit,
    Switch {
        to: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let page = 0..NR_PAGES;
    let len = 1..5u64;
    let prot = 0..8u64;
    let access = prop_oneof![3 => Just(Access::User), 1 => Just(Access::Force)];
    prop_oneof![
        4 => (page.clone(), len.clone(), prot.clone(), any::<bool>())
            .prop_map(|(page, len, prot, shared)| Op::Map { page, len, prot, shared }),
        2 => (page.clone(), len.clone()).prop_map(|(page, len)| Op::Unmap { page, len }),
        3 => (page.clone(), len.clone(), prot)
            .prop_map(|(page, len, prot)| Op::Protect { page, len, prot }),
        1 => (page.clone(), len).prop_map(|(page, len)| Op::DontNeed { page, len }),
        8 => (page.clone(), any::<u8>(), access.clone())
            .prop_map(|(page, value, access)| Op::Write { page, value, access }),
        2 => (page, access).prop_map(|(page, access)| Op::Read { page, access }),
        8 => (0..NR_PAGES, any::<Option<u8>>())
            .prop_map(|(page, store)| Op::Touch { page, store }),
        2 => Just(Op::Fork),
        1 => Just(Op::Exit),
        2 => (0..MAX_SPACES).prop_map(|to| Op::Switch { to }),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Contents {
    Private(u8),
    Shared { object: usize, page: u64 },
}

#[derive(Clone, Copy, Debug)]
struct TwinPage {
    prot: u8,
    contents: Contents,
}

type TwinSpace = BTreeMap<u64, TwinPage>;

/// All twins, and the bytes of shared objects.
#[derive(Default)]
struct Twins {
    spaces: Vec<TwinSpace>,
    nr_objects: usize,
    shared: BTreeMap<(usize, u64), u8>,
}

impl Twins {
    fn byte(&self, contents: Contents) -> u8 {
        match contents {
            Contents::Private(byte) => byte,
            Contents::Shared { object, page } => {
                self.shared.get(&(object, page)).copied().unwrap_or(0)
            }
        }
    }

    fn map(&mut self, space: usize, page: u64, len: u64, prot: u64, shared: bool) {
        let object = self.nr_objects;
        self.nr_objects += 1;
        for index in 0..len {
            let contents = match shared {
                true => Contents::Shared { object, page: index },
                false => Contents::Private(0),
            };
            let twin = TwinPage { prot: prot as u8, contents };
            self.spaces[space].insert(page + index, twin);
        }
    }

    /// Whether all pages were there; those before the first hole are changed.
    fn protect(&mut self, space: usize, page: u64, len: u64, prot: u64) -> bool {
        for page in page..page + len {
            match self.spaces[space].get_mut(&page) {
                Some(twin) => twin.prot = prot as u8,
                None => return false,
            }
        }
        true
    }

    fn write(&mut self, space: usize, page: u64, value: u8, access: Access) -> Result<(), Errno> {
        let twin = self.spaces[space].get_mut(&page).ok_or(Errno::EFAULT)?;
        let may_write = twin.prot & 2 != 0;
        match &mut twin.contents {
            Contents::Private(byte) if may_write || access == Access::Force => *byte = value,
            Contents::Shared { object, page } if may_write => {
                self.shared.insert((*object, *page), value);
            }
            _ => return Err(Errno::EFAULT),
        }
        Ok(())
    }

    fn read(&self, space: usize, page: u64, access: Access) -> Result<u8, Errno> {
        let twin = self.spaces[space].get(&page).ok_or(Errno::EFAULT)?;
        if twin.prot == 0 && access == Access::User {
            return Err(Errno::EFAULT);
        }
        Ok(self.byte(twin.contents))
    }
}

/// What a processor does: goes by the entry, and faults where it does not allow the access.
fn touch(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    mm: &mut AddressSpace,
    page: u64,
    store: Option<u8>,
) -> Result<u8, Errno> {
    let addr = addr(page) + 7;
    loop {
        let found = mm.translate(hw, addr);
        let mut error = if store.is_some() { error_code::WRITE } else { 0 };
        match (found, store) {
            (Some(found), Some(value)) if found.leaf.is_writable() => {
                hw.write_phys(found.physical, &[value]);
                return Ok(value);
            }
            (Some(found), None) => {
                let mut byte = [0];
                hw.read_phys(found.physical, &mut byte);
                return Ok(byte[0]);
            }
            (Some(_), Some(_)) => error |= error_code::PRESENT,
            (None, _) => {}
        }
        match mm.handle_fault(hw, frames, addr, error) {
            FaultResult::Handled => {}
            FaultResult::Segv { .. } => return Err(Errno::EFAULT),
            other => panic!("{other:?}"),
        }
    }
}

/// The real thing beside its twins.
struct Pair {
    hw: Hw,
    frames: FrameAllocator,
    spaces: Vec<AddressSpace>,
    twins: Twins,
    current: usize,
}

impl Pair {
    fn apply(&mut self, op: Op) -> Result<(), TestCaseError> {
        let Self { hw, frames, spaces, twins, current } = self;
        let at = *current;
        let nr_spaces = spaces.len();
        let mm = &mut spaces[at];
        match op {
            Op::Map { page, len, prot, shared } => {
                let kind = if shared { map::SHARED } else { map::PRIVATE };
                let flags = map::ANONYMOUS | map::FIXED | kind;
                let len_bytes = len * PAGE_SIZE;
                let args = MmapArgs { addr: addr(page), len: len_bytes, prot, flags, offset: 0 };
                let got = mm.mmap(hw, frames, &args, &MapSource::Anonymous);
                prop_assert_eq!(got, Ok(addr(page)));
                twins.map(at, page, len, prot, shared);
            }
            Op::Unmap { page, len } => {
                prop_assert_eq!(mm.munmap(hw, frames, addr(page), len * PAGE_SIZE), Ok(()));
                twins.spaces[at].retain(|at, _| !(page..page + len).contains(at));
            }
            Op::Protect { page, len, prot } => {
                let got = mm.mprotect(hw, frames, addr(page), len * PAGE_SIZE, prot);
                let whole = twins.protect(at, page, len, prot);
                prop_assert_eq!(got, if whole { Ok(()) } else { Err(Errno::ENOMEM) });
            }
            Op::DontNeed { page, len } => {
                let got = mm.madvise(hw, frames, addr(page), len * PAGE_SIZE, 4);
                let range = twins.spaces[at].range_mut(page..page + len);
                let nr_mapped = range
                    .map(|(_, twin)| {
                        if matches!(twin.contents, Contents::Private(_)) {
                            twin.contents = Contents::Private(0);
                        }
                    })
                    .count() as u64;
                prop_assert_eq!(got, if nr_mapped == len { Ok(()) } else { Err(Errno::ENOMEM) });
            }
            Op::Write { page, value, access } => {
                let got = mm.write_bytes(hw, frames, addr(page) + 7, &[value], access);
                prop_assert_eq!(got, twins.write(at, page, value, access));
            }
            Op::Read { page, access } => {
                let mut byte = [0];
                let got = mm.read_bytes(hw, frames, addr(page) + 7, &mut byte, access);
                prop_assert_eq!(got.map(|()| byte[0]), twins.read(at, page, access));
            }
            Op::Touch { page, store: Some(value) } => {
                let want = twins.write(at, page, value, Access::User);
                prop_assert_eq!(touch(hw, frames, mm, page, Some(value)).map(|_| ()), want);
            }
            Op::Touch { page, store: None } => {
                let want = twins.read(at, page, Access::User);
                prop_assert_eq!(touch(hw, frames, mm, page, None), want);
            }
            Op::Fork if nr_spaces < MAX_SPACES => {
                let child = mm.fork(hw, frames).unwrap();
                spaces.push(child);
                let twin = twins.spaces[at].clone();
                twins.spaces.push(twin);
            }
            Op::Exit if nr_spaces > 1 => {
                spaces.swap_remove(at).teardown(hw, frames);
                twins.spaces.swap_remove(at);
                *current = 0;
            }
            Op::Fork | Op::Exit => {}
            Op::Switch { to } => *current = to % nr_spaces,
        }
        Ok(())
    }

    /// What the MMU would find agrees with the twin, and areas do not overlap.
    fn check(&self) -> Result<(), TestCaseError> {
        for (mm, twin) in self.spaces.iter().zip(&self.twins.spaces) {
            for page in 0..NR_PAGES + 5 {
                let expected = twin.get(&page);
                let prot = mm.find_vma(addr(page)).map(|vma| vma.prot);
                prop_assert_eq!(prot.map(Prot::bits), expected.map(|twin| twin.prot));
                let Some(found) = mm.translate(&self.hw, addr(page) + 7) else { continue };
                let Some(expected) = expected else {
                    return Err(TestCaseError::fail(format!("page {page} is there unmapped")));
                };
                prop_assert!(expected.prot != 0, "page {} can be accessed", page);
                let can_write = found.leaf.is_writable();
                prop_assert!(!can_write || expected.prot & 2 != 0, "page {} is writable", page);
                let is_private = matches!(expected.contents, Contents::Private(_));
                let users = self.frames.users(found.leaf.pfn());
                prop_assert!(!(can_write && is_private) || users == 1, "page {} is shared", page);
                let byte = mm.peek_bytes(&self.hw, addr(page) + 7, 1)[0];
                prop_assert_eq!(byte, self.twins.byte(expected.contents));
            }
            let ends: Vec<_> = mm.vmas().flat_map(|vma| [vma.start, vma.end]).collect();
            prop_assert!(ends.is_sorted(), "areas overlap: {:x?}", ends);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn address_spaces_agree_with_the_naive_map(ops in prop::collection::vec(op(), 1..60)) {
        let (mut hw, mut frames) = machine(1024);
        let first = space(&mut hw, &mut frames);
        let twins = Twins { spaces: vec![TwinSpace::new()], ..Twins::default() };
        let mut pair = Pair { hw, frames, spaces: vec![first], twins, current: 0 };
        for op in ops {
            pair.apply(op)?;
            pair.check()?;
        }
        for at in 0..pair.spaces.len() {
            pair.current = at;
            for page in 0..NR_PAGES + 5 {
                pair.apply(Op::Read { page, access: Access::Force })?;
            }
        }
        let Pair { mut hw, mut frames, spaces, .. } = pair;
        for mm in spaces {
            mm.teardown(&mut hw, &mut frames);
        }
        prop_assert_eq!(frames.nr_used(), 1, "the template's top is left");
    }
}
