//! The sources of the guest's answers: the host, or a recording; and the tap
//! through which a session sees each one.
//!
//! A guest owns its inputs, so each answer is also sent down a channel to the
//! session, which takes what has arrived after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::mpsc::{self, Receiver, Sender};

use kernel_model::inputs::{FixedInputs, HostEntry, HostPlace, InputError, Inputs};
use perf_core::Errno;

use super::event::{Content, Input};
use super::host_tree::{HostTree, Mount};

/// The most bytes of standard input that one question gets: a longer read is
/// short, as a read from a pipe may be.
const STDIN_MAX_BYTES: usize = 1 << 20;

/// The most bytes of a file of the host that one question gets.
const HOST_READ_MAX_BYTES: usize = 1 << 20;

/// The answers given to the guest, as they are given.
#[derive(Debug)]
pub struct Tap {
    given: Receiver<Input>,
}

impl Tap {
    /// The answers since the last call.
    pub fn take(&mut self) -> impl Iterator<Item = Input> + '_ {
        self.given.try_iter()
    }
}

/// Reads the host's standard input when the guest does; random numbers and the
/// date are fixed by the seed, so that two runs are alike.
#[derive(Debug)]
pub struct HostInputs<R> {
    stdin: R,
    fixed: FixedInputs,
    tree: HostTree,
}

impl<R: Read> HostInputs<R> {
    /// Inputs with this standard input and these directories of the host.
    pub fn new(stdin: R, seed: u64, mounts: &[Mount]) -> Self {
        Self { stdin, fixed: FixedInputs::new(seed), tree: HostTree::new(mounts) }
    }
}

impl<R: Read> Inputs for HostInputs<R> {
    fn stdin(&mut self, max: usize) -> Result<Vec<u8>, InputError> {
        let mut bytes = vec![0; max.min(STDIN_MAX_BYTES)];
        loop {
            match self.stdin.read(&mut bytes) {
                Ok(given) => {
                    bytes.truncate(given);
                    return Ok(bytes);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(InputError::Host(error.kind())),
            }
        }
    }

    fn random(&mut self, out: &mut [u8]) -> Result<(), InputError> {
        self.fixed.random(out)
    }

    fn boot_realtime_ns(&mut self) -> Result<u64, InputError> {
        self.fixed.boot_realtime_ns()
    }

    fn host_entry(&mut self, place: &HostPlace) -> Result<Result<HostEntry, Errno>, InputError> {
        Ok(self.tree.entry(place))
    }

    fn host_directory(
        &mut self,
        place: &HostPlace,
    ) -> Result<Result<Vec<HostEntry>, Errno>, InputError> {
        Ok(self.tree.directory(place))
    }

    fn host_read(
        &mut self,
        place: &HostPlace,
        offset: u64,
        max: usize,
    ) -> Result<Result<Vec<u8>, Errno>, InputError> {
        Ok(self.tree.read(place, offset, max.min(HOST_READ_MAX_BYTES)))
    }
}

/// Passes questions on and logs each answer.
#[derive(Debug)]
pub struct RecordingInputs<I> {
    source: I,
    log: Sender<Input>,
    /// Hashes of the bytes of files that were told.
    told: BTreeSet<[u8; 32]>,
}

impl<I: Inputs> RecordingInputs<I> {
    /// Logs what `source` answers.
    pub fn new(source: I) -> (Self, Tap) {
        let (log, given) = mpsc::channel();
        (Self { source, log, told: BTreeSet::new() }, Tap { given })
    }

    fn log(&self, input: Input) {
        // Nobody listens once the session is over; the answer stays the same.
        let _ = self.log.send(input);
    }
}

impl<I: Inputs> Inputs for RecordingInputs<I> {
    fn stdin(&mut self, max: usize) -> Result<Vec<u8>, InputError> {
        let bytes = self.source.stdin(max)?;
        self.log(Input::Stdin { max: max as u64, bytes: bytes.clone() });
        Ok(bytes)
    }

