//! `struct statx`.
//! Source: Linux 6.18 `include/uapi/linux/stat.h`.

use super::put;
use crate::fs::stat::Stat;

/// Bytes of `struct statx`.
pub const STATX_BYTES: usize = 256;
/// The fields that `struct stat` has too (`STATX_BASIC_STATS`).
pub const STATX_BASIC_STATS: u32 = 0x7ff;
/// A bit of the mask that is not to be used (`STATX__RESERVED`).
pub const STATX_RESERVED: u64 = 0x8000_0000;
/// Preferred size of an access.
const BLOCK_BYTES: u32 = 4096;

/// A `struct statx` with the basic fields.
#[must_use]
pub fn statx(stat: &Stat) -> [u8; STATX_BYTES] {
    let mut bytes = [0; STATX_BYTES];
    let mut word = |at: usize, value: u64| put(&mut bytes, at, value.to_le_bytes());
    word(0, u64::from(STATX_BASIC_STATS) | u64::from(BLOCK_BYTES) << 32);
    word(32, stat.inode);
    word(40, stat.nr_bytes);
    word(48, stat.nr_blocks);
    // Access, change and modification; the time of birth is not known.
    for (at, ns) in [(64, stat.times.access), (96, stat.times.change), (112, stat.times.modify)] {
        word(at, ns / 1_000_000_000);
        word(at + 8, ns % 1_000_000_000);
    }
    word(128, device(stat.special_device));
    word(136, device(stat.device));
    put(&mut bytes, 16, (stat.nr_links as u32).to_le_bytes());
    put(&mut bytes, 20, stat.uid.to_le_bytes());
    put(&mut bytes, 24, stat.gid.to_le_bytes());
    put(&mut bytes, 28, (stat.mode as u16).to_le_bytes());
    bytes
}

/// Major and minor number of a device as two words.
const fn device(number: u64) -> u64 {
    number >> 8 | (number & 0xff) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uapi::word_at;

    #[test]
    fn fields_stand_where_the_abi_has_them() {
        let stat = Stat {
            device: 0x0105,
            inode: 7,
            mode: 0o100_644,
            nr_links: 2,
            special_device: 0x0203,
            nr_bytes: 1000,
            nr_blocks: 2,
            uid: 11,
            gid: 12,
            times: crate::fs::inode::Times::all(5_000_000_006),
        };
        let bytes = statx(&stat);
        let got = [0, 16, 32, 40, 48, 64, 72, 96, 112, 128, 136].map(|at| word_at(&bytes, at));
        let mode = 0o100_644;
        let want =
            [0x1000_0000_07ff, 2 | 11 << 32, 7, 1000, 2, 5, 6, 5, 5, 2 | 3 << 32, 1 | 5 << 32];
        assert_eq!(got, want);
        assert_eq!(word_at(&bytes, 24), mode << 32 | 12);
    }
}
