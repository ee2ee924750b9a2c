//! Segment loads, far transfers and descriptor reads of user code, row by row.
//!
//! The rows for Linux's selectors were measured on a processor; the others, which no
//! user program finds in a GDT, follow the manual (SDM vol. 2A/2B, and vol. 3A, 5).

mod stand;

use emulator::regs::RFlags;
use emulator::regs::SegmentReg;
use emulator::regs::control::cr4;
use emulator::regs::gpr::reg::{RAX, RBX, RDX};
use stand::layout::{CODE0, CODE3, DATA0, DATA3, GDT, TSS};
use stand::paging::Rights;
use stand::{Frame, Stand, Stop};

const CODE: u64 = 0x1000_0000;
/// Where transfers lead: HLT, which faults there.
const TARGET: u64 = CODE + 0x800;
const DATA: u64 = 0x2000_0000;
const STACK: u64 = DATA + 0x1000;
const NOT_CANONICAL: u64 = 1 << 63;

/// Descriptors beside Linux's.
const DESCRIPTORS: &[(u16, u64)] = &[
    (ABSENT_DATA, 0x00cf_7300_0000_ffff),
    (ABSENT_CODE, 0x00af_7b00_0000_ffff),
    (CONFORMING, 0x00af_9f00_0000_ffff),
    (EXECUTE_ONLY, 0x00af_f900_0000_ffff),
    (READ_ONLY, 0x00cf_f100_0000_ffff),
    (CALL_GATE, 0x0000_ec00_0060_0000),
    (FRESH_DATA, 0x12cf_f234_5678_ffff),
    (LONG_AND_BIG, 0x00ef_fb00_0000_ffff),
];
const ABSENT_DATA: u16 = 0x3b;
const ABSENT_CODE: u16 = 0x43;
const CONFORMING: u16 = 0x4b;
const EXECUTE_ONLY: u16 = 0x53;
const READ_ONLY: u16 = 0x5b;
const CALL_GATE: u16 = 0x63;
/// Not accessed yet; its base is 0x12345678.
const FRESH_DATA: u16 = 0x73;
const LONG_AND_BIG: u16 = 0x7b;
/// Beyond the table.
const BEYOND: u16 = 0x83;
/// Of the LDT, which there is not.
const LOCAL: u16 = 0x0f;

/// What an instruction does with a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It loads or goes there.
    Loads,
    /// #GP(selector), #NP(selector), #SS(selector).
    Gp,
    Np,
    Ss,
    /// #GP(0).
    Gp0,
}
use Outcome::{Gp, Gp0, Loads, Np, Ss};

/// The selectors, and what MOV DS, MOV SS, far JMP and CALL, RETF and IRETQ make of each.
const ROWS: &[(u16, Outcome, Outcome, Outcome, Outcome)] = &[
    (0, Loads, Gp0, Gp0, Gp0),
    (3, Loads, Gp0, Gp0, Gp0),
    (CODE0, Gp, Gp, Gp, Gp),
    (DATA0, Gp, Gp, Gp, Gp),
    (DATA0 | 3, Gp, Gp, Gp, Gp),
    (0x20, Loads, Gp, Loads, Gp),
    (0x23, Loads, Gp, Loads, Loads),
    (0x28, Loads, Gp, Gp, Gp),
    (DATA3, Loads, Loads, Gp, Gp),
    (0x30, Loads, Gp, Loads, Gp),
    (CODE3, Loads, Gp, Loads, Loads),
    (ABSENT_DATA, Np, Ss, Gp, Gp),
    (ABSENT_CODE, Np, Gp, Np, Np),
    (CONFORMING, Loads, Gp, Loads, Loads),
    (EXECUTE_ONLY, Gp, Gp, Loads, Loads),
    (READ_ONLY, Loads, Gp, Gp, Gp),
    (CALL_GATE, Gp, Gp, Gp, Gp),
    (FRESH_DATA, Loads, Loads, Gp, Gp),
    (LONG_AND_BIG, Loads, Gp, Gp, Gp),
    (BEYOND, Gp, Gp, Gp, Gp),
    (LOCAL, Gp, Gp, Gp, Gp),
];

