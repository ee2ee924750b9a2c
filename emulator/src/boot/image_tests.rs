//! What is accepted as an image, and what each refusal says.

use proptest::prelude::*;

use super::elf::ElfClass::{Elf32, Elf64};
use super::test_images::{Part, elf, multiboot_elf, multiboot_header};
use super::{BootImage, ImageError, ImageNote, Protocol};

fn parsed(file: &[u8]) -> Result<(Protocol, u64), ImageError> {
    BootImage::parse(file).map(|image| (image.protocol, image.entry))
}

fn refused(file: &[u8]) -> ImageError {
    BootImage::parse(file).unwrap_err()
}

fn plain(entry: u64) -> Vec<u8> {
    elf(Elf64, entry, &[Part::load(0x20_0000, &[0xf4; 16], 32)])
}

#[test]
fn each_protocol_is_recognised() {
    for class in [Elf32, Elf64] {
        let file = multiboot_elf(class, 3, &[0xf4]);
        assert_eq!(parsed(&file), Ok((Protocol::Multiboot, 0x10_000c)));
        let image = BootImage::parse(&file).unwrap();
        let shape: Vec<_> = image
            .segments
            .iter()
            .map(|segment| (segment.physical, segment.data.len(), segment.memory_bytes))
            .collect();
        assert_eq!(shape, [(0x10_0000, 13, 13), (0x20_0000, 1, 0x3000)]);
        assert_eq!(image.notes, []);

        let code = Part::load(0x10_0000, &[0xf4; 16], 16);
        let note = Part::note(b"Xen\0", 18, &0x10_0004u32.to_le_bytes());
        let other = Part::note(b"GNU\0", 18, &[1, 2, 3]);
        let file = elf(class, 0, &[other, note, code]);
        assert_eq!(parsed(&file), Ok((Protocol::Pvh, 0x10_0004)));
    }
    assert_eq!(parsed(&plain(0x20_0004)), Ok((Protocol::Long, 0x20_0004)));
}

#[test]
fn a_video_mode_is_a_note() {
    let file = multiboot_elf(Elf32, 4, &[0xf4]);
    assert_eq!(BootImage::parse(&file).unwrap().notes, [ImageNote::VideoMode]);
}

#[test]
fn a_linear_entry_point_is_translated_for_32_bit_code() {
    let mut part = Part::load(0x10_0000, &multiboot_header(0), 64);
    part.linear = 0xc010_0000;
    let file = elf(Elf32, 0xc010_000c, &[part.clone()]);
    assert_eq!(parsed(&file), Ok((Protocol::Multiboot, 0x10_000c)));
    // Some are linked with a physical entry point.
    let file = elf(Elf32, 0x10_0010, &[part.clone()]);
    assert_eq!(parsed(&file), Ok((Protocol::Multiboot, 0x10_0010)));
    let file = elf(Elf32, 0x10_0040, &[part.clone()]);
    assert_eq!(refused(&file), ImageError::Entry(0x10_0040));

    part.data = vec![0xf4; 64];
    part.linear = 0xffff_ffff_8000_0000;
    let file = elf(Elf64, 0xffff_ffff_8000_0004, &[part]);
    assert_eq!(parsed(&file), Ok((Protocol::Long, 0xffff_ffff_8000_0004)));
}

#[test]
fn files_that_are_no_images_are_named() {
    assert_eq!(refused(b""), ImageError::Empty);
    assert_eq!(refused(&[0; 9000]), ImageError::NotBootable);
    assert_eq!(refused(b"\x7fELF\x02\x01"), {
        ImageError::Truncated { what: "the ELF header", at: 0, end: 16, file_len: 6 }
    });
    assert_eq!(refused(&multiboot_header(0)), ImageError::NoAddresses { at: 0 });
    let code = Part::load(0x10_0000, &[0xf4], 1);
    assert_eq!(refused(&elf(Elf32, 0x10_0000, &[code])), ImageError::NoProtocol);
    assert_eq!(refused(&elf(Elf64, 0, &[])), ImageError::NoSegments);
    assert_eq!(refused(&elf(Elf64, 0, &[Part::load(0, &[], 0)])), ImageError::NoSegments);
    let mut interpreter = Part::load(0, b"/lib/ld.so", 10);
    interpreter.kind = 3;
    let file = elf(Elf64, 0, &[interpreter]);
    assert_eq!(refused(&file), ImageError::Interpreter { at: 64 });
}

