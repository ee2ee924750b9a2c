//! Static programs of one segment, under the kernel model.

use std::hint::black_box;

use iced_x86::IcedError;
use iced_x86::code_asm::CodeAssembler;
use kernel_model::inputs::FixedInputs;
use kernel_model::kernel::{Kernel, KernelConfig, Step};

/// Where a program lies, with its headers.
pub(crate) const IMAGE: u64 = 0x40_0000;
/// Its bytes.
pub(crate) const IMAGE_BYTES: u64 = 0x1000;
const ENTRY: u64 = IMAGE + 0x100;

/// An ELF program that `program` assembles, with data at addresses in its segment.
pub(crate) fn image(
    program: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
    data: &[(u64, &[u8])],
) -> Vec<u8> {
    let mut a = CodeAssembler::new(64).expect("64-bit code");
    program(&mut a).expect("the program assembles");
    let code = a.assemble(ENTRY).expect("the program assembles");
    let mut image = vec![0; IMAGE_BYTES as usize];
    let mut put = |at: usize, value: &[u8]| image[at..at + value.len()].copy_from_slice(value);
    put(0, b"\x7fELF\x02\x01\x01");
    // ET_EXEC, EM_X86_64, version 1.
    put(16, &[2, 0, 62, 0, 1, 0, 0, 0]);
    put(24, &ENTRY.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    // Sizes of the headers, one program header.
    put(52, &[64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    // PT_LOAD, readable, writable and executable.
    put(64, &[1, 0, 0, 0, 7, 0, 0, 0]);
    for (at, value) in [(72, 0), (80, IMAGE), (88, IMAGE), (96, IMAGE_BYTES), (104, IMAGE_BYTES)] {
        put(at, &value.to_le_bytes());
    }
    put(112, &0x1000u64.to_le_bytes());
    put((ENTRY - IMAGE) as usize, &code);
    for (address, bytes) in data {
        put((address - IMAGE) as usize, bytes);
    }
    image
}

/// A kernel with the program ready to run.
pub(crate) fn boot(image: &[u8]) -> Kernel {
    let config = KernelConfig { ram_bytes: 8 << 20, ..KernelConfig::default() };
    let mut kernel = Kernel::boot(&config, Box::new(FixedInputs::new(1))).expect("boots");
    let argv = [b"bench".to_vec()];
    kernel.spawn_init("bench", Some(image), &argv, &[]).expect("the program loads");
    kernel
}

/// Runs it to its end.
pub(crate) fn run(kernel: &mut Kernel) {
    loop {
        match kernel.step() {
            Step::Running => {}
            Step::Finished(status) => {
                black_box(status);
                return;
            }
            Step::Stopped(reason) => panic!("the program stopped: {reason:?}"),
        }
    }
}
