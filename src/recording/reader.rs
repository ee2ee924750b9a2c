//! Reading a recording: everything is checked before anything is believed.

use std::io::Read;

use super::decode::{Decoder, PayloadError};
use super::entry;
use super::error::RecordingError;
use super::payload::{self, Counts};
use super::section::{self, FILE_HEADER_BYTES, SECTION_HEADER_BYTES, SectionHeader, Tag};
use crate::session::event::{Done, Entry, Input};
use crate::session::plan::Plan;

/// One section of the file, for `dr7 dump`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its tag.
    pub name: &'static str,
    /// Where its header starts.
    pub offset: u64,
    /// Bytes in the file, without the header.
    pub stored_bytes: u64,
    /// Bytes when decompressed.
    pub raw_bytes: u64,
}

/// A recording that was read and found whole.
#[derive(Debug)]
pub struct Recording {
    file: Vec<u8>,
    plan: Plan,
    inputs: Vec<Input>,
    done: Done,
    counts: Counts,
    sections: Vec<(SectionHeader, usize)>,
}

impl Recording {
    /// Reads and checks a whole file. What does not start as a recording is
    /// refused before more of it is read.
    ///
    /// # Errors
    /// If it cannot be read, or the first thing that is wrong with it.
    pub fn read_from(mut source: impl Read) -> Result<Self, RecordingError> {
        let mut file = Vec::new();
        let start = FILE_HEADER_BYTES as u64;
        source.by_ref().take(start).read_to_end(&mut file).map_err(RecordingError::Read)?;
        section::check_file_header(&file)?;
        source.read_to_end(&mut file).map_err(RecordingError::Read)?;
        Self::read(file)
    }

    /// Checks a whole file.
    ///
    /// # Errors
    /// The first thing that is wrong with it, and where.
    pub fn read(file: Vec<u8>) -> Result<Self, RecordingError> {
        section::check_file_header(&file)?;
        let sections = walk(&file)?;
        let at = |tag| {
            let found = sections.iter().find(|(header, _)| header.tag == tag).copied();
            found.ok_or(RecordingError::Order {
                offset: file.len() as u64,
                found: "nothing",
                expected: "every section",
            })
        };
        let meta = open(&file, at(Tag::Meta)?, payload::get_meta)?;
        let image = open(&file, at(Tag::Image)?, payload::get_image)?;
        let plan = Plan { image, ..meta };
        let (done, declared) = open(&file, at(Tag::Done)?, payload::get_done)?;
        let done_offset = at(Tag::Done)?.1 as u64;

        let mut recording =
            Self { file, plan, inputs: Vec::new(), done, counts: Counts::default(), sections };
        let (counts, inputs) = recording.check_log()?;
        check_counts(done_offset, &declared, &counts)?;
        recording.counts = counts;
        recording.inputs = inputs;
        Ok(recording)
    }

    fn check_log(&self) -> Result<(Counts, Vec<Input>), RecordingError> {
        let mut counts = Counts::default();
        let mut inputs = Vec::new();
        for entry in self.entries() {
            let entry = entry?;
            counts.add(&entry);
            if let Entry::Input(input) = entry {
                inputs.push(input);
            }
        }
        Ok((counts, inputs))
    }

    /// What was run.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How it ended.
    #[must_use]
    pub const fn done(&self) -> &Done {
        &self.done
    }

    /// How many entries the log holds.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The answers that the guest was given, in order.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Bytes of the file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.file.len() as u64
    }

    /// The sections of the file, in order.
    pub fn sections(&self) -> impl Iterator<Item = Section> + '_ {
        self.sections.iter().map(|(header, offset)| Section {
            name: header.tag.name(),
            offset: *offset as u64,
            stored_bytes: u64::from(header.stored_len),
            raw_bytes: u64::from(header.raw_len),
        })
    }

    /// The log, in order, one section decompressed at a time.
    #[must_use]
    pub fn entries(&self) -> Entries<'_> {
        Entries { recording: self, next_section: 0, chunk: Vec::new(), at: 0, payload_offset: 0 }
    }
}

/// The entries of a log.
#[derive(Debug)]
pub struct Entries<'r> {
    recording: &'r Recording,
    next_section: usize,
    chunk: Vec<u8>,
    at: usize,
    payload_offset: usize,
}