const MOV_DS: &[u8] = &[0x8e, 0xda];
const MOV_FS: &[u8] = &[0x8e, 0xe2];
const MOV_SS: &[u8] = &[0x8e, 0xd2];
const JMP_FAR: &[u8] = &[0x48, 0xff, 0x2b];
const CALL_FAR: &[u8] = &[0x48, 0xff, 0x1b];
const RETFQ: &[u8] = &[0x48, 0xcb];
const RETFD_IMM: &[u8] = &[0xca, 0x20, 0x00];
const IRETQ: &[u8] = &[0x48, 0xcf];
const LGS: &[u8] = &[0x48, 0x0f, 0xb5, 0x03];

/// A stand that is about to run `code` with RBX at [`DATA`].
fn stand(code: &[u8]) -> Stand {
    let mut stand = Stand::new();
    for (at, rights) in [(CODE, Rights::Execute), (DATA, Rights::Write), (STACK, Rights::Write)] {
        stand.map(at, rights);
    }
    stand.poke(CODE, code);
    stand.poke(CODE + code.len() as u64, &[0xf4]);
    stand.poke(TARGET, &[0xf4]);
    for (selector, descriptor) in DESCRIPTORS {
        stand.poke(GDT + u64::from(selector & !7), &descriptor.to_le_bytes());
    }
    // The I/O bitmap would begin beyond the limit.
    stand.poke(TSS + 102, &0x68u16.to_le_bytes());
    stand.set_gpr(RBX, DATA);
    stand.start(Stand::user_frame(CODE, RFlags::FIXED, STACK));
    stand
}

/// Puts words on the user's stack.
fn fill(stand: &mut Stand, at: u64, words: &[u64]) {
    for (slot, word) in (0..).zip(words) {
        stand.poke(at + 8 * slot, &word.to_le_bytes());
    }
}

/// Runs `code` with a selector in RDX, in the far pointer at RBX, and as the CS of the
/// frame at RSP; tells how it ended when `ok` is where it goes on.
fn outcome(code: &[u8], selector: u16, ok: u64) -> (Outcome, Stand) {
    let mut stand = stand(code);
    stand.set_gpr(RDX, u64::from(selector));
    fill(&mut stand, DATA, &[TARGET, u64::from(selector)]);
    let frame = [TARGET, u64::from(selector), RFlags::FIXED, STACK + 0x100, u64::from(DATA3)];
    fill(&mut stand, STACK, &frame);
    let stop = stand.run();
    let wanted = u64::from(selector & !3);
    let outcome = match stop {
        Stop::Exception(13, Some(0)) if stand.frame().rip == ok => Loads,
        Stop::Exception(13, Some(0)) => Gp0,
        Stop::Exception(vector, Some(error)) if error == wanted => match vector {
            11 => Np,
            12 => Ss,
            13 => Gp,
            _ => panic!("vector {vector}"),
        },
        other => panic!("{other:?} by {code:02x?} with {selector:#x}"),
    };
    if outcome != Loads {
        let Frame { rip, cs, rsp, ss, rflags } = stand.frame();
        let unchanged = (CODE, u64::from(CODE3), STACK, u64::from(DATA3));
        assert_eq!((rip, cs, rsp, ss), unchanged, "{code:02x?} with {selector:#x}");
        assert_ne!(rflags & RFlags::RF, 0);
    }
    (outcome, stand)
}

#[test]
fn selectors_are_checked() {
    for &(selector, data, stack, jump, back) in ROWS {
        let behind = CODE + 2;
        let cases = [
            (MOV_DS, behind, data),
            (MOV_FS, behind, data),
            (MOV_SS, behind, stack),
            (JMP_FAR, TARGET, jump),
            (CALL_FAR, TARGET, jump),
            (RETFQ, TARGET, back),
            (IRETQ, TARGET, back),
        ];
        for (code, ok, expected) in cases {
            let (found, _) = outcome(code, selector, ok);
            assert_eq!(found, expected, "{code:02x?} with {selector:#x}");
        }
    }
}

#[test]
fn a_load_sets_the_accessed_bit_and_the_base() {
    let (_, stand) = outcome(MOV_FS, FRESH_DATA, CODE + 2);
    let fs = stand.machine.cpu(0).regs.seg[SegmentReg::Fs as usize];
    assert_eq!((fs.selector, fs.base), (FRESH_DATA, 0x1234_5678));
    assert_eq!(stand.peek(GDT + 0x70 + 5, 1), [0xf3]);
    // LGS reads the offset first, and a null selector clears the base.
    let mut stand = self::stand(&[LGS, MOV_FS].concat());
    stand.set_gpr(RDX, 0);
    fill(&mut stand, DATA, &[0x1122_3344_5566_7788, u64::from(FRESH_DATA)]);
    stand.machine.cpu_mut(0).regs.seg[SegmentReg::Fs as usize].base = 77;
    stand.run();
    let regs = &stand.machine.cpu(0).regs;
    assert_eq!(regs.gpr.get(RAX), 0x1122_3344_5566_7788);
    assert_eq!(regs.seg[SegmentReg::Gs as usize].base, 0x1234_5678);
    assert_eq!(regs.seg[SegmentReg::Fs as usize].base, 0);
}

