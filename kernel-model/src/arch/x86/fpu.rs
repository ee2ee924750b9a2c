//! Vector state of a task that is not running, and its FXSAVE image for signal frames.
//! Source: SDM vol. 1, 10.5 (FXSAVE area).

use emulator::regs::Vector;

/// XMM/YMM registers and MXCSR.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FpuState {
    pub(super) vector: Vector,
}

/// Bytes of an FXSAVE area.
pub const FXSAVE_BYTES: usize = 512;
/// Offset of MXCSR and of the first XMM register.
const MXCSR: usize = 24;
const XMM0: usize = 160;
/// x87 control word after FNINIT.
const FCW_INIT: u16 = 0x037f;
/// MXCSR bits that exist.
const MXCSR_MASK: u32 = 0xffff;

impl FpuState {
    /// The FXSAVE image. The x87 part is that after FNINIT: x87 is not modelled here.
    #[must_use]
    pub fn fxsave(&self) -> [u8; FXSAVE_BYTES] {
        let mut image = [0; FXSAVE_BYTES];
        image[..2].copy_from_slice(&FCW_INIT.to_le_bytes());
        image[MXCSR..MXCSR + 4].copy_from_slice(&self.vector.mxcsr.to_le_bytes());
        image[MXCSR + 4..MXCSR + 8].copy_from_slice(&MXCSR_MASK.to_le_bytes());
        for (index, place) in image[XMM0..XMM0 + 256].chunks_exact_mut(16).enumerate() {
            place.copy_from_slice(&self.vector.xmm(index as u8).to_le_bytes());
        }
        image
    }

    /// Loads XMM registers and MXCSR from an FXSAVE image. `None` where MXCSR has
    /// reserved bits, which FXRSTOR answers with #GP.
    pub fn fxrstor(&mut self, image: &[u8; FXSAVE_BYTES]) -> Option<()> {
        let word = |at: usize| {
            u32::from_le_bytes([image[at], image[at + 1], image[at + 2], image[at + 3]])
        };
        let mxcsr = word(MXCSR);
        if mxcsr & !MXCSR_MASK != 0 {
            return None;
        }
        self.vector.mxcsr = mxcsr;
        for (index, bytes) in image[XMM0..XMM0 + 256].chunks_exact(16).enumerate() {
            let mut value = [0; 16];
            value.copy_from_slice(bytes);
            self.vector.set_xmm(index as u8, u128::from_le_bytes(value));
        }
        Some(())
    }
}

impl super::hw::Hw {
    /// MXCSR of a CPU.
    #[must_use]
    pub fn mxcsr(&self, cpu: perf_core::CpuId) -> u32 {
        self.machine().cpu(cpu.0 as usize).regs.vector.mxcsr
    }
}
