//! Operands for an instruction form, and the state that makes them meaningful:
//! addresses that lie where something is mapped, counts that are short.

use iced_x86::{Code, Instruction, OpCodeOperandKind, OpKind, Register};

use super::super::case::{Patch, Registers};
use super::super::layout::{DATA, FS_BASE, GS_BASE, READ_ONLY, STACK, STACK_BYTES};
use super::super::rng::Rng;
use super::gather::{self, GatherRegisters};
use super::setting::{self, Setting};
use super::{registers, system, values};

/// A case in the making.
pub(super) struct Draft<'a> {
    pub(super) rng: &'a mut Rng,
    pub(super) setting: Setting,
    pub(super) start: Registers,
    pub(super) patches: Vec<Patch>,
    /// What gathers are given.
    pub(super) gather_registers: GatherRegisters,
    /// General registers whose value something depends on.
    fixed: u16,
}

impl<'a> Draft<'a> {
    /// A draft from random registers, RIP at `rip`.
    pub(super) fn new(rng: &'a mut Rng, setting: Setting, rip: u64) -> Self {
        let mut start = Registers { rip, ..Registers::default() };
        for value in &mut start.gpr {
            *value = values::integer(rng);
        }
        for half in start.vector.as_flattened_mut() {
            *half = values::vector(rng);
        }
        start.rflags = values::flags(rng);
        start.x87 = values::x87(rng);
        start.mxcsr = values::mxcsr(rng, setting.percent_mxcsr_as_reset());
        let mut draft = Self {
            rng,
            setting,
            start,
            patches: Vec::new(),
            gather_registers: GatherRegisters::Distinct,
            fixed: 0,
        };
        let stack = draft.stack_pointer();
        draft.set(registers::RSP, stack);
        draft.fixed = 0;
        for (reg, value) in setting.pointers() {
            draft.set(reg, value);
        }
        draft
    }

    /// Gives a register a value that is to stay.
    pub(super) fn set(&mut self, reg: usize, value: u64) {
        self.start.gpr[reg] = value;
        self.fixed |= 1 << reg;
    }

    /// Gives a register a value unless it already has one that matters.
    pub(super) fn suggest(&mut self, reg: usize, value: u64) {
        if self.fixed >> reg & 1 == 0 {
            self.set(reg, value);
        }
    }

    /// Adds bytes to memory where they fit and there is room for one more patch.
    pub(super) fn patch(&mut self, at: u64, bytes: &[u8]) {
        if self.patches.len() < Patch::MAX_NUMBER {
            self.patches.extend(Patch::new(at, bytes));
        }
    }

    /// A stack pointer: mostly with room on both sides, aligned.
    fn stack_pointer(&mut self) -> u64 {
        let middle = STACK + STACK_BYTES / 2;
        if self.setting == Setting::Block {
            return middle;
        }
        let any = middle - 0x100 + self.rng.below(0x200);
        match self.rng.below(20) {
            0 => STACK + self.rng.below(24),
            1 => STACK + STACK_BYTES - self.rng.below(24),
            2 | 3 => any,
            4 => values::integer(self.rng),
            _ => any & !7,
        }
    }

    /// An address for an access of `size` bytes.
    pub(super) fn target(&mut self, size: u64) -> u64 {
        let aligned_to = match size {
            0 => 1,
            512.. => 16,
            _ => size.next_power_of_two().min(64),
        };
        let room = READ_ONLY - DATA - size.max(1);
        let inside = DATA + self.rng.below(room);
        let aligned = inside & !(aligned_to - 1);
        if self.setting == Setting::Block {
            return if self.rng.chance(85) { aligned } else { inside };
        }
        let before = |rng: &mut Rng, end: u64| end - rng.below(size.max(2));
        match self.rng.below(32) {
            0..=5 => inside,
            6 | 7 => before(self.rng, DATA + 0x1000),
            8 => READ_ONLY - size,
            9 => before(self.rng, READ_ONLY),
            10 => READ_ONLY + self.rng.below(0x1000 - size.max(1)),
            11 => before(self.rng, READ_ONLY + 0x1000),
            12 => DATA.wrapping_sub(self.rng.below(size.max(2))),
            13 => self.rng.pick(&[0, 0x4000_0000, 0x0000_7fff_ffff_fff8, u64::MAX - 7]),
            14 => 0x0000_8000_0000_0000_u64.wrapping_sub(self.rng.below(size.max(2))),
            _ => aligned,
        }
    }

