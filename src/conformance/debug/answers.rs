//! Instructions that tell of the processor or of the moment: their results are not those
//! of another processor, so the registers that they wrote are not compared.

use iced_x86::{Instruction, InstructionInfoFactory, Mnemonic, OpAccess};

/// The first two bytes of such instructions' opcodes.
const OPCODES: [[u8; 2]; 4] = [[0x0f, 0xa2], [0x0f, 0x31], [0x0f, 0x01], [0x0f, 0xc7]];

/// Whether code may have such an instruction.
pub(super) fn may_be_in(code: &[u8]) -> bool {
    code.windows(2).any(|pair| OPCODES.iter().any(|opcode| opcode == pair))
}

/// General registers, as bits by the manual's number, that the instruction fills so.
pub(super) fn registers(insn: &Instruction) -> u16 {
    let tells = matches!(
        insn.mnemonic(),
        Mnemonic::Cpuid
            | Mnemonic::Rdtsc
            | Mnemonic::Rdtscp
            | Mnemonic::Rdpid
            | Mnemonic::Rdrand
            | Mnemonic::Rdseed
    );
    if !tells {
        return 0;
    }
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(insn);
    let writes = |access| {
        matches!(
            access,
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        )
    };
    info.used_registers()
        .iter()
        .filter(|used| writes(used.access()) && used.register().is_gpr())
        .fold(0, |bits, used| bits | 1 << used.register().full_register().number())
}
