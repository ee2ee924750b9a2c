//! The frame of the file: its header, the headers of sections, compression.

use std::io::Read;

use super::error::RecordingError;

/// Eight bytes that no text file and no truncated line-ending conversion has.
pub(super) const MAGIC: [u8; 8] = *b"\x89dr7\r\n\x1a\n";
/// Magic, version, reserved, crc32.
pub(super) const FILE_HEADER_BYTES: usize = 20;
/// Tag, two lengths, two checksums.
pub(super) const SECTION_HEADER_BYTES: usize = 20;
/// Length of the file and hash.
pub(super) const END_BYTES: usize = 40;

/// The largest zstd window that a frame may ask for: what level 19 uses.
const WINDOW_LOG_MAX: u32 = 23;

/// What a section holds. The order of the variants is the order in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tag {
    Meta,
    Image,
    Log,
    Done,
    End,
}

impl Tag {
    const ALL: [Self; 5] = [Self::Meta, Self::Image, Self::Log, Self::Done, Self::End];

    pub(super) const fn bytes(self) -> [u8; 4] {
        match self {
            Self::Meta => *b"META",
            Self::Image => *b"IMAG",
            Self::Log => *b"LOG.",
            Self::Done => *b"DONE",
            Self::End => *b"END.",
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "META",
            Self::Image => "IMAG",
            Self::Log => "LOG.",
            Self::Done => "DONE",
            Self::End => "END.",
        }
    }

    pub(super) fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        Self::ALL.into_iter().find(|tag| tag.bytes() == bytes)
    }

    /// The most that a payload may grow to. A length above it is refused before
    /// anything is allocated.
    pub(super) const fn raw_cap(self) -> u32 {
        match self {
            Self::Meta | Self::Done => 16 << 20,
            Self::Image => 1 << 30,
            Self::Log => 64 << 20,
            Self::End => END_BYTES as u32,
        }
    }

    /// zstd level: the image is compressed once, the log while the guest runs.
    pub(super) const fn level(self) -> i32 {
        match self {
            Self::Image => 19,
            Self::Meta | Self::Log | Self::Done | Self::End => 3,
        }
    }
}

/// A section's header, without its own checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SectionHeader {
    pub(super) tag: Tag,
    pub(super) raw_len: u32,
    pub(super) stored_len: u32,
    pub(super) payload_crc: u32,
}

impl SectionHeader {
    pub(super) fn to_bytes(self) -> [u8; SECTION_HEADER_BYTES] {
        let mut bytes = [0; SECTION_HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.tag.bytes());
        bytes[4..8].copy_from_slice(&self.raw_len.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.stored_len.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Checks the header at `offset` of `file`.
    pub(super) fn read(file: &[u8], offset: usize) -> Result<Self, RecordingError> {
        let bytes: [u8; SECTION_HEADER_BYTES] = take(file, offset, "a section's header")?;
        if crc32fast::hash(&bytes[..16]) != word(&bytes, 16) {
            return Err(RecordingError::HeaderChecksum { offset: offset as u64 });
        }
        let tag_bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        let tag = Tag::from_bytes(tag_bytes)
            .ok_or(RecordingError::UnknownSection { offset: offset as u64, tag: tag_bytes })?;
        let header = Self {
            tag,
            raw_len: word(&bytes, 4),
            stored_len: word(&bytes, 8),
            payload_crc: word(&bytes, 12),
        };
        if header.raw_len > tag.raw_cap() {
            return Err(RecordingError::TooLong {
                offset: offset as u64,
                section: tag.name(),
                declared: u64::from(header.raw_len),
                cap: u64::from(tag.raw_cap()),
            });
        }
        Ok(header)
    }
}

/// The file header with its checksum.
pub(super) fn file_header() -> [u8; FILE_HEADER_BYTES] {
    let mut bytes = [0; FILE_HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&super::FORMAT_VERSION.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Refuses what is not a recording of this version.
pub(super) fn check_file_header(file: &[u8]) -> Result<(), RecordingError> {
    let start = &file[..file.len().min(MAGIC.len())];
    if start.is_empty() || *start != MAGIC[..start.len()] {
        return Err(RecordingError::Magic);
    }
    let bytes: [u8; FILE_HEADER_BYTES] = take(file, 0, "the file header")?;
    if crc32fast::hash(&bytes[..16]) != word(&bytes, 16) {
        return Err(RecordingError::HeaderChecksum { offset: 0 });
    }
    let version = word(&bytes, 8);
    if version != super::FORMAT_VERSION {
        return Err(RecordingError::Version { found: version });
    }
    if word(&bytes, 12) != 0 {
        return Err(RecordingError::Reserved { offset: 12, value: word(&bytes, 12) });
    }
    Ok(())
}

/// Compresses a payload for its section; END stays as it is.
pub(super) fn compress(tag: Tag, raw: &[u8]) -> Result<Vec<u8>, std::io::Error> {
    match tag {
        Tag::End => Ok(raw.to_vec()),
        _ => zstd::bulk::compress(raw, tag.level()),
    }
}

/// Gives a payload back, never growing past the declared length.
pub(super) fn decompress(
    offset: usize,
    header: SectionHeader,
    stored: &[u8],
) -> Result<Vec<u8>, RecordingError> {
    if header.tag == Tag::End {
        return Ok(stored.to_vec());
    }
    let at = |kind| RecordingError::Compression {
        offset: offset as u64,
        section: header.tag.name(),
        kind,
    };
    let declared = u64::from(header.raw_len);
    let mut decoder = zstd::stream::read::Decoder::with_buffer(stored).map_err(|e| at(e.kind()))?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(|e| at(e.kind()))?;
    let mut raw = Vec::new();
    decoder.by_ref().take(declared + 1).read_to_end(&mut raw).map_err(|e| at(e.kind()))?;
    if raw.len() as u64 != declared {
        return Err(RecordingError::RawLength {
            offset: offset as u64,
            section: header.tag.name(),
            declared,
            found: raw.len() as u64,
        });
    }
    Ok(raw)
}

/// `N` bytes of the file at `offset`.
pub(super) fn take<const N: usize>(
    file: &[u8],
    offset: usize,
    what: &'static str,
) -> Result<[u8; N], RecordingError> {
    let mut array = [0; N];
    array.copy_from_slice(slice(file, offset, N, what)?);
    Ok(array)
}

/// `len` bytes of the file at `offset`.
pub(super) fn slice<'f>(
    file: &'f [u8],
    offset: usize,
    len: usize,
    what: &'static str,
) -> Result<&'f [u8], RecordingError> {
    let end = offset.checked_add(len).filter(|&end| end <= file.len());
    end.map(|end| &file[offset..end]).ok_or(RecordingError::Truncated {
        offset: offset as u64,
        what,
        needed: len as u64,
        left: file.len().saturating_sub(offset) as u64,
    })
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