    /// An address for an access of `size` bytes with address registers of 32 bits if
    /// `short`. Large operands are accessed in parts, whose offsets wrap at 4 GiB each
    /// in its own way: none of these.
    pub(super) fn reachable(&mut self, size: u64, short: bool) -> u64 {
        const ONE_PART: u64 = 8;
        loop {
            let target = self.target(size);
            let offsets = [0, FS_BASE, GS_BASE].map(|base| target.wrapping_sub(base) as u32);
            let wraps = offsets.iter().any(|&at| u64::from(at) + size > 1 << 32);
            if !(short && wraps && size > ONE_PART) {
                return target;
            }
        }
    }

    /// An instruction of this form; its address is not known yet. `None` where the
    /// form has operands that are not made, or this choice of them cannot be.
    pub(super) fn instruction(&mut self, code: Code) -> Option<Instruction> {
        let mut insn = Instruction::default();
        insn.set_code(code);
        let kinds = code.op_code().op_kinds();
        let short = self.rng.chance(8);
        for (index, kind) in (0..).zip(kinds) {
            self.operand(&mut insn, index, *kind, short)?;
        }
        self.prefixes(&mut insn, code);
        self.setting.prepare(self, &insn)?;
        // Last, when it is known which registers must keep their values.
        let has_memory = (0..insn.op_count()).any(|nth| insn.op_kind(nth) == OpKind::Memory);
        if let Some(vsib) = kinds.iter().copied().find_map(gather::vsib) {
            gather::fill(self, &mut insn, vsib, short);
        } else if has_memory && insn.memory_index() != Register::AL {
            self.memory(&mut insn, code, short);
        }
        Some(insn)
    }

    fn operand(
        &mut self,
        insn: &mut Instruction,
        index: u32,
        kind: OpCodeOperandKind,
        short: bool,
    ) -> Option<()> {
        use OpCodeOperandKind as K;
        let choice = match kind {
            K::r8_or_mem
            | K::r16_or_mem
            | K::r32_or_mem
            | K::r64_or_mem
            | K::xmm_or_mem
            | K::ymm_or_mem
            | K::mm_or_mem => self.rng.chance(50),
            K::mem | K::mem_offs => true,
            // Index vectors that earlier instructions have changed lead nowhere.
            _ if gather::vsib(kind).is_some() => match self.setting {
                Setting::Single => true,
                Setting::Block => return None,
            },
            _ => false,
        };
        if choice {
            insn.set_op_kind(index, OpKind::Memory);
            return Some(());
        }
        if let Some(register) = registers::operand(self.rng, self.setting, kind) {
            insn.set_op_kind(index, OpKind::Register);
            insn.set_op_register(index, register);
            return Some(());
        }
        if let Some(string) = string_operand(kind, short) {
            insn.set_op_kind(index, string);
            return Some(());
        }
        if kind == K::seg_rBX_al {
            insn.set_op_kind(index, OpKind::Memory);
            insn.set_memory_base(if short { Register::EBX } else { Register::RBX });
            insn.set_memory_index(Register::AL);
            return Some(());
        }
        if let K::br64_1 | K::br64_4 = kind {
            insn.set_op_kind(index, OpKind::NearBranch64);
            return Some(());
        }
        self.immediate(insn, index, kind)
    }

    fn immediate(
        &mut self,
        insn: &mut Instruction,
        index: u32,
        kind: OpCodeOperandKind,
    ) -> Option<()> {
        use OpCodeOperandKind as K;
        let second = index > 0 && insn.op_kind(index - 1) == OpKind::Immediate16;
        let op_kind = match kind {
            K::imm8 if second => OpKind::Immediate8_2nd,
            K::imm8 | K::imm8_const_1 => OpKind::Immediate8,
            K::imm8sex16 => OpKind::Immediate8to16,
            K::imm8sex32 => OpKind::Immediate8to32,
            K::imm8sex64 => OpKind::Immediate8to64,
            K::imm16 => OpKind::Immediate16,
            K::imm32 => OpKind::Immediate32,
            K::imm32sex64 => OpKind::Immediate32to64,
            K::imm64 => OpKind::Immediate64,
            _ => return None,
        };
        let value = if kind == K::imm8_const_1 { 1 } else { values::integer(self.rng) };
        insn.set_op_kind(index, op_kind);
        match op_kind {
            OpKind::Immediate8_2nd => insn.set_immediate8_2nd(value as u8),
            OpKind::Immediate8 => insn.set_immediate8(value as u8),
            OpKind::Immediate8to16 => insn.set_immediate8to16(i16::from(value as i8)),
            OpKind::Immediate8to32 => insn.set_immediate8to32(i32::from(value as i8)),
            OpKind::Immediate8to64 => insn.set_immediate8to64(i64::from(value as i8)),
            OpKind::Immediate16 => insn.set_immediate16(value as u16),
            OpKind::Immediate32 => insn.set_immediate32(value as u32),
            OpKind::Immediate32to64 => insn.set_immediate32to64(i64::from(value as i32)),
            _ => insn.set_immediate64(value),
        }
        Some(())
    }

