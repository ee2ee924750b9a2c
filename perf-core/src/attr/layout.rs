//! The 136 bytes of `struct perf_event_attr`, both ways, and the copy-in size rules (1.1.1).

use super::abi::AttrFlags;
use super::{AttrError, PERF_ATTR_SIZE, PERF_ATTR_SIZE_MAX, PERF_ATTR_SIZE_VER0, PerfEventAttr};

const LEN: usize = PERF_ATTR_SIZE as usize;
const TOO_BIG: AttrError = AttrError::TooBig { write_back_size: PERF_ATTR_SIZE };

/// Takes little-endian fields off the front of a full-size image.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.0 = rest;
                *head
            }
            None => [0; N],
        }
    }
    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }
    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }
    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

impl PerfEventAttr {
    /// Copies an attribute in. `bytes` are the bytes at the user's pointer that could be read,
    /// up to 4096 of them; fewer than the attribute's own size says means the rest faults.
    pub fn parse(bytes: &[u8]) -> Result<Self, AttrError> {
        let size_field: [u8; 4] =
            bytes.get(4..8).and_then(|b| b.try_into().ok()).ok_or(AttrError::Fault)?;
        let size = match u32::from_le_bytes(size_field) {
            0 => PERF_ATTR_SIZE_VER0,
            size => size,
        };
        if !(PERF_ATTR_SIZE_VER0..=PERF_ATTR_SIZE_MAX).contains(&size) {
            return Err(TOO_BIG);
        }
        let readable = &bytes[..bytes.len().min(size as usize)];
        if readable.get(LEN..).is_some_and(|tail| tail.iter().any(|&b| b != 0)) {
            return Err(TOO_BIG);
        }
        if readable.len() < size as usize {
            return Err(AttrError::Fault);
        }
        let mut image = [0; LEN];
        let copied = readable.len().min(LEN);
        image[..copied].copy_from_slice(&readable[..copied]);
        let mut attr = Self::from_image(&image);
        attr.size = size;
        Ok(attr)
    }

    fn from_image(image: &[u8; LEN]) -> Self {
        let mut f = Fields(image);
        // Struct expression fields are evaluated in the order written: the ABI's.
        PerfEventAttr {
            attr_type: f.u32(),
            size: f.u32(),
            config: f.u64(),
            sample_period: f.u64(),
            sample_type: f.u64(),
            read_format: f.u64(),
            flags: AttrFlags(f.u64()),
            wakeup_events: f.u32(),
            bp_type: f.u32(),
            bp_addr: f.u64(),
            bp_len: f.u64(),
            branch_sample_type: f.u64(),
            sample_regs_user: f.u64(),
            sample_stack_user: f.u32(),
            clockid: f.u32() as i32,
            sample_regs_intr: f.u64(),
            aux_watermark: f.u32(),
            sample_max_stack: f.u16(),
            reserved_2: f.u16(),
            aux_sample_size: f.u32(),
            aux_action: f.u32(),
            sig_data: f.u64(),
            config3: f.u64(),
        }
    }

    /// The full 136-byte image, little endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; LEN] {
        let mut out = Vec::with_capacity(LEN);
        out.extend(self.attr_type.to_le_bytes());
        out.extend(self.size.to_le_bytes());
        for word in
            [self.config, self.sample_period, self.sample_type, self.read_format, self.flags.0]
        {
            out.extend(word.to_le_bytes());
        }
        out.extend(self.wakeup_events.to_le_bytes());
        out.extend(self.bp_type.to_le_bytes());
        for word in [self.bp_addr, self.bp_len, self.branch_sample_type, self.sample_regs_user] {
            out.extend(word.to_le_bytes());
        }
        out.extend(self.sample_stack_user.to_le_bytes());
        out.extend(self.clockid.to_le_bytes());
        out.extend(self.sample_regs_intr.to_le_bytes());
        out.extend(self.aux_watermark.to_le_bytes());
        out.extend(self.sample_max_stack.to_le_bytes());
        out.extend(self.reserved_2.to_le_bytes());
        out.extend(self.aux_sample_size.to_le_bytes());
        out.extend(self.aux_action.to_le_bytes());
        out.extend(self.sig_data.to_le_bytes());
        out.extend(self.config3.to_le_bytes());
        let mut image = [0; LEN];
        image.copy_from_slice(&out);
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of(size: u32, len: usize) -> Vec<u8> {
        let attr = PerfEventAttr { size, ..PerfEventAttr::breakpoint(0x1000, 4, 2) };
        let mut bytes = attr.to_bytes().to_vec();
        bytes.resize(len, 0);
        bytes
    }

