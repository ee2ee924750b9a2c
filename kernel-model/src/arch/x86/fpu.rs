//! Vector and x87 state of a task that is not running, and its image in signal frames.
//! Source: SDM vol. 1, 10.5 and 13.4 (FXSAVE and XSAVE areas); Linux 6.18
//! `arch/x86/kernel/fpu/signal.c`, `arch/x86/include/uapi/asm/sigcontext.h`.

use emulator::regs::control::xcr0;
use emulator::regs::xsave::{self, AREA_BYTES, LEGACY_BYTES, Pointers, Restore};
use emulator::regs::{Regs, Vector, X87};

/// XMM/YMM registers, MXCSR, and the x87 FPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FpuState {
    vector: Vector,
    x87: X87,
}

/// Bytes of an FXSAVE area.
pub const FXSAVE_BYTES: usize = 512;
/// Bytes of an FXSAVE area and a header: the least that an XSAVE image has.
const MIN_XSTATE_BYTES: usize = xsave::AVX_OFFSET as usize;
/// `FP_XSTATE_MAGIC1`, at [`SW_RESERVED`].
const MAGIC1: u32 = 0x4650_5853;
/// `FP_XSTATE_MAGIC2`, after the image.
const MAGIC2: u32 = 0x4650_5845;
/// Bytes of it.
const MAGIC2_BYTES: usize = 4;
/// Offset of `_fpx_sw_bytes` in the FXSAVE area: magic1, extended_size, xfeatures (64
/// bits), xstate_size.
const SW_RESERVED: usize = 464;
const SW_EXTENDED_SIZE: usize = SW_RESERVED + 4;
const SW_XFEATURES: usize = SW_RESERVED + 8;
const SW_XSTATE_SIZE: usize = SW_RESERVED + 16;
/// x87 and SSE state (`XFEATURE_MASK_FPSSE`).
const FPSSE: u64 = xcr0::X87 | xcr0::SSE;

/// How the processor saves state, as far as signal frames show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FpuFormat {
    /// With FXSAVE.
    Fxsave,
    /// With XSAVE, and these features (bits of XCR0).
    Xsave {
        /// `fpstate->user_xfeatures`.
        features: u64,
    },
}

impl FpuFormat {
    /// The format where these bits of XCR0 are set: none without XSAVE.
    #[must_use]
    pub const fn of(features: u64) -> Self {
        if features == 0 { Self::Fxsave } else { Self::Xsave { features } }
    }

    /// Bytes of the image in a signal frame, with what follows it
    /// (`xstate_sigframe_size`).
    #[must_use]
    pub const fn frame_bytes(self) -> usize {
        match self {
            Self::Fxsave => FXSAVE_BYTES,
            Self::Xsave { .. } => self.user_size() + MAGIC2_BYTES,
        }
    }

    /// Bytes of the image alone (`fpstate->user_size`).
    const fn user_size(self) -> usize {
        match self {
            Self::Fxsave => FXSAVE_BYTES,
            Self::Xsave { features } => xsave::area_bytes(features) as usize,
        }
    }

    /// AT_MINSIGSTKSZ: the most bytes that a signal frame takes (`init_sigframe_size`,
    /// of a kernel that runs 32-bit programs too).
    #[must_use]
    pub const fn min_signal_stack(self) -> u64 {
        // Frame, legacy FSAVE header and alignment, measured on Linux 6.18.
        const AROUND: usize = 940;
        (self.frame_bytes() + AROUND).next_multiple_of(16) as u64
    }
}

fn word(image: &[u8], at: usize) -> u32 {
    image.get(at..at + 4).map_or(0, |bytes| {
        let (words, _) = bytes.as_chunks::<4>();
        u32::from_le_bytes(words[0])
    })
}

impl FpuState {
    /// The state in a CPU's registers.
    pub(super) fn of(regs: &Regs) -> Self {
        Self { vector: regs.vector.clone(), x87: regs.x87.clone() }
    }

    /// Puts it into a CPU's registers.
    pub(super) fn load(&self, regs: &mut Regs) {
        regs.vector = self.vector.clone();
        regs.x87 = self.x87.clone();
    }

    /// The image for a signal frame (`copy_fpstate_to_sigframe`).
    #[must_use]
    pub fn to_frame(&self, format: FpuFormat) -> Vec<u8> {
        let area = |features| xsave::standard_image(&self.vector, &self.x87, features).to_vec();
        let FpuFormat::Xsave { features } = format else {
            let mut image = area(FPSSE);
            image.truncate(FXSAVE_BYTES);
            return image;
        };
        let mut image = area(features);
        // x87 and SSE are always marked, for programs that edit them in place.
        image[xsave::HEADER_OFFSET as usize] |= FPSSE as u8;
        let user_size = format.user_size();
        image.truncate(user_size);
        let mut put = |at: usize, value: u32| {
            image[at..at + 4].copy_from_slice(&value.to_le_bytes());
        };
        put(SW_RESERVED, MAGIC1);
        put(SW_EXTENDED_SIZE, (user_size + MAGIC2_BYTES) as u32);
        put(SW_XFEATURES, features as u32);
        put(SW_XSTATE_SIZE, user_size as u32);
        image.extend_from_slice(&MAGIC2.to_le_bytes());
        image
    }