#[test]
fn a_far_call_pushes_whole_slots_before_it_looks_at_the_offset() {
    // As measured: the stack's fault, then the offset's, which leaves the frame stored.
    let mut user = stand(CALL_FAR);
    fill(&mut user, DATA, &[NOT_CANONICAL, u64::from(CODE3)]);
    assert_eq!(user.run(), Stop::Exception(13, Some(0)));
    assert_eq!((user.frame().rip, user.frame().rsp), (CODE, STACK));
    let slot = |at: u64| u64::from_le_bytes(user.peek(at, 8).try_into().unwrap());
    assert_eq!((slot(STACK - 8), slot(STACK - 16)), (u64::from(CODE3), CODE + 3));

    let mut user = stand(CALL_FAR);
    fill(&mut user, DATA, &[NOT_CANONICAL, u64::from(CODE3)]);
    user.start(Stand::user_frame(CODE, RFlags::FIXED, NOT_CANONICAL + 0x1000));
    assert_eq!(user.run(), Stop::Exception(12, Some(0)));
    // The pointer m16:32 pushes two doublewords.
    let mut user = stand(&CALL_FAR[1..]);
    user.poke(DATA, &(TARGET as u32).to_le_bytes());
    user.poke(DATA + 4, &CODE3.to_le_bytes());
    user.run();
    assert_eq!((user.frame().rip, user.frame().rsp), (TARGET, STACK - 8));
    assert_eq!(user.peek(STACK - 8, 8), [2, 0, 0, 0x10, 0x33, 0, 0, 0]);
}

#[test]
fn far_returns_release_their_immediate() {
    let mut user = stand(RETFD_IMM);
    fill(&mut user, STACK, &[u64::from(CODE3) << 32 | TARGET]);
    user.run();
    assert_eq!((user.frame().rip, user.frame().rsp), (TARGET, STACK + 8 + 0x20));
}

#[test]
fn iret_checks_code_then_stack_then_target() {
    let [code, data, bad] = [CODE3, DATA3, DATA0].map(u64::from);
    let rows: &[([u64; 5], u64, u64)] = &[
        ([TARGET, code, 2, STACK, 0], 0, 0),
        ([TARGET, code, 2, STACK, 3], 0, 0),
        ([TARGET, code, 2, STACK, bad], 0, bad),
        ([NOT_CANONICAL, code, 2, STACK, bad], 0, bad),
        ([NOT_CANONICAL, u64::from(CODE0), 2, STACK, bad], 0, u64::from(CODE0)),
        ([NOT_CANONICAL, code, 2, STACK, data], 0, 0),
        ([TARGET, code, 2, STACK, data], RFlags::NT, 0),
    ];
    for (words, flags, error) in rows {
        let mut user = stand(IRETQ);
        fill(&mut user, STACK, words);
        user.start(Stand::user_frame(CODE, RFlags::FIXED | flags, STACK));
        assert_eq!(user.run(), Stop::Exception(13, Some(*error)), "{words:x?}");
        assert_eq!(user.frame().rip, CODE);
    }
    // Any RSP will do, and VM, IOPL and IF stay as they are.
    let mut user = stand(IRETQ);
    let image = RFlags::VM | RFlags::IOPL | RFlags::IF | RFlags::CF;
    fill(&mut user, STACK, &[TARGET, code, image, NOT_CANONICAL, data]);
    user.run();
    let frame = user.frame();
    assert_eq!((frame.rip, frame.rsp), (TARGET, NOT_CANONICAL));
    assert_eq!(frame.rflags & !RFlags::RF, RFlags::FIXED | RFlags::CF);
}

#[test]
fn a_16_bit_iret_loads_16_bits_of_each() {
    const LOW: u64 = 0x9000;
    let mut user = stand(&[0x66, 0xcf]);
    user.map(LOW, Rights::Execute);
    user.poke(LOW, &[0xf4]);
    for (slot, word) in (0..).zip([LOW as u16, CODE3, 0xc02, 0x1800, DATA3]) {
        user.poke(STACK + 2 * slot, &word.to_le_bytes());
    }
    user.run();
    let frame = user.frame();
    assert_eq!((frame.rip, frame.rsp), (LOW, 0x1800));
    assert_eq!(frame.rflags & !RFlags::RF, 0xc02);
}

