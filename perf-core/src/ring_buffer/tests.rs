//! The ring buffer against a queue of whole records.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::control::{DATA_HEAD, DATA_TAIL};
use super::{BufferMemory, Direction, Fill, PAGE_SIZE, RingBuffer, Wake};
use crate::ids::{BufferId, EventId};

const B: BufferId = BufferId(0);

#[derive(Default)]
struct Memory(BTreeMap<u64, u8>);

impl BufferMemory for Memory {
    fn read(&self, _buf: BufferId, offset: u64, out: &mut [u8]) {
        for (byte, at) in out.iter_mut().zip(offset..) {
            *byte = self.0.get(&at).copied().unwrap_or(0);
        }
    }
    fn write(&mut self, _buf: BufferId, offset: u64, data: &[u8]) {
        assert!(offset + data.len() as u64 <= 2 * PAGE_SIZE, "write beyond the buffer");
        for (byte, at) in data.iter().zip(offset..) {
            self.0.insert(at, *byte);
        }
    }
}

impl Memory {
    fn word(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        self.read(B, offset, &mut bytes);
        u64::from_le_bytes(bytes)
    }
    fn data(&self, position: u64, len: usize) -> Vec<u8> {
        let at = |i: u64| PAGE_SIZE + position.wrapping_add(i) % PAGE_SIZE;
        (0..len as u64).map(|i| self.0.get(&at(i)).copied().unwrap_or(0)).collect()
    }
}

fn buffer(fill: Fill, direction: Direction) -> RingBuffer {
    RingBuffer::new(B, EventId(0), 1, 0, fill, direction)
}

fn write(rb: &mut RingBuffer, mem: &mut Memory, record: &[u8]) -> Option<Wake> {
    let mut room = rb.reserve(mem, record.len() as u64).ok()?;
    let (first, second) = record.split_at(record.len() / 2);
    room.put(first);
    room.put(second);
    Some(room.commit())
}

fn record(seed: u8, words: usize) -> Vec<u8> {
    (0..words * 8).map(|i| seed.wrapping_add(i as u8)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Bounded mode: what is read is what was written, in order; a record is refused exactly
    /// when the unread bytes and it would fill the buffer.
    #[test]
    fn bounded_is_a_queue(ops in prop::collection::vec((0usize..120, 0usize..4), 1..150)) {
        let mut rb = buffer(Fill::Bounded, Direction::Forward);
        let mut mem = Memory::default();
        let mut twin: VecDeque<Vec<u8>> = VecDeque::new();
        for (seed, (words, reads)) in (0u8..=255).cycle().zip(ops) {
            let record = record(seed, words + 1);
            let unread: usize = twin.iter().map(Vec::len).sum();
            let fits = unread + record.len() < PAGE_SIZE as usize;
            prop_assert_eq!(write(&mut rb, &mut mem, &record).is_some(), fits);
            if fits {
                twin.push_back(record);
            }
            for _ in 0..reads {
                let Some(expected) = twin.pop_front() else { break };
                let tail = mem.word(DATA_TAIL);
                prop_assert_eq!(mem.data(tail, expected.len()), expected.clone());
                let tail = tail + expected.len() as u64;
                mem.write(B, DATA_TAIL, &tail.to_le_bytes());
            }
        }
        let unread: u64 = twin.iter().map(|r| r.len() as u64).sum();
        prop_assert_eq!(mem.word(DATA_HEAD) - mem.word(DATA_TAIL), unread);
    }

    /// Overwrite mode, both directions: the newest records that fit are intact.
    #[test]
    fn overwrite_keeps_the_newest(sizes in prop::collection::vec(1usize..60, 1..100),
                                  backward in any::<bool>()) {
        let direction = if backward { Direction::Backward } else { Direction::Forward };
        let mut rb = buffer(Fill::Overwrite, direction);
        let mut mem = Memory::default();
        let mut twin = Vec::new();
        for (seed, words) in (0u8..=255).cycle().zip(sizes) {
            let record = record(seed, words);
            prop_assert!(write(&mut rb, &mut mem, &record).is_some());
            twin.push(record);
        }
        let mut at = mem.word(DATA_HEAD);
        let mut seen = 0;
        for expected in twin.iter().rev() {
            seen += expected.len() as u64;
            if seen > PAGE_SIZE {
                break;
            }
            if backward {
                prop_assert_eq!(&mem.data(at, expected.len()), expected);
                at = at.wrapping_add(expected.len() as u64);
            } else {
                at = at.wrapping_sub(expected.len() as u64);
                prop_assert_eq!(&mem.data(at, expected.len()), expected);
            }
        }
    }

    /// Whatever the reader writes into the control page, nothing leaves the data area.
    #[test]
    fn wild_control_page(tails in prop::collection::vec(any::<u64>(), 1..50),
                         backward in any::<bool>()) {
        let direction = if backward { Direction::Backward } else { Direction::Forward };
        let mut rb = buffer(Fill::Bounded, direction);
        let mut mem = Memory::default();
        for tail in tails {
            mem.write(B, DATA_TAIL, &tail.to_le_bytes());
            mem.write(B, DATA_HEAD, &tail.to_le_bytes());
            let before = rb.head;
            let written = write(&mut rb, &mut mem, &record(1, 40)).is_some();
            prop_assert_eq!(rb.head != before, written);
            if written {
                prop_assert_eq!(mem.word(DATA_HEAD), rb.head);
            }
        }
    }
}

#[test]
#[should_panic(expected = "dropped without commit")]
#[cfg(debug_assertions)]
fn forgotten_commit_is_loud() {
    let mut rb = buffer(Fill::Bounded, Direction::Forward);
    let mut mem = Memory::default();
    let room = rb.reserve(&mut mem, 8);
    assert!(room.is_ok());
}

#[test]
fn control_page_only_buffers_take_nothing() {
    let mut rb = RingBuffer::new(B, EventId(0), 0, 0, Fill::Bounded, Direction::Forward);
    let mut mem = Memory::default();
    assert!(rb.paused);
    assert!(rb.reserve(&mut mem, 8).is_err());
}