impl Entries<'_> {
    /// Opens the next LOG section; false if there is none.
    fn refill(&mut self) -> Result<bool, RecordingError> {
        while let Some((header, offset)) = self.recording.sections.get(self.next_section).copied() {
            self.next_section += 1;
            if header.tag == Tag::Log {
                self.payload_offset = offset + SECTION_HEADER_BYTES;
                let stored = stored(&self.recording.file, header, offset)?;
                self.chunk = section::decompress(self.payload_offset, header, stored)?;
                self.at = 0;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn decode(&mut self) -> Result<Entry, RecordingError> {
        let nr_watches = u32::try_from(self.recording.plan.watches.len()).unwrap_or(u32::MAX);
        let mut decoder = Decoder::new(&self.chunk[self.at..]);
        let answer = entry::get(&mut decoder, nr_watches);
        self.at += decoder.position();
        answer.map_err(|source| in_payload(self.payload_offset, Tag::Log, self.at, source))
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.at >= self.chunk.len() {
            match self.refill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        let answer = self.decode();
        if answer.is_err() {
            self.at = self.chunk.len();
            self.next_section = self.recording.sections.len();
        }
        Some(answer)
    }
}

/// Checks headers, order, checksums, length and hash of all sections.
fn walk(file: &[u8]) -> Result<Vec<(SectionHeader, usize)>, RecordingError> {
    let mut sections: Vec<(SectionHeader, usize)> = Vec::new();
    let mut offset = FILE_HEADER_BYTES;
    loop {
        let header = SectionHeader::read(file, offset)?;
        check_order(sections.last().map(|(header, _)| header.tag), header.tag, offset)?;
        let payload = stored(file, header, offset)?;
        if crc32fast::hash(payload) != header.payload_crc {
            return Err(RecordingError::PayloadChecksum {
                offset: (offset + SECTION_HEADER_BYTES) as u64,
                section: header.tag.name(),
            });
        }
        sections.push((header, offset));
        if header.tag == Tag::End {
            check_end(file, header, offset)?;
            return Ok(sections);
        }
        offset += SECTION_HEADER_BYTES + payload.len();
    }
}

/// META, IMAG, any LOG, DONE, END.
fn check_order(before: Option<Tag>, found: Tag, offset: usize) -> Result<(), RecordingError> {
    let (allowed, expected): (&[Tag], &'static str) = match before {
        None => (&[Tag::Meta], "META"),
        Some(Tag::Meta) => (&[Tag::Image], "IMAG"),
        Some(Tag::Image | Tag::Log) => (&[Tag::Log, Tag::Done], "LOG. or DONE"),
        Some(Tag::Done) => (&[Tag::End], "END."),
        Some(Tag::End) => (&[], "nothing"),
    };
    if allowed.contains(&found) {
        Ok(())
    } else {
        Err(RecordingError::Order { offset: offset as u64, found: found.name(), expected })
    }
}

fn check_end(file: &[u8], header: SectionHeader, offset: usize) -> Result<(), RecordingError> {
    let at = offset + SECTION_HEADER_BYTES;
    let lengths = (header.raw_len as usize, header.stored_len as usize);
    if lengths != (section::END_BYTES, section::END_BYTES) {
        return Err(RecordingError::RawLength {
            offset: at as u64,
            section: Tag::End.name(),
            declared: section::END_BYTES as u64,
            found: u64::from(header.stored_len),
        });
    }
    let declared = u64::from_le_bytes(section::take(file, at, "the length of the file")?);
    if declared != file.len() as u64 || at + section::END_BYTES != file.len() {
        let found = file.len() as u64;
        return Err(RecordingError::FileLength { offset: at as u64, declared, found });
    }
    let hash: [u8; 32] = section::take(file, at + 8, "the hash of the file")?;
    if *blake3::hash(&file[..offset]).as_bytes() != hash {
        return Err(RecordingError::FileHash { offset: at as u64 + 8 });
    }
    Ok(())
}

fn stored(file: &[u8], header: SectionHeader, offset: usize) -> Result<&[u8], RecordingError> {
    section::slice(
        file,
        offset + SECTION_HEADER_BYTES,
        header.stored_len as usize,
        header.tag.name(),
    )
}

/// Decompresses and decodes one section.
fn open<T>(
    file: &[u8],
    (header, offset): (SectionHeader, usize),
    decode: impl FnOnce(&mut Decoder<'_>) -> Result<T, PayloadError>,
) -> Result<T, RecordingError> {
    let at = offset + SECTION_HEADER_BYTES;
    let raw = section::decompress(at, header, stored(file, header, offset)?)?;
    let mut decoder = Decoder::new(&raw);
    decode(&mut decoder).map_err(|source| in_payload(at, header.tag, decoder.position(), source))
}

fn in_payload(offset: usize, tag: Tag, at: usize, source: PayloadError) -> RecordingError {
    RecordingError::Payload { offset: offset as u64, section: tag.name(), at: at as u64, source }
}

fn check_counts(offset: u64, declared: &Counts, found: &Counts) -> Result<(), RecordingError> {
    let pairs = [
        ("inputs", declared.inputs, found.inputs),
        ("bytes of input", declared.input_bytes, found.input_bytes),
        ("events", declared.events, found.events),
        ("hits", declared.hits, found.hits),
        ("marks", declared.marks, found.marks),
    ];
    match pairs.into_iter().find(|(_, declared, found)| declared != found) {
        None => Ok(()),
        Some((what, declared, found)) => {
            Err(RecordingError::Counts { offset, what, declared, found })
        }
    }
}