/// What LAR and LSL give (`None` where ZF is clear), VERR and VERW.
type Looked = (u16, Option<u64>, Option<u64>, bool, bool);

const LOOKS: &[Looked] = &[
    (0, None, None, false, false),
    (CODE0, None, None, false, false),
    (DATA0, None, None, false, false),
    (0x20, Some(0xcf_fb00), Some(0xffff_ffff), true, false),
    (DATA3, Some(0xcf_f300), Some(0xffff_ffff), true, true),
    (CODE3, Some(0xaf_fb00), Some(0xffff_ffff), true, false),
    (ABSENT_DATA, Some(0xcf_7300), Some(0xffff_ffff), true, true),
    (CONFORMING, Some(0xaf_9f00), Some(0xffff_ffff), true, false),
    (EXECUTE_ONLY, Some(0xaf_f900), Some(0xffff_ffff), false, false),
    (READ_ONLY, Some(0xcf_f100), Some(0xffff_ffff), true, false),
    (CALL_GATE, Some(0x00_ec00), None, false, false),
    (BEYOND, None, None, false, false),
    (LOCAL, None, None, false, false),
];

#[test]
fn descriptors_can_be_looked_at() {
    // lar rax,edx; lsl rax,edx; verr dx; verw dx
    let look = |code: &[u8], selector: u16| {
        let mut user = stand(code);
        user.set_gpr(RAX, u64::MAX);
        user.set_gpr(RDX, u64::from(selector));
        user.run();
        (user.frame().rflags & RFlags::ZF != 0, user.gpr(RAX))
    };
    for &(selector, access, limit, readable, writable) in LOOKS {
        for (opcode, expected) in [(0x02, access), (0x03, limit)] {
            let found = look(&[0x48, 0x0f, opcode, 0xc2], selector);
            let expected = (expected.is_some(), expected.unwrap_or(u64::MAX));
            assert_eq!(found, expected, "{selector:#x}");
        }
        assert_eq!(look(&[0x0f, 0x00, 0xe2], selector).0, readable, "{selector:#x}");
        assert_eq!(look(&[0x0f, 0x00, 0xea], selector).0, writable, "{selector:#x}");
    }
    // 16 bits of the result, and of the limit.
    assert_eq!(look(&[0x66, 0x0f, 0x02, 0xc2], CODE3), (true, u64::MAX << 16 | 0xfb00));
    assert_eq!(look(&[0x66, 0x0f, 0x03, 0xc2], CODE3), (true, u64::MAX));
}

/// Rule M12: the processor's own read of a descriptor matches as data, and is told after
/// the instruction.
#[test]
fn a_descriptor_read_matches_as_data() {
    let mut user = stand(MOV_DS);
    user.set_gpr(RDX, u64::from(FRESH_DATA));
    let cpu = user.machine.cpu_mut(0);
    cpu.set_dr_address(0, GDT + u64::from(FRESH_DATA & !7));
    // RW, 8 bytes, G0; DR1 sees the store of the accessed bit.
    cpu.set_dr_address(1, GDT + u64::from(FRESH_DATA & !7) + 5);
    cpu.set_dr7(0x1b_000a);
    assert_eq!(user.run(), Stop::Exception(1, None));
    assert_eq!(user.frame().rip, CODE + 2);
    assert_eq!(user.machine.cpu(0).debug().dr6() & 0xf, 3);
}

