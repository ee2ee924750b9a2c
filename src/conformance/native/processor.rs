//! Batches of cases on this processor.

use super::super::case::Case;
use super::super::layout::{BATCH, CODE, CODE_BYTES, FILLER, IMAGE_BYTES};
use super::frame::{self, Components};
use super::places::*;
use super::remote;
use super::tracee::{BatchEnd, Tracee};
use super::{BaseAccess, NativeEnd, NativeError};

/// This processor, for user code.
pub struct Native {
    tracee: Tracee,
    image: Vec<u8>,
    read_only: Vec<u8>,
    components: Components,
    bases: BaseAccess,
    code: Vec<u8>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl std::fmt::Debug for Native {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Native").field("pid", &self.tracee.pid()).finish_non_exhaustive()
    }
}

impl Native {
    /// Takes a child process over, with this memory image (data, then stack) and this
    /// page that can only be read.
    ///
    /// # Errors
    /// [`NativeError`] where the host does not allow it.
    pub fn start(image: &[u8], read_only: &[u8]) -> Result<Self, NativeError> {
        let bases = BaseAccess::on_host();
        Ok(Self {
            tracee: Tracee::start(image, read_only, bases)?,
            image: image.to_vec(),
            read_only: read_only.to_vec(),
            components: if std::arch::is_x86_feature_detected!("avx") {
                Components::Avx
            } else {
                Components::Sse
            },
            bases,
            code: vec![FILLER; CODE_BYTES as usize],
            input: vec![0; INPUT_BYTES as usize],
            output: vec![0; OUTPUT_BYTES as usize],
        })
    }

    /// Runs at most [`BATCH`] cases whose code does not overlap.
    ///
    /// # Errors
    /// [`NativeError`] where the child cannot be reached or started again.
    pub fn run(&mut self, cases: &[Case]) -> Result<Vec<NativeEnd>, NativeError> {
        assert!(cases.len() <= BATCH, "at most a batch");
        if self.run_batch(cases, 0)? == BatchEnd::Complete {
            return Ok((0..cases.len()).map(|nth| self.ending(nth)).collect());
        }
        self.restart()?;
        let mut ends = Vec::with_capacity(cases.len());
        for (nth, case) in cases.iter().enumerate() {
            // One at a time, to find the one that ends the child.
            let alone = std::slice::from_ref(case);
            if self.run_batch(alone, nth)? == BatchEnd::Complete {
                ends.push(self.ending(nth));
            } else {
                ends.push(NativeEnd::Lost);
                self.restart()?;
            }
        }
        Ok(ends)
    }

    /// Memory after the `nth` case of the last run.
    #[must_use]
    pub fn memory(&self, nth: usize) -> &[u8] {
        let from = nth * OUTPUT_STRIDE as usize + FRAME_BYTES as usize;
        &self.output[from..from + IMAGE_BYTES]
    }

    fn restart(&mut self) -> Result<(), NativeError> {
        self.tracee = Tracee::start(&self.image, &self.read_only, self.bases)?;
        Ok(())
    }

    /// Runs cases and keeps what they give from the `first` output slot on.
    fn run_batch(&mut self, cases: &[Case], first: usize) -> Result<BatchEnd, NativeError> {
        self.code.fill(FILLER);
        let mut slots = self.input.chunks_exact_mut(INPUT_STRIDE as usize);
        for (nth, case) in cases.iter().enumerate() {
            let at = (case.start.rip - CODE) as usize;
            self.code[at..at + case.code.len()].copy_from_slice(&case.code);
            let address = INPUT + nth as u64 * INPUT_STRIDE;
            if let Some(slot) = slots.next() {
                frame::write_input(slot, address, case, self.components);
            }
        }
        let pid = self.tracee.pid();
        let input = &self.input[..cases.len() * INPUT_STRIDE as usize];
        remote::write(pid, &[(CODE, &self.code), (INPUT, input)])?;
        let end = self.tracee.run(cases.len())?;
        if end == BatchEnd::Complete {
            let from = first * OUTPUT_STRIDE as usize;
            let to = from + cases.len() * OUTPUT_STRIDE as usize;
            remote::read(pid, OUTPUT, &mut self.output[from..to])?;
        }
        Ok(end)
    }

    fn ending(&self, nth: usize) -> NativeEnd {
        let from = nth * OUTPUT_STRIDE as usize;
        let frame = &self.output[from..from + FRAME_BYTES as usize];
        frame::read_ending(frame, self.bases).map_or(NativeEnd::Lost, NativeEnd::Ended)
    }
}
