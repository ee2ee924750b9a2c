//! The image as an independent ELF reader sees it.

use object::read::elf::{ElfFile64, FileHeader as _};
use object::{Endianness, Object as _};

use super::elf::sysv_hash;
use super::{VDSO_BYTES, image};

#[test]
fn an_elf_reader_finds_the_functions() {
    let image = image(1_700_000_000_000_000_000);
    assert_eq!(image.len() as u64, VDSO_BYTES);
    let header = object::elf::FileHeader64::<Endianness>::parse(&*image).unwrap();
    assert_eq!(header.e_type.get(Endianness::Little), object::elf::ET_DYN);
    let file = ElfFile64::<Endianness>::parse(&*image).unwrap();
    assert_eq!(file.segments().count(), 1);
}

/// The hash that C libraries have for the version's name.
#[test]
fn the_version_has_its_known_hash() {
    assert_eq!(sysv_hash("LINUX_2.6"), 61_765_110);
}

/// A dynamic linker's way to a symbol: through the one bucket, by name and version.
#[test]
fn every_function_is_found_by_a_walk_of_the_chain() {
    let image = image(0);
    let word = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap()) as usize;
    let long = |at: usize| u64::from_le_bytes(image[at..at + 8].try_into().unwrap()) as usize;
    let dynamic = long(64 + 56 + 8);
    let find = |tag: usize| {
        (0..10).find(|i| long(dynamic + 16 * i) == tag).map(|i| long(dynamic + 16 * i + 8))
    };
    let (hash, strings, symbols) = (find(4).unwrap(), find(5).unwrap(), find(6).unwrap());
    let versions = find(0x6fff_fff0).unwrap();
    let (nr_buckets, nr_chain) = (word(hash), word(hash + 4));
    assert_eq!(nr_buckets, 1);
    let mut names = Vec::new();
    let mut index = word(hash + 8);
    while index != 0 {
        assert!(index < nr_chain);
        let name_at = strings + word(symbols + 24 * index);
        let end = image[name_at..].iter().position(|&byte| byte == 0).unwrap();
        names.push(std::str::from_utf8(&image[name_at..name_at + end]).unwrap());
        assert_eq!(image[versions + 2 * index], 2);
        let (at, len) = (long(symbols + 24 * index + 8), long(symbols + 24 * index + 16));
        assert_eq!(image[at + len - 1], 0xc3, "a function ends in RET");
        index = word(hash + 12 + 4 * index);
    }
    let wanted = ["clock_gettime", "gettimeofday", "time", "clock_getres", "getcpu"];
    assert_eq!(names, wanted.map(|name| format!("__vdso_{name}")));
}