#[test]
fn umip_keeps_the_tables_from_users() {
    // sgdt [rbx]; sidt [rbx]; sldt ax; str eax; smsw rax
    let codes: [&[u8]; 5] = [
        &[0x0f, 0x01, 0x03],
        &[0x0f, 0x01, 0x0b],
        &[0x66, 0x0f, 0x00, 0xc0],
        &[0x0f, 0x00, 0xc8],
        &[0x48, 0x0f, 0x01, 0xe0],
    ];
    for code in codes {
        let mut user = stand(code);
        assert_eq!(user.run(), Stop::Exception(13, Some(0)));
        assert_eq!(user.frame().rip, CODE, "{code:02x?}");
        let mut user = stand(code);
        let control = &mut user.machine.cpu_mut(0).regs.control;
        control.cr4 &= !cr4::UMIP;
        control.tr = 0x40;
        let cr0 = control.cr0;
        user.set_gpr(RAX, u64::MAX);
        user.run();
        assert_eq!(user.frame().rip, CODE + code.len() as u64, "{code:02x?}");
        match code {
            [0x0f, 0x01, 0x03] => {
                assert_eq!(user.peek(DATA + 2, 8), GDT.to_le_bytes());
                assert_eq!(user.peek(DATA, 2), [0x7f, 0]);
            }
            [0x66, ..] => assert_eq!(user.gpr(RAX), u64::MAX << 16),
            [0x0f, 0x00, 0xc8] => assert_eq!(user.gpr(RAX), 0x40),
            [0x48, ..] => assert_eq!(user.gpr(RAX), cr0),
            _ => {}
        }
    }
}

#[test]
fn privileged_instructions_and_ports_fault_before_their_operands() {
    let codes: [&[u8]; 12] = [
        &[0x0f, 0x32],
        &[0x0f, 0x30],
        &[0x0f, 0x09],
        &[0x0f, 0x08],
        &[0x0f, 0x01, 0x10],
        &[0x0f, 0x01, 0x18],
        &[0x0f, 0x00, 0x10],
        &[0x0f, 0x01, 0x30],
        &[0x0f, 0x33],
        &[0xec],
        &[0xf3, 0x6c],
        &[0x6e],
    ];
    for code in codes {
        let mut user = stand(code);
        user.set_gpr(RAX, NOT_CANONICAL);
        user.set_gpr(6, NOT_CANONICAL);
        assert_eq!(user.run(), Stop::Exception(13, Some(0)), "{code:02x?}");
        assert_eq!(user.frame().rip, CODE, "{code:02x?}");
    }
}

/// The bitmap lets ports through one by one; both its bytes must lie in the TSS.
#[test]
fn the_io_bitmap_decides_over_ports() {
    const BITMAP: u16 = 0x60;
    // in eax,dx
    let port = |port: u64, map: &[u8], limit: u32| {
        let mut user = stand(&[0xed]);
        user.set_gpr(RDX, port);
        let control = &mut user.machine.cpu_mut(0).regs.control;
        control.tss_limit = limit;
        let tss = control.tss_base;
        user.poke(tss + u64::from(BITMAP) + 8, map);
        user.poke(tss + 102, &(BITMAP + 8).to_le_bytes());
        // The HLT behind it faults.
        user.run();
        user.frame().rip != CODE
    };
    assert!(port(4, &[0x0f, 0xff], 0x69));
    assert!(!port(5, &[0x0f, 0xff], 0x69));
    assert!(port(5, &[0x0f, 0xfe], 0x69));
    assert!(!port(4, &[0x0f, 0xff], 0x68));
    assert!(!port(3, &[0x0f, 0xff], 0x69));
}

#[test]
fn a_far_return_to_a_lower_privilege_takes_the_stack_and_drops_segments() {
    let mut stand = Stand::new();
    stand.map(CODE, Rights::Execute);
    stand.map(DATA, Rights::Write);
    stand.poke(CODE, &[0xf4]);
    let kernel = stand::layout::STUBS + 0x100;
    stand.poke(kernel, RETFQ);
    let top = stand::layout::STACK0 - 0x100;
    fill(&mut stand, top, &[CODE, u64::from(CODE3), DATA + 0x800, u64::from(DATA3)]);
    let cpu = stand.machine.cpu_mut(0);
    let data = cpu.regs.seg[SegmentReg::Ss as usize];
    cpu.regs.seg[SegmentReg::Ds as usize] = data;
    cpu.regs.seg[SegmentReg::Gs as usize].base = 5;
    stand.start(Frame {
        rip: kernel,
        cs: u64::from(CODE0),
        rflags: 2,
        rsp: top,
        ss: u64::from(DATA0),
    });
    assert_eq!(stand.run(), Stop::Exception(13, Some(0)));
    let frame = stand.frame();
    assert_eq!((frame.rip, frame.rsp), (CODE, DATA + 0x800));
    assert_eq!((frame.cs, frame.ss), (u64::from(CODE3), u64::from(DATA3)));
    let seg = &stand.machine.cpu(0).regs.seg;
    assert_eq!(seg[SegmentReg::Ds as usize].selector, 0);
    assert_eq!(seg[SegmentReg::Gs as usize].base, 5);
}
