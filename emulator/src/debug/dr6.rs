//! DR6, the debug status register (SDM vol. 3B, 17.2.3; rules R3, T7).

/// B0 to B3: the breakpoint conditions that were detected.
pub const B_MASK: u64 = 0xf;
/// BD: debug register access detected.
pub const BD: u64 = 1 << 13;
/// BS: single step.
pub const BS: u64 = 1 << 14;
/// BT: task switch.
pub const BT: u64 = 1 << 15;
/// BLD and RTM, active low.
pub const ACTIVE_LOW: u64 = 1 << 11 | 1 << 16;
/// Bits that read as one (BLD and RTM among them: neither feature is offered).
pub const FIXED_ONES: u64 = 0xffff_0ff0;
/// Value after reset.
pub const RESET: u64 = FIXED_ONES;
/// Bits that software may change.
pub const WRITABLE: u64 = B_MASK | BD | BS | BT;

/// What DR6 becomes when software writes `value` (rule D5). The upper half must
/// have been checked (rule D3).
#[must_use]
pub const fn write(value: u64) -> u64 {
    value & WRITABLE | FIXED_ONES
}

/// What DR6 becomes when a #DB that reports `conditions` is delivered: B0 to B3
/// are replaced, BS, BD and BT accumulate (rule T7).
#[must_use]
pub const fn latch(dr6: u64, conditions: u64) -> u64 {
    dr6 & !B_MASK | conditions & (B_MASK | BD | BS | BT)
}
