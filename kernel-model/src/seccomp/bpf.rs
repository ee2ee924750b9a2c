//! Classic BPF as seccomp takes it: which programs are accepted, and running one.
//! Source: Linux 6.18 `net/core/filter.c` (`bpf_check_classic`), `kernel/seccomp.c`
//! (`seccomp_check_filter`).

/// Most instructions of a program (`BPF_MAXINSNS`).
pub const BPF_MAXINSNS: usize = 4096;
/// Bytes of an instruction in user memory (`struct sock_filter`).
pub const SOCK_FILTER_BYTES: usize = 8;
/// Bytes of what a program looks at (`struct seccomp_data`).
pub const SECCOMP_DATA_BYTES: usize = 64;
/// Words of scratch memory.
const MEM_WORDS: usize = 16;

/// An instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SockFilter {
    /// What it does.
    pub code: u16,
    /// Jump if true.
    pub jt: u8,
    /// Jump if false.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

impl SockFilter {
    /// Reads one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; SOCK_FILTER_BYTES]) -> Self {
        let [c0, c1, jt, jf, k0, k1, k2, k3] = *bytes;
        Self { code: u16::from_le_bytes([c0, c1]), jt, jf, k: u32::from_le_bytes([k0, k1, k2, k3]) }
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; SOCK_FILTER_BYTES] {
        let ([c0, c1], [k0, k1, k2, k3]) = (self.code.to_le_bytes(), self.k.to_le_bytes());
        [c0, c1, self.jt, self.jf, k0, k1, k2, k3]
    }
}

/// Classes (bits 0 to 2 of a code).
mod class {
    pub(super) const LD: u16 = 0;
    pub(super) const LDX: u16 = 1;
    pub(super) const ST: u16 = 2;
    pub(super) const STX: u16 = 3;
    pub(super) const ALU: u16 = 4;
    pub(super) const JMP: u16 = 5;
    pub(super) const RET: u16 = 6;
    pub(super) const MISC: u16 = 7;
}

/// Where a load comes from (bits 5 to 7); the size is a word.
mod mode {
    pub(super) const IMM: u16 = 0x00;
    pub(super) const ABS: u16 = 0x20;
    pub(super) const MEM: u16 = 0x60;
    pub(super) const LEN: u16 = 0x80;
}

/// An operation on the accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alu {
    Add,
    Sub,
    Mul,
    Div,
    Or,
    And,
    Lsh,
    Rsh,
    Neg,
    Xor,
}

/// A condition of a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Equal,
    Greater,
    GreaterOrEqual,
    AnyBit,
}

/// The second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    K,
    X,
}

/// What a code means, where seccomp allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Insn {
    LoadData,
    LoadLen,
    LoadImmediate,
    LoadMemory,
    LoadXLen,
    LoadXImmediate,
    LoadXMemory,
    Store,
    StoreX,
    Alu(Alu, Source),
    Jump,
    JumpIf(Condition, Source),
    ReturnK,
    ReturnA,
    Tax,
    Txa,
}

fn decode(code: u16) -> Option<Insn> {
    let source = if code & 8 == 0 { Source::K } else { Source::X };
    let operation = code & 0xf0;
    Some(match code & 7 {
        class::LD => match code & !7 {
            mode::ABS => Insn::LoadData,
            mode::LEN => Insn::LoadLen,
            mode::IMM => Insn::LoadImmediate,
            mode::MEM => Insn::LoadMemory,
            _ => return None,
        },
        class::LDX => match code & !7 {
            mode::LEN => Insn::LoadXLen,
            mode::IMM => Insn::LoadXImmediate,
            mode::MEM => Insn::LoadXMemory,
            _ => return None,
        },
        class::ST if code == class::ST => Insn::Store,
        class::STX if code == class::STX => Insn::StoreX,
        class::ALU if code & !0xff == 0 => {
            let alu = match operation {
                0x00 => Alu::Add,
                0x10 => Alu::Sub,
                0x20 => Alu::Mul,
                0x30 => Alu::Div,
                0x40 => Alu::Or,
                0x50 => Alu::And,
                0x60 => Alu::Lsh,
                0x70 => Alu::Rsh,
                0x80 if source == Source::K => Alu::Neg,
                0xa0 => Alu::Xor,
                _ => return None,
            };
            Insn::Alu(alu, source)
        }
        class::JMP if code & !0xff == 0 => match operation {
            0x00 if source == Source::K => Insn::Jump,
            0x10 => Insn::JumpIf(Condition::Equal, source),
            0x20 => Insn::JumpIf(Condition::Greater, source),
            0x30 => Insn::JumpIf(Condition::GreaterOrEqual, source),
            0x40 => Insn::JumpIf(Condition::AnyBit, source),
            _ => return None,
        },
        class::RET => match code & !7 {
            0x00 => Insn::ReturnK,
            0x10 => Insn::ReturnA,
            _ => return None,
        },
        class::MISC => match code & !7 {
            0x00 => Insn::Tax,
            0x80 => Insn::Txa,
            _ => return None,
        },
        _ => return None,
    })
}