    fn random(&mut self, out: &mut [u8]) -> Result<(), InputError> {
        self.source.random(out)?;
        self.log(Input::Random { bytes: out.to_vec() });
        Ok(())
    }

    fn boot_realtime_ns(&mut self) -> Result<u64, InputError> {
        let ns = self.source.boot_realtime_ns()?;
        self.log(Input::BootRealtime { ns });
        Ok(ns)
    }

    fn host_entry(&mut self, place: &HostPlace) -> Result<Result<HostEntry, Errno>, InputError> {
        let answer = self.source.host_entry(place)?;
        self.log(Input::HostEntry { place: place.clone(), answer: answer.clone() });
        Ok(answer)
    }

    fn host_directory(
        &mut self,
        place: &HostPlace,
    ) -> Result<Result<Vec<HostEntry>, Errno>, InputError> {
        let answer = self.source.host_directory(place)?;
        self.log(Input::HostDirectory { place: place.clone(), answer: answer.clone() });
        Ok(answer)
    }

    fn host_read(
        &mut self,
        place: &HostPlace,
        offset: u64,
        max: usize,
    ) -> Result<Result<Vec<u8>, Errno>, InputError> {
        let answer = self.source.host_read(place, offset, max)?;
        let told = answer.as_ref().map_err(|errno| *errno).map(|bytes| {
            let hash = *blake3::hash(bytes).as_bytes();
            Content { hash, bytes: self.told.insert(hash).then(|| bytes.clone()) }
        });
        let place = place.clone();
        self.log(Input::HostRead { place, offset, max: max as u64, answer: told });
        Ok(answer)
    }
}

/// Gives recorded answers back, in order, if the question is the recorded one.
#[derive(Debug)]
pub struct ReplayInputs {
    recorded: std::vec::IntoIter<Input>,
    position: u64,
    /// Bytes of files by their hash.
    contents: BTreeMap<[u8; 32], Vec<u8>>,
}

impl ReplayInputs {
    /// Answers from `recorded`.
    #[must_use]
    pub fn new(recorded: Vec<Input>) -> Self {
        Self { recorded: recorded.into_iter(), position: 0, contents: BTreeMap::new() }
    }

    /// The next answer if `fits` it, else which question it answers.
    fn next<T>(
        &mut self,
        asked: &'static str,
        fits: impl FnOnce(&Input) -> Option<T>,
    ) -> Result<T, InputError> {
        let next = self.recorded.next();
        let position = self.position;
        self.position += 1;
        let recorded = match &next {
            None => "nothing more",
            Some(input) => match fits(input) {
                Some(answer) => return Ok(answer),
                // The same question with another length reads oddly without this.
                None if input.question() == asked => "the same of another place or length",
                None => input.question(),
            },
        };
        Err(InputError::Diverged { position, asked, recorded })
    }
}

impl Inputs for ReplayInputs {
    fn stdin(&mut self, max: usize) -> Result<Vec<u8>, InputError> {
        self.next("standard input", |input| match input {
            Input::Stdin { max: recorded, bytes } if *recorded == max as u64 => Some(bytes.clone()),
            _ => None,
        })
    }

    fn random(&mut self, out: &mut [u8]) -> Result<(), InputError> {
        let bytes = self.next("random bytes", |input| match input {
            Input::Random { bytes } if bytes.len() == out.len() => Some(bytes.clone()),
            _ => None,
        })?;
        out.copy_from_slice(&bytes);
        Ok(())
    }

    fn boot_realtime_ns(&mut self) -> Result<u64, InputError> {
        self.next("the date of boot", |input| match input {
            Input::BootRealtime { ns } => Some(*ns),
            _ => None,
        })
    }

