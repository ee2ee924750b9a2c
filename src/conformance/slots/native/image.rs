//! The native program as a file: an ELF-64 executable with code and data at fixed addresses, so
//! that EXECVE brings back what was there.
//! Source: System V ABI, ELF-64 object file format 1.5.

use nix::libc;

use super::places::*;
use super::stub::Program;

const HEADER_BYTES: u64 = 64;
const SEGMENT_BYTES: u64 = 56;
const READ_EXECUTE: u32 = 5;
const READ_WRITE: u32 = 6;

struct Segment {
    flags: u32,
    file_offset: u64,
    address: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

/// The bytes of the file, whose program executes the file again with EXECVE.
pub(super) fn image(program: &Program) -> Vec<u8> {
    let code_offset = CODE - IMAGE;
    let constants_offset = code_offset + program.code.len() as u64;
    let segments = [
        Segment {
            flags: READ_EXECUTE,
            file_offset: code_offset,
            address: CODE,
            file_bytes: program.code.len() as u64,
            memory_bytes: program.code.len() as u64,
        },
        Segment {
            flags: READ_WRITE,
            file_offset: constants_offset,
            address: CONSTANTS,
            file_bytes: CONSTANTS_BYTES,
            memory_bytes: END - CONSTANTS,
        },
    ];
    let mut file = header(program.entry, segments.len() as u16);
    for segment in &segments {
        file.extend(program_header(segment));
    }
    file.resize(code_offset as usize, 0);
    file.extend(&program.code);
    file.extend(constants(program.handler));
    file
}

fn header(entry: u64, segments: u16) -> Vec<u8> {
    let mut out = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    out.extend(2_u16.to_le_bytes());
    out.extend(62_u16.to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    for word in [entry, HEADER_BYTES, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend(0_u32.to_le_bytes());
    for half in [HEADER_BYTES as u16, SEGMENT_BYTES as u16, segments, 64, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    out
}

fn program_header(segment: &Segment) -> Vec<u8> {
    const PT_LOAD: u32 = 1;
    const ALIGN: u64 = 0x1000;
    let mut out = Vec::from(PT_LOAD.to_le_bytes());
    out.extend(segment.flags.to_le_bytes());
    let Segment { file_offset, address, file_bytes, memory_bytes, .. } = *segment;
    for word in [file_offset, address, address, file_bytes, memory_bytes, ALIGN] {
        out.extend(word.to_le_bytes());
    }
    out
}

fn constants(handler: u64) -> Vec<u8> {
    let mut out = vec![0; CONSTANTS_BYTES as usize];
    let mut put = |address: u64, bytes: &[u8]| {
        let at = (address - CONSTANTS) as usize;
        out[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(PATH, b"/proc/self/exe");
    put(ARGUMENTS, &PATH.to_le_bytes());
    for (nth, word) in handler_action(handler).into_iter().enumerate() {
        put(ACTION + 8 * nth as u64, &word.to_le_bytes());
    }
    out
}

/// The kernel's `struct sigaction` with a handler that returns by itself.
fn handler_action(handler: u64) -> [u64; 4] {
    const SA_RESTORER: u64 = 0x0400_0000;
    [handler, (libc::SA_SIGINFO | libc::SA_RESTART) as u64 | SA_RESTORER, handler, 0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{Object, ObjectSegment};

    #[test]
    fn the_file_is_an_executable_with_two_segments() {
        let program = super::super::stub::assemble().unwrap();
        let bytes = image(&program);
        let file = object::File::parse(bytes.as_slice()).unwrap();
        assert_eq!(file.entry(), CODE);
        let at: Vec<_> = file.segments().map(|s| (s.address(), s.size())).collect();
        let code = program.code.len() as u64;
        assert_eq!(at, [(CODE, code), (CONSTANTS, END - CONSTANTS)]);
        assert_eq!(file.segments().next().unwrap().data().unwrap(), program.code);
    }
}