/// A program that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    insns: Vec<(Insn, SockFilter)>,
}

impl Program {
    /// Checks a program: every code is allowed, jumps stay inside, the last instruction returns,
    /// and scratch memory is written before it is read. `None` where it is refused.
    #[must_use]
    pub fn check(filter: &[SockFilter]) -> Option<Self> {
        if filter.is_empty() || filter.len() > BPF_MAXINSNS {
            return None;
        }
        let insns: Vec<(Insn, SockFilter)> = filter
            .iter()
            .map(|raw| decode(raw.code).map(|insn| (insn, *raw)))
            .collect::<Option<_>>()?;
        let ends = matches!(insns.last(), Some((Insn::ReturnK | Insn::ReturnA, _)));
        let len = insns.len();
        let sound = insns.iter().enumerate().all(|(pc, (insn, raw))| is_sound(*insn, raw, pc, len));
        (ends && sound && initialises_memory(&insns)).then_some(Self { insns })
    }

    /// Its instructions as they were given.
    pub fn source(&self) -> impl Iterator<Item = SockFilter> {
        self.insns.iter().map(|(_, raw)| *raw)
    }

    /// Number of instructions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.insns.len()
    }

    /// Whether there are none, which no accepted program has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.insns.is_empty()
    }

    /// Runs it.
    #[must_use]
    pub fn run(&self, data: &[u8; SECCOMP_DATA_BYTES]) -> u32 {
        let (mut a, mut x, mut memory) = (0_u32, 0_u32, [0_u32; MEM_WORDS]);
        let mut pc = 0;
        // Jumps only lead forward, so this ends.
        while let Some((insn, raw)) = self.insns.get(pc) {
            pc += 1;
            let cell = raw.k as usize % MEM_WORDS;
            match insn {
                Insn::LoadData => a = word(data, raw.k as usize),
                Insn::LoadLen => a = SECCOMP_DATA_BYTES as u32,
                Insn::LoadImmediate => a = raw.k,
                Insn::LoadMemory => a = memory[cell],
                Insn::LoadXLen => x = SECCOMP_DATA_BYTES as u32,
                Insn::LoadXImmediate => x = raw.k,
                Insn::LoadXMemory => x = memory[cell],
                Insn::Store => memory[cell] = a,
                Insn::StoreX => memory[cell] = x,
                Insn::Alu(operation, source) => {
                    let operand = if *source == Source::K { raw.k } else { x };
                    let Some(value) = operation.apply(a, operand) else { return 0 };
                    a = value;
                }
                Insn::Jump => pc += raw.k as usize,
                Insn::JumpIf(condition, source) => {
                    let operand = if *source == Source::K { raw.k } else { x };
                    let by = if condition.holds(a, operand) { raw.jt } else { raw.jf };
                    pc += usize::from(by);
                }
                Insn::ReturnK => return raw.k,
                Insn::ReturnA => return a,
                Insn::Tax => x = a,
                Insn::Txa => a = x,
            }
        }
        0
    }
}

fn word(data: &[u8; SECCOMP_DATA_BYTES], at: usize) -> u32 {
    let (words, _) = data.as_chunks::<4>();
    words.get(at / 4).map_or(0, |word| u32::from_le_bytes(*word))
}

impl Alu {
    /// The result; `None` for a division by 0, which ends the program with 0.
    fn apply(self, a: u32, operand: u32) -> Option<u32> {
        Some(match self {
            Self::Add => a.wrapping_add(operand),
            Self::Sub => a.wrapping_sub(operand),
            Self::Mul => a.wrapping_mul(operand),
            Self::Div => return a.checked_div(operand),
            Self::Or => a | operand,
            Self::And => a & operand,
            // The processor's shifts take five bits.
            Self::Lsh => a.wrapping_shl(operand),
            Self::Rsh => a.wrapping_shr(operand),
            Self::Neg => a.wrapping_neg(),
            Self::Xor => a ^ operand,
        })
    }
}

impl Condition {
    fn holds(self, a: u32, operand: u32) -> bool {
        match self {
            Self::Equal => a == operand,
            Self::Greater => a > operand,
            Self::GreaterOrEqual => a >= operand,
            Self::AnyBit => a & operand != 0,
        }
    }
}

/// Whether the constant and the jumps of an instruction are in range.
fn is_sound(insn: Insn, raw: &SockFilter, pc: usize, len: usize) -> bool {
    let k = raw.k as usize;
    match insn {
        Insn::LoadData => k < SECCOMP_DATA_BYTES && k.is_multiple_of(4),
        Insn::LoadMemory | Insn::LoadXMemory | Insn::Store | Insn::StoreX => k < MEM_WORDS,
        Insn::Alu(Alu::Div, Source::K) => k != 0,
        Insn::Alu(Alu::Lsh | Alu::Rsh, Source::K) => k < 32,
        Insn::Jump => k < len - pc - 1,
        Insn::JumpIf(..) => {
            pc + usize::from(raw.jt) + 1 < len && pc + usize::from(raw.jf) + 1 < len
        }
        _ => true,
    }
}