#[test]
fn each_wrong_byte_of_the_header_is_named() {
    let changed = |at: usize, value: u8| {
        let mut file = plain(0x20_0000);
        file[at] = value;
        refused(&file)
    };
    assert_eq!(changed(4, 3), ImageError::Class(3));
    assert_eq!(changed(5, 2), ImageError::Encoding(2));
    assert_eq!(changed(16, 1), ImageError::Type(1));
    assert_eq!(changed(18, 183), ImageError::Machine { machine: 183, class: 64, wanted: 62 });
    assert_eq!(changed(54, 32), ImageError::HeaderSize { found: 32, wanted: 56 });
    assert_eq!(changed(24, 64), ImageError::Entry(0x20_0040));
    // p_memsz
    let error = changed(64 + 40, 15);
    assert!(matches!(error, ImageError::FileExceedsMemory { memory_bytes: 15, .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "LOAD segment 0 (program header at offset 0x40): 0x10 bytes in the file, and only 0xf in memory"
    );
}

#[test]
fn segments_beyond_the_last_address_are_refused() {
    let wraps = |class, linear: u64, physical: u64, memory_bytes| {
        let mut part = Part::load(physical, &[0xf4], memory_bytes);
        part.linear = linear;
        let file = elf(class, 0, &[part]);
        matches!(BootImage::parse(&file), Err(ImageError::AddressWraps { .. }))
    };
    assert!(wraps(Elf32, 0, 0xffff_f000, 0x1001));
    assert!(wraps(Elf32, 0xffff_f000, 0, 0x1001));
    assert!(!wraps(Elf32, 0xffff_f000, 0, 0x1000));
    assert!(wraps(Elf64, 0, u64::MAX - 0xfff, 0x1000));
    assert!(!wraps(Elf64, u64::MAX - 0xfff, 0, 0x1000));
    assert!(wraps(Elf64, u64::MAX - 0xfff, 0, 0x1001));
    assert!(wraps(Elf64, 5, 0, u64::MAX));
}

#[test]
fn notes_that_are_wrong_are_refused() {
    let with = |part: Part| refused(&elf(Elf64, 0, &[part, Part::load(0, &[0xf4], 1)]));
    let at = 64 + 2 * 56;
    assert_eq!(with(Part::note(b"Xen\0", 18, &[1, 2])), ImageError::PvhNote { at, bytes: 2 });
    let mut long = Part::note(b"Xen\0", 18, &[0; 4]);
    long.data[4] = 5;
    assert_eq!(with(long), ImageError::NoteLength { at, end: at + 20 });
    let outside = Part::note(b"Xen\0", 18, &0x1000u64.to_le_bytes());
    assert_eq!(with(outside), ImageError::Entry(0x1000));
}

#[test]
fn every_truncation_is_refused_with_a_position() {
    for file in [plain(0x20_0000), multiboot_elf(Elf32, 0, &[0xf4]), multiboot_elf(Elf64, 0, &[])] {
        for len in 16..file.len() {
            let error = refused(&file[..len]);
            // The multiboot header lies at the end: without it, others complain.
            let positioned =
                matches!(error, ImageError::Truncated { file_len, .. } if file_len == len as u64);
            assert!(positioned, "{len} of {} bytes: {error}", file.len());
        }
    }
}

/// Images that are nearly right: some bytes changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let note = Part::note(b"Xen\0", 18, &0x10_0000u64.to_le_bytes());
    let pvh = elf(Elf64, 0, &[note, Part::load(0x10_0000, &[0xf4; 8], 0x2000)]);
    let addresses = [0x10_0000u32, 0x10_0000, 0, 0, 0x10_0000].map(u32::to_le_bytes).concat();
    let flat = [multiboot_header(1 << 16), addresses].concat();
    let files = [
        plain(0x20_0000),
        multiboot_elf(Elf32, 3, &[0xf4]),
        multiboot_elf(Elf64, 7, &[0xf4]),
        pvh,
        flat,
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (prop::sample::select(files.to_vec()), changes).prop_map(|(mut file, changes)| {
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        file
    })
}

proptest! {
    #[test]
    fn damaged_images_are_refused_or_hold_what_they_promise(file in damaged()) {
        let Ok(image) = BootImage::parse(&file) else { return Ok(()) };
        prop_assert!(!image.segments.is_empty());
        for segment in &image.segments {
            prop_assert!(segment.memory_bytes >= segment.data.len() as u64);
            prop_assert!(segment.physical.checked_add(segment.memory_bytes).is_some());
        }
        let lies_in = |address| image.segments.iter().any(|segment| {
            segment.has_physical(address) || segment.physical_of(address).is_some()
        });
        prop_assert!(lies_in(image.entry));
    }

    #[test]
    fn random_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..512),
        start in prop::sample::select(vec![
            &b""[..], b"\x7fELF\x01\x01\x01", b"\x7fELF\x02\x01\x01", b"\x02\xb0\xad\x1b",
        ]),
    ) {
        let file = [start, &bytes].concat();
        let _ = BootImage::parse(&file).map(|image| image.entry);
    }
}
