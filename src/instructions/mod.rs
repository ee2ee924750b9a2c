//! The instruction set as a table: every form that the decoder knows for 64-bit mode,
//! whether the emulator has it, and if not, why.
//!
//! [`table`] computes it from the emulator itself: nothing is kept by hand but the
//! reasons ([`reason`]). [`show`] makes text and `docs/instructions.md` of it.

pub mod reason;
pub mod show;

use emulator::cpuid::CpuModel;
use emulator::support;
use iced_x86::{Code, Instruction};

use crate::conformance::isa::forms;
use crate::conformance::isa::generate::sample;
use crate::conformance::rng::Rng;
pub use reason::Reason;

/// Choices of operands after which a form counts as built or not.
const SAMPLES: u64 = 12;
/// Where the choices come from.
const SEED: u64 = 7;

/// How far a form is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Support {
    /// Built, and compared with a processor by `dr7 conformance isa`.
    Compared,
    /// Built; the reason is why no processor is asked.
    NotCompared(&'static str),
    /// Not built.
    Refused(Reason),
}

impl Support {
    /// Whether the emulator has the form.
    #[must_use]
    pub fn is_full(self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// A form and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The decoder's name of the form.
    pub code: Code,
    /// The first processor model that has it.
    pub since: Option<CpuModel>,
    /// How far it is supported.
    pub support: Support,
}

impl Entry {
    /// Mnemonic and operands, as the manual writes them.
    #[must_use]
    pub fn syntax(&self) -> &'static str {
        self.code.op_code().instruction_string()
    }

    /// The CPUID features that it needs, by the decoder's names, joined by `+`.
    #[must_use]
    pub fn features(&self) -> String {
        let names: Vec<String> =
            self.code.cpuid_features().iter().map(|feature| format!("{feature:?}")).collect();
        names.join("+")
    }
}

/// All forms, in the decoder's order.
#[must_use]
pub fn table() -> Vec<Entry> {
    forms::all().map(entry).collect()
}

fn entry(code: Code) -> Entry {
    let has = |model: &CpuModel| code.cpuid_features().iter().all(|&name| model.has(name));
    let since = CpuModel::ALL.into_iter().find(has);
    let support = if !(is_offered(code) && is_built(code)) {
        Support::Refused(reason::of(code, since))
    } else if let Some(exclusion) = forms::not_compared(code) {
        Support::NotCompared(exclusion.reason())
    } else {
        Support::Compared
    };
    Entry { code, since, support }
}

/// Whether some model has a form, or ignores it as a hint.
fn is_offered(code: Code) -> bool {
    let mut insn = Instruction::default();
    insn.set_code(code);
    CpuModel::ALL.into_iter().any(|model| model.missing(&insn).is_none())
}

/// Whether a form is built with all kinds of operands that it takes.
fn is_built(code: Code) -> bool {
    if code.op_code().fwait() {
        // The decoder reads WAIT and the form without it, which has an entry of its own.
        return true;
    }
    let mut insns = (0..SAMPLES).filter_map(|nth| {
        let mut rng = Rng::new(SEED, code as u64 * SAMPLES + nth);
        sample(&mut rng, code)
    });
    let built = |insn: &Instruction| support::is_built(insn);
    insns.next().is_some_and(|first| built(&first) && insns.all(|insn| built(&insn)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn support_of(code: Code) -> Support {
        entry(code).support
    }

    #[test]
    fn some_forms() {
        assert_eq!(support_of(Code::Add_rm64_r64), Support::Compared);
        assert!(matches!(support_of(Code::Cpuid), Support::NotCompared(_)));
        assert!(matches!(support_of(Code::Mov_cr_r64), Support::NotCompared(_)));
        assert_eq!(support_of(Code::Vmlaunch), Support::Refused(Reason::VirtualMachines));
        let wide = Code::EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er;
        assert_eq!(support_of(wide), Support::Refused(Reason::Avx512));
    }

    #[test]
    fn models_that_have_a_form() {
        assert_eq!(entry(Code::Addps_xmm_xmmm128).since, Some(CpuModel::V1));
        assert_eq!(entry(Code::Pshufb_xmm_xmmm128).since, Some(CpuModel::V2));
        assert_eq!(entry(Code::VEX_Vaddps_ymm_ymm_ymmm256).since, Some(CpuModel::V3));
        assert_eq!(entry(Code::Vmlaunch).since, None);
    }
}
