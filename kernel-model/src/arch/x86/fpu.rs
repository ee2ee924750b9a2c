//! Vector and x87 state of a task that is not running, and its FXSAVE image for signal frames.
//! Source: SDM vol. 1, 10.5 (FXSAVE area).

use emulator::regs::x87::FXSAVE_X87_BYTES;
use emulator::regs::{Regs, Vector, X87};

/// XMM/YMM registers, MXCSR, and the x87 FPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FpuState {
    vector: Vector,
    x87: X87,
}

/// Bytes of an FXSAVE area.
pub const FXSAVE_BYTES: usize = 512;
/// Offset of MXCSR and of the first XMM register.
const MXCSR: usize = 24;
const XMM0: usize = FXSAVE_X87_BYTES;
/// MXCSR bits that exist.
const MXCSR_MASK: u32 = 0xffff;

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

    /// The FXSAVE image.
    #[must_use]
    pub fn fxsave(&self) -> [u8; FXSAVE_BYTES] {
        let mut image = [0; FXSAVE_BYTES];
        let mut x87 = [0; FXSAVE_X87_BYTES];
        self.x87.store_fxsave(&mut x87);
        image[..FXSAVE_X87_BYTES].copy_from_slice(&x87);
        image[MXCSR..MXCSR + 4].copy_from_slice(&self.vector.mxcsr.to_le_bytes());
        image[MXCSR + 4..MXCSR + 8].copy_from_slice(&MXCSR_MASK.to_le_bytes());
        for (index, place) in image[XMM0..XMM0 + 256].chunks_exact_mut(16).enumerate() {
            place.copy_from_slice(&self.vector.xmm(index as u8).to_le_bytes());
        }
        image
    }

    /// Loads XMM registers, MXCSR and the x87 FPU from an FXSAVE image. `None` where MXCSR has
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
        let mut x87 = [0; FXSAVE_X87_BYTES];
        x87.copy_from_slice(&image[..FXSAVE_X87_BYTES]);
        self.x87.load_fxsave(&x87);
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