    /// Loads the image of a signal frame, of which `image` has as much as could be read.
    /// What it does not hold gets its initial value (`__restore_fpregs_from_user`).
    ///
    /// # Errors
    /// `None` where the processor refuses it: MXCSR or the header is not legal.
    #[must_use]
    pub fn from_frame(image: &[u8], format: FpuFormat) -> Option<Self> {
        let mut state = Self::default();
        let mut area = [0; AREA_BYTES];
        let len = image.len().min(AREA_BYTES);
        area[..len].copy_from_slice(&image[..len]);
        let restored = match xstate_size(image, format) {
            Some(size) => {
                area[size..].fill(0);
                let FpuFormat::Xsave { features } = format else { return None };
                let named = u64::from(word(image, SW_XFEATURES)) & features;
                let (_, rest) = area.split_at(xsave::HEADER_OFFSET as usize);
                let (headers, _) = rest.as_chunks::<{ xsave::HEADER_BYTES as usize }>();
                Restore::of(&headers[0], named, features)?
            }
            // FXRSTOR.
            None => Restore { load: FPSSE, init: 0, mxcsr: true },
        };
        restored.apply(&area, Pointers::Wide, &mut state.vector, &mut state.x87)?;
        Some(state)
    }
}

/// Register sets as tracers read and write them.
/// Source: Linux 6.18 `arch/x86/kernel/fpu/regset.c`, `arch/x86/kernel/fpu/xstate.c`
/// (`copy_xstate_to_uabi_buf`).
impl FpuState {
    /// x87 and SSE registers as FXSAVE has them.
    #[must_use]
    pub fn to_fxregs(&self) -> Vec<u8> {
        self.to_frame(FpuFormat::Fxsave)
    }

    /// This state with other x87 and SSE registers; `None` where MXCSR is not legal.
    #[must_use]
    pub fn with_fxregs(&self, image: &[u8]) -> Option<Self> {
        let mut state = self.clone();
        let mut area = [0; AREA_BYTES];
        let len = image.len().min(FXSAVE_BYTES);
        area[..len].copy_from_slice(&image[..len]);
        let restore = Restore { load: FPSSE, init: 0, mxcsr: true };
        restore.apply(&area, Pointers::Wide, &mut state.vector, &mut state.x87)?;
        Some(state)
    }

    /// The XSAVE area; where software's bytes are, it has the features.
    #[must_use]
    pub fn to_xstate(&self, features: u64) -> Vec<u8> {
        let mut image = xsave::standard_image(&self.vector, &self.x87, features).to_vec();
        image.truncate(FpuFormat::of(features).user_size());
        image[SW_RESERVED..SW_RESERVED + 8].copy_from_slice(&features.to_le_bytes());
        image
    }

    /// The state of an XSAVE area; `None` where its header or MXCSR is not legal.
    #[must_use]
    pub fn from_xstate(image: &[u8], features: u64) -> Option<Self> {
        let mut state = Self::default();
        let mut area = [0; AREA_BYTES];
        let len = image.len().min(AREA_BYTES);
        area[..len].copy_from_slice(&image[..len]);
        let (_, rest) = area.split_at(xsave::HEADER_OFFSET as usize);
        let (headers, _) = rest.as_chunks::<{ xsave::HEADER_BYTES as usize }>();
        // Tracers write the standard form only, and nothing beyond the first word.
        if headers[0][8..].iter().any(|&byte| byte != 0) {
            return None;
        }
        let restore = Restore::of(&headers[0], features, features)?;
        restore.apply(&area, Pointers::Wide, &mut state.vector, &mut state.x87)?;
        Some(state)
    }
}

/// The bytes of the XSAVE image that a frame holds; `None` where it is to be taken for
/// an FXSAVE image (`check_xstate_in_sigframe`).
fn xstate_size(image: &[u8], format: FpuFormat) -> Option<usize> {
    if format == FpuFormat::Fxsave || word(image, SW_RESERVED) != MAGIC1 {
        return None;
    }
    let size = word(image, SW_XSTATE_SIZE) as usize;
    let extended = word(image, SW_EXTENDED_SIZE) as usize;
    let sound = (MIN_XSTATE_BYTES..=format.user_size()).contains(&size) && size <= extended;
    (sound && word(image, size) == MAGIC2).then_some(size)
}

