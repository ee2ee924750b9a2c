//! Writing a recording, section after section; the file takes its name only
//! when it is complete.

use std::io::{self, Write};
use std::path::Path;

use super::encode::Encoder;
use super::entry;
use super::error::RecordingError;
use super::payload::{self, Counts};
use super::section::{self, SectionHeader, Tag};
use crate::output_file::OutputFile;
use crate::session::event::{Done, Entry};
use crate::session::plan::Plan;

/// The log is cut into sections of about this size, so that a long run never
/// holds more than one in memory.
const LOG_CHUNK_BYTES: usize = 256 << 10;

/// A sink that counts and hashes what passes.
#[derive(Debug)]
pub(super) struct Frame<W> {
    to: W,
    written: u64,
    hasher: blake3::Hasher,
}

impl<W: Write> Frame<W> {
    /// Starts a file.
    pub(super) fn start(to: W) -> io::Result<Self> {
        let mut frame = Self { to, written: 0, hasher: blake3::Hasher::new() };
        frame.put(&section::file_header())?;
        Ok(frame)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Appends one section.
    pub(super) fn section(&mut self, tag: Tag, raw: &[u8]) -> Result<(), RecordingError> {
        let stored = section::compress(tag, raw)?;
        let too_large = |len: usize| RecordingError::CannotHold {
            what: tag.name(),
            found: len as u64,
            cap: u64::from(tag.raw_cap()),
        };
        let raw_len = u32::try_from(raw.len())
            .ok()
            .filter(|&len| len <= tag.raw_cap())
            .ok_or_else(|| too_large(raw.len()))?;
        let stored_len = u32::try_from(stored.len()).map_err(|_| too_large(stored.len()))?;
        let payload_crc = crc32fast::hash(&stored);
        self.put(&SectionHeader { tag, raw_len, stored_len, payload_crc }.to_bytes())?;
        self.put(&stored)?;
        Ok(())
    }

    /// Appends END and hands the sink back.
    pub(super) fn end(mut self) -> Result<W, RecordingError> {
        let length = self.written + (section::SECTION_HEADER_BYTES + section::END_BYTES) as u64;
        let mut payload = length.to_le_bytes().to_vec();
        payload.extend_from_slice(self.hasher.finalize().as_bytes());
        self.section(Tag::End, &payload)?;
        self.to.flush()?;
        Ok(self.to)
    }
}

/// A recording being written.
#[derive(Debug)]
pub struct RecordingWriter {
    frame: Frame<OutputFile>,
    log: Encoder,
    counts: Counts,
}

impl RecordingWriter {
    /// Starts a recording of `plan` that will be at `target`.
    ///
    /// # Errors
    /// If the directory cannot be written, or the plan is too large.
    pub fn create(target: &Path, plan: &Plan) -> Result<Self, RecordingError> {
        let mut frame = Frame::start(OutputFile::create(target)?)?;
        let mut meta = Encoder::default();
        payload::put_meta(&mut meta, plan);
        frame.section(Tag::Meta, &meta.into_bytes())?;
        let mut image = Encoder::default();
        payload::put_image(&mut image, &plan.image);
        frame.section(Tag::Image, &image.into_bytes())?;
        Ok(Self { frame, log: Encoder::default(), counts: Counts::default() })
    }

    /// Appends one entry of the log.
    ///
    /// # Errors
    /// If the file cannot be written, or the entry is too large for a section.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), RecordingError> {
        entry::put(&mut self.log, entry);
        self.counts.add(entry);
        if self.log.len() >= LOG_CHUNK_BYTES {
            self.flush_log()?;
        }
        Ok(())
    }

    fn flush_log(&mut self) -> Result<(), RecordingError> {
        let log = std::mem::take(&mut self.log);
        if log.len() > 0 {
            self.frame.section(Tag::Log, &log.into_bytes())?;
        }
        Ok(())
    }

    /// Completes the recording and gives it its name.
    ///
    /// # Errors
    /// If the file cannot be written or renamed.
    pub fn finish(mut self, done: &Done) -> Result<Counts, RecordingError> {
        self.flush_log()?;
        let mut end = Encoder::default();
        payload::put_done(&mut end, done, &self.counts);
        self.frame.section(Tag::Done, &end.into_bytes())?;
        self.frame.end()?.finish()?;
        Ok(self.counts)
    }
}
