//! The two sides of a comparison: this processor and the emulator.

use super::super::case::Case;
use super::super::emulated::{Emulated, EmulatedEnd};
use super::super::layout::{BATCH, IMAGE_BYTES, READ_ONLY_BYTES};
use super::super::native::{Native, NativeEnd, NativeError};
use super::compare::{self, Difference, Strictness};
use super::generate;
use super::untouched::{Tables, Touched};

/// What came out of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Both sides agree.
    Same,
    /// They do not.
    Differs(Vec<Difference>),
    /// They do, but the emulator has changed what the instruction does not write.
    Touches(Vec<Touched>),
    /// The emulator has not the instruction of this name.
    Unsupported(String),
    /// The emulator did not come to an end.
    Stuck(String),
    /// The child process did not survive the case.
    Lost,
}

impl Verdict {
    /// Whether this is a mismatch.
    #[must_use]
    pub fn is_mismatch(&self) -> bool {
        matches!(self, Self::Differs(_) | Self::Touches(_) | Self::Stuck(_))
    }
}

/// Both sides with the same memory image.
#[derive(Debug)]
pub struct Sides {
    /// This processor.
    pub native: Native,
    /// The emulator.
    pub emulated: Emulated,
    image: Vec<u8>,
    tables: Tables,
}

impl Sides {
    /// Both sides, ready.
    ///
    /// # Errors
    /// [`NativeError`] where the host does not allow it.
    pub fn start(seed: u64) -> Result<Self, NativeError> {
        let all = generate::image(seed, IMAGE_BYTES + READ_ONLY_BYTES as usize);
        let (image, read_only) = all.split_at(IMAGE_BYTES);
        Self::with_memory(image, read_only)
    }

    /// Both sides with a given image and page that can only be read.
    ///
    /// # Errors
    /// [`NativeError`] where the host does not allow it.
    pub fn with_memory(image: &[u8], read_only: &[u8]) -> Result<Self, NativeError> {
        Ok(Self {
            native: Native::start(image, read_only)?,
            emulated: Emulated::new(image, read_only),
            image: image.to_vec(),
            tables: Tables::default(),
        })
    }

    /// Runs cases, at most a batch, on both sides.
    ///
    /// # Errors
    /// [`NativeError`] where the child process cannot be reached.
    pub fn compare(
        &mut self,
        cases: &[Case],
        strictness: Strictness,
    ) -> Result<Vec<Verdict>, NativeError> {
        debug_assert!(cases.len() <= BATCH, "at most a batch");
        let ends = self.native.run(cases)?;
        let verdicts = cases.iter().zip(ends).enumerate().map(|(nth, (case, end))| {
            let native = match end {
                NativeEnd::Ended(ending) => ending,
                NativeEnd::Lost => return Verdict::Lost,
            };
            let emulated = match self.emulated.run(case) {
                EmulatedEnd::Ended(ending) => ending,
                EmulatedEnd::Unsupported(unsupported) => {
                    return Verdict::Unsupported(unsupported.name);
                }
                EmulatedEnd::Stuck(exit) => return Verdict::Stuck(format!("{exit:?}")),
            };
            let [data, stack] = self.emulated.memory();
            let native = compare::Side::new(&native, self.native.memory(nth));
            let emulated = compare::Side { ending: &emulated, data, stack };
            let ignored = compare::ignored_flags(case, native.ending.registers.rip, strictness);
            let found = compare::compare(native, emulated, ignored);
            if !found.is_empty() {
                return Verdict::Differs(found);
            }
            let touched = self.tables.check(case, emulated, &self.image);
            if touched.is_empty() { Verdict::Same } else { Verdict::Touches(touched) }
        });
        let mut verdicts: Vec<Verdict> = verdicts.collect();
        if cases.len() > 1 {
            // A case of the batch may have stored into the code of a later one.
            for (case, verdict) in cases.iter().zip(&mut verdicts).filter(|(_, v)| v.is_mismatch())
            {
                *verdict = self.compare_one(case, strictness)?;
            }
        }
        Ok(verdicts)
    }

    /// Compares one case.
    ///
    /// # Errors
    /// [`NativeError`] where the child process cannot be reached.
    pub fn compare_one(
        &mut self,
        case: &Case,
        strictness: Strictness,
    ) -> Result<Verdict, NativeError> {
        let verdicts = self.compare(std::slice::from_ref(case), strictness)?;
        Ok(verdicts.into_iter().next().unwrap_or(Verdict::Lost))
    }
}