    fn prefixes(&mut self, insn: &mut Instruction, code: Code) {
        let op = code.op_code();
        if op.can_use_lock_prefix() && insn.op0_kind() == OpKind::Memory && self.rng.chance(30) {
            insn.set_has_lock_prefix(true);
        }
        let is_string = (0..insn.op_count()).any(|index| is_string_kind(insn.op_kind(index)));
        if is_string && self.rng.chance(60) {
            match (op.can_use_rep_prefix(), op.can_use_repne_prefix()) {
                (true, true) if self.rng.chance(50) => insn.set_has_repne_prefix(true),
                (true, _) => insn.set_has_rep_prefix(true),
                (false, true) => insn.set_has_repne_prefix(true),
                (false, false) => {}
            }
        }
    }

    /// Fills in the memory operand.
    fn memory(&mut self, insn: &mut Instruction, code: Code, short: bool) {
        let size = insn.memory_size().size() as u64;
        let area = system::area(self, code).filter(|_| !short);
        let target = area.unwrap_or_else(|| self.reachable(size.max(system::reach(code)), short));
        setting::prepare_operand(self, insn, target, size);
        let target = self.segment(insn, target);
        if code.op_code().op_kinds().contains(&OpCodeOperandKind::mem_offs) {
            insn.set_memory_displ_size(8);
            insn.set_memory_displacement64(target);
            return;
        }
        self.address(insn, target, short);
    }

    /// Maybe a segment prefix; the offset that then leads to `target`.
    pub(super) fn segment(&mut self, insn: &mut Instruction, target: u64) -> u64 {
        let (register, base) = match self.rng.below(40) {
            0 | 1 => (Register::FS, FS_BASE),
            2 | 3 => (Register::GS, GS_BASE),
            4 => (self.rng.pick(&[Register::ES, Register::CS, Register::SS, Register::DS]), 0),
            _ => return target,
        };
        insn.set_segment_prefix(register);
        target.wrapping_sub(base)
    }

    /// Base, index, scale and displacement that make `target`.
    fn address(&mut self, insn: &mut Instruction, target: u64, short: bool) {
        let near = i64::from(target as i32) as u64 == target;
        match self.rng.below(8) {
            0 if near => {
                insn.set_memory_displ_size(8);
                insn.set_memory_displacement64(target);
            }
            1 if target >> 32 == 0 && insn.segment_prefix() == Register::None => {
                insn.set_memory_base(Register::RIP);
                insn.set_memory_displ_size(8);
                insn.set_memory_displacement64(target);
            }
            form => {
                let with_index = matches!(form, 2..=4);
                self.setting.address(self, insn, target, registers::Address { with_index, short });
            }
        }
    }

    /// Whether nothing depends on a register's value yet.
    pub(super) fn is_free(&self, reg: usize) -> bool {
        self.fixed >> reg & 1 == 0
    }
}

fn is_string_kind(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(
        kind,
        MemorySegSI
            | MemorySegESI
            | MemorySegRSI
            | MemorySegDI
            | MemorySegEDI
            | MemorySegRDI
            | MemoryESDI
            | MemoryESEDI
            | MemoryESRDI
    )
}

fn string_operand(kind: OpCodeOperandKind, short: bool) -> Option<OpKind> {
    use OpCodeOperandKind as K;
    Some(match (kind, short) {
        (K::seg_rSI, false) => OpKind::MemorySegRSI,
        (K::seg_rSI, true) => OpKind::MemorySegESI,
        (K::es_rDI, false) => OpKind::MemoryESRDI,
        (K::es_rDI, true) => OpKind::MemoryESEDI,
        (K::seg_rDI, false) => OpKind::MemorySegRDI,
        (K::seg_rDI, true) => OpKind::MemorySegEDI,
        _ => return None,
    })
}
