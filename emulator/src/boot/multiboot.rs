//! The header of a multiboot image.
//! Source: Multiboot Specification 0.6.96, section 3.1.

use super::error::{FlagBits, ImageError};
use super::image::{LoadSegment, SegmentName};
use super::reader::Reader;

/// The header lies within so many bytes of the file's start.
pub(super) const SEARCH_BYTES: usize = 8192;
/// What the header begins with.
const HEADER_MAGIC: u32 = 0x1bad_b002;
/// Modules begin at page boundaries: they always do.
const PAGE_ALIGN: u32 = 1 << 0;
/// The memory fields are wanted: they are always there.
const MEMORY_INFO: u32 = 1 << 1;
/// A video mode is wanted.
const VIDEO_MODE: u32 = 1 << 2;
/// The header has addresses, which go before those of the file.
const ADDRESSES: u32 = 1 << 16;
/// Flags that must be understood; the others may be ignored.
const MANDATORY: u32 = 0xffff;

const HEADER: &str = "the multiboot header";

/// A header that adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its offset in the file.
    pub(super) at: u64,
    flags: u32,
    pub(super) addresses: Option<Addresses>,
}

/// The address fields: how to load a file that is not ELF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    header: u64,
    load: u64,
    /// 0: all of the file.
    load_end: u64,
    /// 0: nothing behind what is loaded.
    bss_end: u64,
    pub(super) entry: u64,
}

/// Finds the header. A header that does not add up is an error if there is no other.
pub(super) fn find(bytes: &[u8]) -> Result<Option<Header>, ImageError> {
    let searched = &bytes[..bytes.len().min(SEARCH_BYTES)];
    let mut wrong = None;
    let candidates = searched.windows(12).zip(0u64..).step_by(4);
    for (at, sum) in candidates.filter_map(|(window, at)| Some((at, sum_at(window)?))) {
        if sum == 0 {
            return Header::read(Reader(bytes), at).map(Some);
        }
        wrong = wrong.or(Some(ImageError::Checksum { at, sum }));
    }
    wrong.map_or(Ok(None), Err)
}

/// What magic, flags and checksum add up to, if the magic is there.
fn sum_at(window: &[u8]) -> Option<u32> {
    let (words, _) = window.as_chunks::<4>();
    let [magic, flags, checksum] = <[[u8; 4]; 3]>::try_from(words).ok()?.map(u32::from_le_bytes);
    (magic == HEADER_MAGIC).then(|| magic.wrapping_add(flags).wrapping_add(checksum))
}

impl Header {
    fn read(file: Reader<'_>, at: u64) -> Result<Self, ImageError> {
        let flags = file.u32(HEADER, at + 4)?;
        let unknown = flags & MANDATORY & !(PAGE_ALIGN | MEMORY_INFO | VIDEO_MODE);
        if unknown != 0 {
            return Err(ImageError::MandatoryFlags { at, bits: FlagBits(unknown) });
        }
        let addresses =
            if flags & ADDRESSES != 0 { Some(Addresses::read(file, at)?) } else { None };
        Ok(Self { at, flags, addresses })
    }

    /// Whether the image wants to know of a video mode.
    pub(super) fn wants_video(&self) -> bool {
        self.flags & VIDEO_MODE != 0
    }
}

impl Addresses {
    fn read(file: Reader<'_>, at: u64) -> Result<Self, ImageError> {
        let field = |nth: u64| file.u32(HEADER, at + 12 + 4 * nth).map(u64::from);
        let [header, load, load_end] = [field(0)?, field(1)?, field(2)?];
        let this = Self { header, load, load_end, bss_end: field(3)?, entry: field(4)? };
        this.check(at)?;
        Ok(this)
    }

    /// Refuses addresses that contradict each other.
    fn check(&self, at: u64) -> Result<(), ImageError> {
        let at_least = |field, value, bound, of| {
            let wrong = ImageError::Addresses { at, field, value, bound, of };
            if value < bound { Err(wrong) } else { Ok(()) }
        };
        at_least("header_addr", self.header, self.load, "the load_addr")?;
        // The part of the file before the header cannot be longer than it is.
        at_least("load_addr", self.load, self.header.saturating_sub(at), "the file's start")?;
        if self.load_end != 0 {
            at_least("load_end_addr", self.load_end, self.load, "the load_addr")?;
        }
        Ok(())
    }

