//! What a recording says when it was damaged, at every byte; and what comes back
//! when it was not.

use proptest::prelude::*;

use super::section::{self, FILE_HEADER_BYTES, SECTION_HEADER_BYTES, SectionHeader, Tag};
use super::writer::Frame;
use super::{Recording, RecordingError, samples};
use crate::session::script;

#[test]
fn what_was_written_is_read() {
    let plan = script::plan();
    let (log, done) = samples::run(&script::varied(), &plan);
    let recording = Recording::read(samples::small_file()).unwrap();
    assert_eq!(recording.plan(), &plan);
    assert_eq!(recording.done(), &done);
    let read: Vec<_> = recording.entries().map(Result::unwrap).collect();
    assert_eq!(read, log);
    assert_eq!(recording.counts().hits, 3);
    assert_eq!(recording.counts().inputs, 3);
    assert_eq!(recording.inputs().len(), 3);
    assert!(recording.counts().marks >= 4);
}

#[test]
fn a_long_log_is_cut_into_sections() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("long.dr7");
    let plan = script::plan();
    let (short, done) = samples::run(&script::varied(), &plan);
    let log: Vec<_> = short.iter().cycle().take(20_000).cloned().collect();
    samples::write(&path, &plan, &log, &done);
    let recording = Recording::read(std::fs::read(path).unwrap()).unwrap();
    assert!(recording.sections().filter(|section| section.name == "LOG.").count() > 3);
    let same = recording.entries().map(Result::unwrap).eq(log);
    assert!(same);
}

/// The reason that a damaged file is refused, which must name an offset within it.
fn refused(file: Vec<u8>, what: &str) -> RecordingError {
    let message = match Recording::read(file) {
        Ok(_) => panic!("{what}: accepted"),
        Err(error) => error,
    };
    assert!(message.to_string().starts_with("offset "), "{what}: {message}");
    message
}

#[test]
fn every_truncation_is_refused() {
    let file = samples::small_file();
    for len in 0..file.len() {
        refused(file[..len].to_vec(), &format!("{len} bytes"));
    }
    let mut longer = file;
    longer.push(0);
    assert!(matches!(refused(longer, "one more"), RecordingError::FileLength { .. }));
}

#[test]
fn every_flipped_bit_is_refused() {
    let file = samples::small_file();
    for position in 0..file.len() {
        for bit in 0..8 {
            let mut damaged = file.clone();
            damaged[position] ^= 1 << bit;
            refused(damaged, &format!("byte {position}, bit {bit}"));
        }
    }
}

#[test]
fn reasons_name_the_place() {
    let file = samples::small_file();
    let with = |at: usize, value: u8| {
        let mut file = file.clone();
        file[at] = value;
        refused(file, "changed").to_string()
    };
    assert!(with(0, 0).contains("not a dr7 recording"));
    assert!(with(8, 9).contains("offset 0: the header's checksum"));
    assert!(with(FILE_HEADER_BYTES, b'm').contains("offset 20: the header's checksum"));
    assert!(with(FILE_HEADER_BYTES + SECTION_HEADER_BYTES, 0).contains("section META"));
    let cut = refused(file[..30].to_vec(), "cut").to_string();
    assert_eq!(
        cut,
        "offset 20: the file is truncated: a section's header needs 20 bytes, 10 are left"
    );
}

/// A file with right checksums around these payloads.
fn sealed(sections: &[(Tag, Vec<u8>)]) -> Vec<u8> {
    let mut frame = Frame::start(Vec::new()).unwrap();
    for (tag, raw) in sections {
        frame.section(*tag, raw).unwrap();
    }
    frame.end().unwrap()
}

/// The payloads of the small file.
fn payloads() -> Vec<(Tag, Vec<u8>)> {
    let file = samples::small_file();
    let mut sections = Vec::new();
    let mut offset = FILE_HEADER_BYTES;
    loop {
        let header = SectionHeader::read(&file, offset).unwrap();
        let start = offset + SECTION_HEADER_BYTES;
        let end = start + header.stored_len as usize;
        if header.tag == Tag::End {
            return sections;
        }
        let raw = section::decompress(start, header, &file[start..end]).unwrap();
        sections.push((header.tag, raw));
        offset = end;
    }
}

#[test]
fn sealing_gives_the_file_back() {
    assert_eq!(sealed(&payloads()), samples::small_file());
}

#[test]
fn sections_out_of_order_are_refused() {
    let good = payloads();
    for (from, to) in [(0, 1), (1, 2), (2, 3)] {
        let mut swapped = good.clone();
        swapped.swap(from, to);
        assert!(matches!(refused(sealed(&swapped), "swapped"), RecordingError::Order { .. }));
    }
    for missing in [0, 1, 3] {
        let mut short = good.clone();
        short.remove(missing);
        assert!(matches!(refused(sealed(&short), "missing"), RecordingError::Order { .. }));
    }
    let mut without_log = good;
    without_log.remove(2);
    assert!(matches!(refused(sealed(&without_log), "no log"), RecordingError::Counts { .. }));
}

#[test]
fn a_declared_length_is_not_believed() {
    let mut file = section::file_header().to_vec();
    let stored = zstd::bulk::compress(&vec![0; 10 << 20], 3).unwrap();
    let header = SectionHeader {
        tag: Tag::Meta,
        raw_len: 100,
        stored_len: u32::try_from(stored.len()).unwrap(),
        payload_crc: crc32fast::hash(&stored),
    };
    let offset = file.len() + SECTION_HEADER_BYTES;
    file.extend_from_slice(&header.to_bytes());
    file.extend_from_slice(&stored);
    let bomb = section::decompress(offset, header, &stored).unwrap_err();
    assert!(matches!(bomb, RecordingError::RawLength { declared: 100, found: 101, .. }));

    let huge = SectionHeader { raw_len: u32::MAX, ..header };
    let error = SectionHeader::read(&huge.to_bytes(), 0).unwrap_err();
    assert!(matches!(error, RecordingError::TooLong { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Right checksums around wrong contents: an answer, never a panic.
    #[test]
    fn altered_contents_are_answered(
        which in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        keep in any::<prop::sample::Index>(),
        cut: bool,
    ) {
        let mut sections = payloads();
        let raw = &mut sections[which].1;
        for (at, value) in changes {
            let at = at.index(raw.len());
            raw[at] = value;
        }
        if cut {
            raw.truncate(keep.index(raw.len()));
        }
        if let Ok(recording) = Recording::read(sealed(&sections)) {
            prop_assert_eq!(recording.entries().filter(Result::is_err).count(), 0);
        }
    }
}
