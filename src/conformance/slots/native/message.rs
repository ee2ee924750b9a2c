//! A message to a native task: calls, and the bytes that they point to.

use super::places::*;

/// Calls that are made one after another, without a word in between.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    calls: Vec<[u64; 8]>,
    bytes: Vec<u8>,
}

/// Bytes that go with a message, and come back as the calls left them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes {
    at: usize,
    len: usize,
}

impl Bytes {
    /// Their address in a task whose message buffer is at `buffer`.
    pub(super) fn address(self, buffer: u64) -> u64 {
        buffer + (HEADER_BYTES + self.at) as u64
    }
}

impl Message {
    /// Adds bytes, aligned to 8.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Bytes {
        let at = self.bytes.len();
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        Bytes { at, len: bytes.len() }
    }

    /// Adds a system call; tells its number in the message.
    pub(super) fn call(&mut self, number: i64, arguments: &[u64]) -> usize {
        let mut words = [0; 8];
        words[0] = number as u64;
        words[1..=arguments.len()].copy_from_slice(arguments);
        self.calls.push(words);
        self.calls.len() - 1
    }

    /// Adds a jump to code that returns; it finds these in RDI and RDX.
    pub(super) fn jump(&mut self, to: u64, rdi: u64, rdx: u64) -> usize {
        self.calls.push([JUMP, to, rdi, rdx, 0, 0, 0, 0]);
        self.calls.len() - 1
    }

    /// The bytes on the pipe; `None` if they are too many.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let first = HEADER_BYTES + self.bytes.len();
        let length = first + self.calls.len() * CALL_BYTES;
        if length > MESSAGE_BYTES as usize {
            return None;
        }
        let mut out = Vec::with_capacity(length);
        for word in [length, first, self.calls.len(), 0] {
            out.extend((word as u64).to_le_bytes());
        }
        out.extend(&self.bytes);
        out.extend(self.calls.iter().flatten().flat_map(|word| word.to_le_bytes()));
        Some(out)
    }
}

/// A message that has come back.
#[derive(Clone, Debug)]
pub(super) struct Reply(pub(super) Vec<u8>);

impl Reply {
    /// The result of a call: a number, or an error as its negative number.
    pub(super) fn result(&self, call: usize) -> i64 {
        let first = self.word(FIRST) as usize;
        self.word(first + call * CALL_BYTES + RESULT) as i64
    }

    /// Bytes that went with the message.
    pub(super) fn bytes(&self, bytes: Bytes) -> &[u8] {
        let at = HEADER_BYTES + bytes.at;
        self.0.get(at..at + bytes.len).unwrap_or(&[])
    }

    /// SIGTRAPs that the process has seen so far.
    pub(super) fn signals(&self) -> u64 {
        self.word(SIGNALS)
    }

    fn word(&self, at: usize) -> u64 {
        let word = self.0.get(at..).and_then(<[u8]>::first_chunk);
        word.map_or(0, |word| u64::from_le_bytes(*word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_as_the_program_reads_it() {
        let mut message = Message::default();
        let text = message.bytes(b"abc");
        assert_eq!(message.call(39, &[1, 2]), 0);
        assert_eq!(message.jump(7, 8, 9), 1);
        let encoded = message.encode().unwrap();
        assert_eq!(encoded.len(), HEADER_BYTES + 8 + 2 * CALL_BYTES);
        assert_eq!(text.address(0x1000), 0x1000 + HEADER_BYTES as u64);
        let mut reply = Reply(encoded);
        assert_eq!(reply.bytes(text), b"abc");
        let at = reply.0.len() - 8;
        reply.0[at..].copy_from_slice(&(-28_i64).to_le_bytes());
        assert_eq!((reply.result(0), reply.result(1)), (0, -28));
        message.bytes(&[0; MESSAGE_BYTES as usize]);
        assert!(message.encode().is_none());
    }
}