    fn host_entry(&mut self, place: &HostPlace) -> Result<Result<HostEntry, Errno>, InputError> {
        self.next("a mounted directory or file", |input| match input {
            Input::HostEntry { place: recorded, answer } if recorded == place => {
                Some(answer.clone())
            }
            _ => None,
        })
    }

    fn host_directory(
        &mut self,
        place: &HostPlace,
    ) -> Result<Result<Vec<HostEntry>, Errno>, InputError> {
        self.next("a directory of the host", |input| match input {
            Input::HostDirectory { place: recorded, answer } if recorded == place => {
                Some(answer.clone())
            }
            _ => None,
        })
    }

    fn host_read(
        &mut self,
        place: &HostPlace,
        offset: u64,
        max: usize,
    ) -> Result<Result<Vec<u8>, Errno>, InputError> {
        let asked = "a file of the host";
        let answer = self.next(asked, |input| match input {
            Input::HostRead { place: recorded, offset: from, max: most, answer }
                if recorded == place && *from == offset && *most == max as u64 =>
            {
                Some(answer.clone())
            }
            _ => None,
        })?;
        match answer {
            Err(errno) => Ok(Err(errno)),
            Ok(Content { hash, bytes: Some(bytes) }) => {
                self.contents.insert(hash, bytes.clone());
                Ok(Ok(bytes))
            }
            Ok(Content { hash, bytes: None }) => match self.contents.get(&hash) {
                Some(bytes) => Ok(Ok(bytes.clone())),
                None => {
                    let recorded = "bytes of a file that were never told";
                    Err(InputError::Diverged { position: self.position - 1, asked, recorded })
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte a read, as a slow terminal would.
    struct OneByOne(&'static [u8]);

    impl Read for OneByOne {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let len = self.0.len().min(out.len()).min(1);
            let (given, left) = self.0.split_at(len);
            out[..len].copy_from_slice(given);
            self.0 = left;
            Ok(len)
        }
    }

    fn ask(inputs: &mut dyn Inputs) -> (Vec<u8>, [u8; 16], u64, Vec<u8>) {
        let first = inputs.stdin(100).unwrap();
        let mut random = [0; 16];
        inputs.random(&mut random).unwrap();
        let date = inputs.boot_realtime_ns().unwrap();
        (first, random, date, inputs.stdin(4096).unwrap())
    }

    #[test]
    fn a_recorded_answer_comes_back() {
        let (mut host, mut tap) = RecordingInputs::new(HostInputs::new(OneByOne(b"ab"), 7, &[]));
        let live = ask(&mut host);
        let log: Vec<_> = tap.take().collect();
        assert_eq!(log.len(), 4);
        assert_eq!(log[0], Input::Stdin { max: 100, bytes: b"a".to_vec() });
        let mut replay = ReplayInputs::new(log);
        assert_eq!(ask(&mut replay), live);
        assert_eq!(
            replay.stdin(1),
            Err(InputError::Diverged {
                position: 4,
                asked: "standard input",
                recorded: "nothing more"
            })
        );
    }

    #[test]
    fn another_question_is_told() {
        let log = vec![Input::Stdin { max: 10, bytes: vec![] }, Input::BootRealtime { ns: 1 }];
        let mut replay = ReplayInputs::new(log.clone());
        assert_eq!(
            replay.boot_realtime_ns(),
            Err(InputError::Diverged {
                position: 0,
                asked: "the date of boot",
                recorded: "standard input"
            })
        );
        let mut replay = ReplayInputs::new(log);
        assert_eq!(
            replay.stdin(11),
            Err(InputError::Diverged {
                position: 0,
                asked: "standard input",
                recorded: "the same of another place or length"
            })
        );
    }

    #[test]
    fn a_huge_read_allocates_little() {
        let mut host = HostInputs::new(OneByOne(b"x"), 0, &[]);
        assert_eq!(host.stdin(usize::MAX).unwrap(), b"x");
        assert_eq!(host.stdin(usize::MAX).unwrap(), b"");
    }
}