const _: () = assert!(LEGACY_BYTES <= SW_RESERVED, "software's bytes are not the processor's");

impl super::hw::Hw {
    /// MXCSR of a CPU.
    #[must_use]
    pub fn mxcsr(&self, cpu: perf_core::CpuId) -> u32 {
        self.machine().cpu(cpu.0 as usize).regs.vector.mxcsr
    }

    /// How this machine saves vector state.
    #[must_use]
    pub fn fpu_format(&self) -> FpuFormat {
        FpuFormat::of(self.machine().cpu(0).model().xcr0_supported())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emulator::regs::vector::VectorReg;
    use proptest::prelude::*;

    const AVX: FpuFormat = FpuFormat::Xsave { features: 7 };

    fn sample() -> FpuState {
        let mut state = FpuState::default();
        state.vector.mxcsr = 0x3f80;
        for reg in 0..16 {
            let lo = u128::from(reg) + 1;
            state.vector.set_ymm(reg, VectorReg { lo, hi: lo << 64 });
        }
        state.x87.push(emulator::alu::x87::format::F80::ZERO);
        state
    }

    fn with_low_halves_only(state: &FpuState) -> FpuState {
        let mut state = state.clone();
        for reg in 0..16 {
            let VectorReg { lo, .. } = state.vector.ymm(reg);
            state.vector.set_ymm(reg, VectorReg { lo, hi: 0 });
        }
        state
    }

    #[test]
    fn sizes_are_those_of_linux() {
        assert_eq!((FpuFormat::Fxsave.frame_bytes(), AVX.frame_bytes()), (512, 836));
        assert_eq!(AVX.min_signal_stack(), 1776);
    }

    #[test]
    fn a_frame_has_the_words_of_the_abi() {
        let image = sample().to_frame(AVX);
        let at = |offset| word(&image, offset);
        assert_eq!([464, 468, 472, 476, 480].map(at), [MAGIC1, 836, 7, 0, 832]);
        assert_eq!((at(512), at(832)), (7, MAGIC2));
        let fresh = FpuState::default().to_frame(AVX);
        assert_eq!(word(&fresh, 512), 3, "x87 and SSE are always marked");
    }

    #[test]
    fn what_is_saved_is_restored() {
        let state = sample();
        assert_eq!(FpuState::from_frame(&state.to_frame(AVX), AVX), Some(state.clone()));
        let low = with_low_halves_only(&state);
        let image = state.to_frame(FpuFormat::Fxsave);
        assert_eq!(FpuState::from_frame(&image, FpuFormat::Fxsave), Some(low));
    }

    #[test]
    fn register_sets_come_back() {
        let state = sample();
        let xstate = state.to_xstate(7);
        assert_eq!((xstate.len(), word(&xstate, SW_RESERVED)), (832, 7));
        assert_eq!(FpuState::from_xstate(&xstate, 7), Some(state.clone()));
        let fxregs = state.to_fxregs();
        assert_eq!(FpuState::default().with_fxregs(&fxregs), Some(with_low_halves_only(&state)));
        assert_eq!(state.with_fxregs(&fxregs), Some(state.clone()), "upper halves stay");
        for (at, value) in [(24, 1 << 16), (512, 8), (520, 1), (560, 1)] {
            let mut bad = xstate.clone();
            bad[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
            assert_eq!(FpuState::from_xstate(&bad, 7), None, "{at}");
        }
    }

    #[test]
    fn bad_magic_or_sizes_leave_the_fxsave_part() {
        let state = sample();
        let low = Some(with_low_halves_only(&state));
        for (at, value) in [(464, 0), (832, 0), (480, 575), (480, 833), (468, 831)] {
            let mut image = state.to_frame(AVX);
            image[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
            assert_eq!(FpuState::from_frame(&image, AVX), low, "{at} {value}");
        }
    }

    #[test]
    fn features_that_the_frame_leaves_out_are_initial() {
        let state = sample();
        let mut image = state.to_frame(AVX);
        image[SW_XFEATURES] = 3;
        assert_eq!(FpuState::from_frame(&image, AVX), Some(with_low_halves_only(&state)));
    }

    #[test]
    fn what_the_processor_refuses_is_refused() {
        for (at, value) in [(24, 1 << 16), (512, 8), (520, 1), (528, 1)] {
            let mut image = sample().to_frame(AVX);
            image[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
            assert_eq!(FpuState::from_frame(&image, AVX), None, "{at} {value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..900)) {
            let mut bytes = bytes;
            for (at, value) in [(464, MAGIC1), (480, 832), (468, 836)] {
                if let Some(place) = bytes.get_mut(at..at + 4) {
                    place.copy_from_slice(&value.to_le_bytes());
                }
            }
            let _answer = FpuState::from_frame(&bytes, AVX);
        }
    }
}
