//! A very small program for tests: three segments, and a bss.

/// Bytes of all headers of [`TinyElf`].
pub(crate) const HEADERS: usize = 64 + 5 * 56;

/// The bytes of the data segment in the file.
pub(crate) const DATA: &[u8] = b"initialised data";

/// What may differ between test programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TinyElf {
    /// `e_type`: 2 for fixed, 3 for position-independent.
    pub(crate) kind: u16,
    /// Address of the first segment.
    pub(crate) base: u64,
    /// Path of an interpreter, if any.
    pub(crate) interpreter: Option<&'static str>,
    /// Flags of PT_GNU_STACK.
    pub(crate) stack_flags: u32,
}

impl Default for TinyElf {
    fn default() -> Self {
        Self { kind: 2, base: 0x40_0000, interpreter: None, stack_flags: 6 }
    }
}

struct Phdr {
    p_type: u32,
    flags: u32,
    offset: u64,
    vaddr: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

impl TinyElf {
    /// The file: headers at 0, code at 0x10b0 (loaded at base + 0x10b0), data at 0x20e0 with a
    /// bss behind it that ends at base + 0x5000.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let load = |flags, offset: u64, file_bytes, memory_bytes| Phdr {
            p_type: 1,
            flags,
            offset,
            vaddr: self.base + offset,
            file_bytes,
            memory_bytes,
        };
        let data_bytes = DATA.len() as u64;
        let mut phdrs = vec![
            load(4, 0, 0x200, 0x200),
            load(5, 0x10b0, 3, 3),
            load(6, 0x20e0, data_bytes, 0x5000 - 0x20e0),
            Phdr { p_type: 0x6474_e551, flags: self.stack_flags, ..load(0, 0, 0, 0) },
        ];
        if let Some(path) = self.interpreter {
            phdrs.push(Phdr { p_type: 3, ..load(4, 0x1f0, path.len() as u64 + 1, 0) });
        }
        let mut file = vec![0; 0x20e0 + DATA.len()];
        file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(16, &self.kind.to_le_bytes());
        put(18, &62u16.to_le_bytes());
        put(20, &1u32.to_le_bytes());
        put(24, &(self.base + 0x10b0).to_le_bytes());
        put(32, &64u64.to_le_bytes());
        put(52, &64u16.to_le_bytes());
        put(54, &56u16.to_le_bytes());
        put(56, &(phdrs.len() as u16).to_le_bytes());
        for (index, phdr) in phdrs.iter().enumerate() {
            let at = 64 + 56 * index;
            put(at, &phdr.p_type.to_le_bytes());
            put(at + 4, &phdr.flags.to_le_bytes());
            for (field, value) in
                [phdr.offset, phdr.vaddr, phdr.vaddr, phdr.file_bytes, phdr.memory_bytes, 0x1000]
                    .iter()
                    .enumerate()
            {
                put(at + 8 + 8 * field, &value.to_le_bytes());
            }
        }
        put(0x1f0, self.interpreter.unwrap_or("").as_bytes());
        put(0x10b0, &[0x90, 0x90, 0xf4]);
        put(0x20e0, DATA);
        file
    }
}