    /// The only segment of the image.
    pub(super) fn segment<'a>(
        &self,
        bytes: &'a [u8],
        at: u64,
    ) -> Result<LoadSegment<'a>, ImageError> {
        let start = at - (self.header - self.load);
        let len = match self.load_end {
            0 => bytes.len() as u64 - start,
            end => end - self.load,
        };
        let data = Reader(bytes).slice("what the multiboot header loads", start, len)?;
        let loaded_end = self.load + len;
        let end = match self.bss_end {
            0 => loaded_end,
            end if end < loaded_end => {
                let (field, of) = ("bss_end_addr", "the end of what is loaded");
                let (value, bound) = (end, loaded_end);
                return Err(ImageError::Addresses { at, field, value, bound, of });
            }
            end => end,
        };
        let (name, physical) = (SegmentName::Multiboot, self.load);
        let memory_bytes = end - self.load;
        if memory_bytes == 0 {
            return Err(ImageError::NoSegments);
        }
        Ok(LoadSegment { name, physical, linear: physical, data, memory_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn header(flags: u32) -> Vec<u8> {
        words(&[HEADER_MAGIC, flags, 0u32.wrapping_sub(HEADER_MAGIC).wrapping_sub(flags)])
    }

    #[test]
    fn it_is_found_at_multiples_of_four_in_the_first_8_kib() {
        for (at, found) in [(0, true), (4, true), (6, false), (8180, true), (8184, false)] {
            let file = [vec![0; at], header(3), vec![0; 64]].concat();
            let expected = found.then_some(at as u64);
            assert_eq!(find(&file).unwrap().map(|header| header.at), expected, "{at}");
        }
        assert_eq!(find(&header(0)[..11]), Ok(None));
    }

    #[test]
    fn a_wrong_sum_is_an_error_only_without_a_right_one() {
        let wrong = words(&[HEADER_MAGIC, 3, 0]);
        let sum = HEADER_MAGIC + 3;
        assert_eq!(find(&wrong), Err(ImageError::Checksum { at: 0, sum }));
        let both = [wrong, header(0)].concat();
        assert_eq!(find(&both).unwrap().unwrap().at, 12);
    }

    #[test]
    fn unknown_requirements_are_named_and_wishes_ignored() {
        let error = find(&header(1 << 3 | 1 << 15)).unwrap_err();
        assert_eq!(error, ImageError::MandatoryFlags { at: 0, bits: FlagBits(0x8008) });
        assert!(error.to_string().ends_with("(flag bit 3 15)"), "{error}");
        assert!(find(&header(0xfffe_0007)).unwrap().unwrap().wants_video());
    }

    /// A file with `before` bytes, a header with addresses, and 4 bytes more.
    fn with_addresses(before: usize, addresses: [u32; 5]) -> Vec<u8> {
        [vec![0x90; before], header(ADDRESSES), words(&addresses), vec![1, 2, 3, 4]].concat()
    }

    fn loaded(file: &[u8]) -> Result<(u64, usize, u64), ImageError> {
        let header = find(file)?.unwrap();
        let segment = header.addresses.unwrap().segment(file, header.at)?;
        Ok((segment.physical, segment.data.len(), segment.memory_bytes))
    }

    #[test]
    fn addresses_say_what_is_loaded() {
        let at = 0x10_0000;
        // All of the file, from 8 bytes before the header.
        assert_eq!(loaded(&with_addresses(16, [at + 8, at, 0, 0, at])), Ok((1 << 20, 44, 44)));
        // A part of it, and zeros behind.
        let part = with_addresses(16, [at + 16, at, at + 40, at + 99, at]);
        assert_eq!(loaded(&part), Ok((1 << 20, 40, 99)));
    }

    #[test]
    fn addresses_that_contradict_each_other_are_refused() {
        let at = 0x10_0000;
        for (addresses, field) in [
            ([at - 4, at, 0, 0, at], "header_addr"),
            ([at + 20, at, 0, 0, at], "load_addr"),
            ([at, at, at - 1, 0, at], "load_end_addr"),
            ([at, at, at + 8, at + 7, at], "bss_end_addr"),
        ] {
            let error = loaded(&with_addresses(16, addresses)).unwrap_err();
            let ImageError::Addresses { field: found, .. } = error else {
                panic!("{field}: {error}");
            };
            assert_eq!(found, field);
        }
        let long = loaded(&with_addresses(0, [at, at, at + 4096, 0, at]));
        assert!(matches!(long, Err(ImageError::Truncated { end: 4096, .. })), "{long:?}");
        let cut = &with_addresses(0, [at; 5])[..28];
        assert!(matches!(find(cut), Err(ImageError::Truncated { .. })));
    }
}