    /// Rule 1.1.1, sizes as measured.
    #[test]
    fn size_rules() {
        let parse = |size: u32| PerfEventAttr::parse(&bytes_of(size, 4096));
        for size in [1, 63, 4097, u32::MAX] {
            assert_eq!(parse(size), Err(TOO_BIG), "size {size}");
        }
        assert_eq!(TOO_BIG.errno(), crate::Errno::E2BIG);
        let zero = parse(0).unwrap();
        assert_eq!((zero.size, zero.bp_addr, zero.bp_len), (64, 0x1000, 0));
        assert_eq!(parse(64).unwrap().bp_len, 0);
        for size in [70, 72, 128, 136, 392, 4096] {
            let attr = parse(size).unwrap();
            assert_eq!((attr.size, attr.bp_len), (size, 4), "size {size}");
        }
    }

    #[test]
    fn nonzero_tail_is_refused_before_a_later_fault() {
        let mut bytes = bytes_of(392, 392);
        bytes[300] = 1;
        assert_eq!(PerfEventAttr::parse(&bytes), Err(TOO_BIG));
        bytes.truncate(301);
        assert_eq!(PerfEventAttr::parse(&bytes), Err(TOO_BIG));
        bytes.truncate(300);
        assert_eq!(PerfEventAttr::parse(&bytes), Err(AttrError::Fault));
    }

    #[test]
    fn short_memory_faults() {
        let bytes = bytes_of(136, 136);
        for len in [0, 4, 7, 8, 135] {
            assert_eq!(PerfEventAttr::parse(&bytes[..len]), Err(AttrError::Fault), "len {len}");
        }
        assert!(PerfEventAttr::parse(&bytes).is_ok());
    }

    /// Offsets of rule 1.1.
    #[test]
    fn offsets() {
        let attr = PerfEventAttr {
            sig_data: 0x1122_3344_5566_7788,
            config3: 0x99,
            clockid: -2,
            ..PerfEventAttr::breakpoint(0xaaaa, 8, 3)
        };
        let bytes = attr.to_bytes();
        let u64_at = |o: usize| u64::from_le_bytes(bytes[o..o + 8].try_into().unwrap());
        let u32_at = |o: usize| u32::from_le_bytes(bytes[o..o + 4].try_into().unwrap());
        assert_eq!((u32_at(0), u32_at(4)), (5, 136));
        assert_eq!((u32_at(52), u64_at(56), u64_at(64)), (3, 0xaaaa, 8));
        assert_eq!(u32_at(92), -2i32 as u32);
        assert_eq!((u64_at(120), u64_at(128)), (0x1122_3344_5566_7788, 0x99));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300),
                                 size in prop_oneof![0u32..300, any::<u32>()]) {
            let mut bytes = bytes;
            if bytes.len() >= 8 {
                bytes[4..8].copy_from_slice(&size.to_le_bytes());
            }
            if let Ok(attr) = PerfEventAttr::parse(&bytes) {
                let known = (attr.size as usize).min(136);
                let image = attr.to_bytes();
                prop_assert_eq!(&image[8..known], &bytes[8..known]);
                prop_assert!(image[known..].iter().all(|&b| b == 0));
                prop_assert_eq!(PerfEventAttr::from_image(&image), attr.clone());
                let _ = attr.check(&super::super::AttrLimits::default());
            }
        }
    }
}