/// Whether every word of scratch memory is written on each way to where it is read
/// (`check_load_and_stores`).
fn initialises_memory(insns: &[(Insn, SockFilter)]) -> bool {
    let mut valid_at = vec![u16::MAX; insns.len()];
    let mut valid = 0_u16;
    for (pc, (insn, raw)) in insns.iter().enumerate() {
        valid &= valid_at[pc];
        let mut narrow = |to: usize| {
            if let Some(entry) = valid_at.get_mut(to) {
                *entry &= valid;
            }
        };
        match insn {
            Insn::Store | Insn::StoreX => valid |= 1 << (raw.k & 15),
            Insn::LoadMemory | Insn::LoadXMemory if valid & 1 << (raw.k & 15) == 0 => return false,
            Insn::Jump => {
                narrow(pc + 1 + raw.k as usize);
                valid = u16::MAX;
            }
            Insn::JumpIf(..) => {
                narrow(pc + 1 + usize::from(raw.jt));
                narrow(pc + 1 + usize::from(raw.jf));
                valid = u16::MAX;
            }
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn insn(code: u16, jt: u8, jf: u8, k: u32) -> SockFilter {
        SockFilter { code, jt, jf, k }
    }
    const RET_K: u16 = 6;
    const LD_ABS: u16 = 0x20;

    fn run(filter: &[SockFilter], data: [u8; 64]) -> Option<u32> {
        Program::check(filter).map(|program| program.run(&data))
    }

    #[test]
    fn what_programs_compute() {
        let mut data = [0; 64];
        data[0] = 39;
        let by_number = [
            insn(LD_ABS, 0, 0, 0),
            insn(0x15, 0, 1, 39),
            insn(RET_K, 0, 0, 1),
            insn(RET_K, 0, 0, 2),
        ];
        assert_eq!(run(&by_number, data), Some(1));
        assert_eq!(run(&by_number, [0; 64]), Some(2));
        let arithmetic = [
            insn(0x00, 0, 0, 7),
            insn(0x02, 0, 0, 3),
            insn(0x24, 0, 0, 6),
            insn(0x07, 0, 0, 0),
            insn(0x60, 0, 0, 3),
            insn(0x1c, 0, 0, 0),
            insn(0x84, 0, 0, 0),
            insn(0x16, 0, 0, 0),
        ];
        assert_eq!(run(&arithmetic, data), Some(42 - 7));
        let by_zero = [insn(0x00, 0, 0, 7), insn(0x3c, 0, 0, 0), insn(RET_K, 0, 0, 5)];
        assert_eq!(run(&by_zero, data), Some(0));
    }

    #[test]
    fn what_is_refused() {
        let ret = insn(RET_K, 0, 0, 0);
        for filter in [
            &[][..],
            &[insn(LD_ABS, 0, 0, 0)],
            &[insn(LD_ABS, 0, 0, 2), ret],
            &[insn(LD_ABS, 0, 0, 64), ret],
            &[insn(0x28, 0, 0, 0), ret],
            &[insn(0x94, 0, 0, 3), ret],
            &[insn(0x34, 0, 0, 0), ret],
            &[insn(0x64, 0, 0, 32), ret],
            &[insn(0x05, 0, 0, 1), ret],
            &[insn(0x15, 1, 0, 0), ret],
            &[insn(0x60, 0, 0, 0), ret],
            &[insn(0x02, 0, 0, 16), ret],
            &[insn(0x15, 0, 1, 0), insn(0x02, 0, 0, 0), insn(0x60, 0, 0, 0), ret],
        ] {
            assert_eq!(Program::check(filter), None, "{filter:?}");
        }
        assert!(Program::check(&vec![ret; BPF_MAXINSNS]).is_some());
        assert!(Program::check(&vec![ret; BPF_MAXINSNS + 1]).is_none());
    }

    proptest! {
        #[test]
        fn any_program_is_answered(
            raw in prop::collection::vec((0u16..0x100, 0u8..4, 0u8..4, 0u32..70), 1..12),
            data in prop::collection::vec(any::<u8>(), 64),
        ) {
            let mut filter: Vec<SockFilter> =
                raw.into_iter().map(|(code, jt, jf, k)| insn(code, jt, jf, k)).collect();
            filter.push(insn(RET_K, 0, 0, 9));
            let data: [u8; 64] = data.try_into().unwrap();
            if let Some(program) = Program::check(&filter) {
                let _value = program.run(&data);
                prop_assert_eq!(program.source().collect::<Vec<_>>(), filter);
            }
        }
    }
}
