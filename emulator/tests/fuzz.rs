//! Random bytes as code at CPL 0 and 3 with random registers, tables and breakpoints:
//! whatever a guest does, the emulator must not panic and must come back.

mod stand;

use emulator::machine::Machine;
use emulator::regs::gpr::reg::RSP;
use emulator::regs::vector::VectorReg;
use emulator::regs::{RFlags, SegmentReg};
use emulator::run::Exit;
use emulator::timing::TimingChoice;
use proptest::prelude::*;

use stand::Stand;
use stand::layout::{GDT, IDT, STACK0, STUBS, TSS, has_error_code};
use stand::paging::Rights;

const CODE: u64 = 0x1000_0000;
const DATA: u64 = 0x2000_0000;
const PAGES: u64 = 3;
const PAGE: u64 = 0x1000;
/// Instructions a case retires, about.
const INSNS: u64 = 200;
/// Cycles of a run.
const CYCLES: u64 = 500;
/// Runs of a case, at most.
const RUNS: usize = 150;

/// A value that means something to the machine more often than by chance.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => DATA..DATA + PAGES * PAGE,
        2 => CODE..CODE + PAGES * PAGE,
        1 => prop::sample::select(vec![GDT, IDT, TSS, STUBS, STACK0 - 64, STACK0, PAGE, 0]),
        1 => prop::sample::select(vec![
            u64::MAX, 0x7fff_ffff_fffc, 0xffff_7fff_ffff_fffc, 1 << 47, 1 << 63, 0xffff_fffc,
        ]),
        1 => 0u64..0x100,
        1 => any::<u64>(),
    ]
}

/// Opcode bytes that reach what is delicate, among random ones.
fn code() -> impl Strategy<Value = Vec<u8>> {
    let chosen: Vec<Vec<u8>> = [
        &[0x8e, 0xd0][..],               // mov ss,ax
        &[0x8e, 0x13],                   // mov ss,[rbx]
        &[0x0f, 0x23, 0xf8],             // mov dr7,rax
        &[0x0f, 0x23, 0xc3],             // mov dr0,rbx
        &[0x0f, 0x21, 0xf0],             // mov rax,dr6
        &[0x48, 0xcf],                   // iretq
        &[0x0f, 0x05],                   // syscall
        &[0x48, 0x0f, 0x07],             // sysretq
        &[0xf3, 0xa4],                   // rep movsb
        &[0xf3, 0x48, 0xab],             // rep stosq
        &[0xf2, 0xae],                   // repne scasb
        &[0x67, 0xf3, 0xa5],             // a32 rep movsd
        &[0x9d],                         // popfq
        &[0xf1],                         // icebp
        &[0xcd, 0x80],                   // int 0x80
        &[0xcc],                         // int3
        &[0xf4],                         // hlt
        &[0xfb],                         // sti
        &[0x0f, 0x01, 0xc1],             // vmcall
        &[0x0f, 0x01, 0xf8],             // swapgs
        &[0xc8, 0x20, 0x00, 0x1f],       // enter 32,31
        &[0x0f, 0xa1],                   // pop fs
        &[0x0f, 0xb2, 0x23],             // lss esp,[rbx]
        &[0xf0, 0x48, 0x0f, 0xc7, 0x0f], // lock cmpxchg16b [rdi]
        &[0x48, 0x0f, 0xa3, 0x03],       // bt [rbx],rax
        &[0xff, 0xe0],                   // jmp rax
        &[0xc3],                         // ret
        &[0x88, 0x05, 0, 0, 0, 0],       // mov [rip],al
        &[0x0f, 0xae, 0x07],             // fxsave [rdi]
        &[0xd7],                         // xlatb
    ]
    .iter()
    .map(|bytes| bytes.to_vec())
    .collect();
    let piece = prop_oneof![
        3 => prop::sample::select(chosen),
        2 => prop::collection::vec(any::<u8>(), 1..8),
    ];
    prop::collection::vec(piece, 1..60).prop_map(|pieces| pieces.concat())
}

/// Everything about a case but its code.
#[derive(Clone, Debug)]
struct State {
    timing: TimingChoice,
    user: bool,
    gpr: [u64; 16],
    rsp: u64,
    rip_offset: u64,
    rflags: u64,
    dr: [u64; 4],
    dr7: u64,
    vectors: u64,
    /// What replaces CR3, the tables' bases and limits, bits of CR0 and CR4, MSRs.
    wild: [Option<u64>; 10],
    interrupt: Option<u8>,
}

fn state() -> impl Strategy<Value = State> {
    let wild = prop::array::uniform10(prop::option::weighted(0.03, word()));
    (
        (prop::sample::select(vec![TimingChoice::None, TimingChoice::Table]), any::<bool>()),
        (
            prop::array::uniform16(word()),
            prop_oneof![8 => DATA + 0x800..DATA + PAGES * PAGE, 1 => word()],
        ),
        prop_oneof![4 => Just(0u64), 1 => 0..PAGES * PAGE],
        any::<u64>(),
        prop::array::uniform4(word()),
        any::<u64>(),
        any::<u64>(),
        wild,
        prop::option::weighted(0.3, any::<u8>()),
    )
        .prop_map(
            |(
                (timing, user),
                (gpr, rsp),
                rip_offset,
                rflags,
                dr,
                dr7,
                vectors,
                wild,
                interrupt,
            )| State {
                timing,
                user,
                gpr,
                rsp,
                rip_offset,
                rflags,
                dr,
                dr7,
                vectors,
                wild,
                interrupt,
            },
        )
}

fn prepare(code: &[u8], state: &State) -> Machine {
    let mut stand = Stand::timed(state.timing);
    for page in (0..PAGES * PAGE).step_by(PAGE as usize) {
        stand.map(CODE + page, Rights::Execute);
        stand.map(DATA + page, Rights::Write);
    }
    // The code comes again at the end of the first page, so that it crosses it.
    let crossing = CODE + PAGE - (code.len() as u64 / 2);
    stand.poke(crossing, code);
    stand.poke(CODE, &code[..code.len().min(PAGE as usize / 2)]);
    if state.user {
        stand.start(Stand::user_frame(CODE, 0x2, DATA + PAGE));
        stand.machine.run(0, 1);
    }
    for (reg, value) in (0..16).zip(state.gpr) {
        stand.set_gpr(reg, value);
    }
    stand.set_gpr(RSP, state.rsp);
    let cpu = stand.machine.cpu_mut(0);
    cpu.regs.rip = CODE + state.rip_offset;
    // Not VM: virtual-8086 mode does not exist in 64-bit mode.
    cpu.set_rflags(state.rflags & !(1 << 17));
    cpu.regs.seg[SegmentReg::Fs as usize].base = state.gpr[3];
    cpu.regs.seg[SegmentReg::Gs as usize].base = state.gpr[5];
    for reg in 0..16 {
        let lo = u128::from(state.vectors.rotate_left(u32::from(reg))) << 40;
        cpu.regs.vector.set_ymm(reg, VectorReg { lo, hi: !lo });
    }
    for (index, address) in state.dr.into_iter().enumerate() {
        cpu.set_dr_address(index, address);
    }
    cpu.set_dr7(state.dr7);
    if let Some(vector) = state.interrupt {
        cpu.raise_interrupt(vector);
    }
    go_wild(&mut stand, &state.wild);
    stand.machine
}

fn go_wild(stand: &mut Stand, wild: &[Option<u64>; 10]) {
    let cpu = stand.machine.cpu_mut(0);
    let control = &mut cpu.regs.control;
    let [cr3, gdt, idt, tss, limits, cr0, cr4, lstar, star, fmask] = *wild;
    control.cr3 = cr3.unwrap_or(control.cr3);
    control.gdtr.base = gdt.unwrap_or(control.gdtr.base);
    control.idtr.base = idt.unwrap_or(control.idtr.base);
    control.tss_base = tss.unwrap_or(control.tss_base);
    if let Some(limit) = limits {
        control.gdtr.limit = limit as u16;
        control.idtr.limit = (limit >> 16) as u16;
        control.tss_limit = (limit >> 32) as u32;
    }
    control.cr0 ^= cr0.unwrap_or(0) & 0x7fff_fffe;
    control.cr4 ^= cr4.unwrap_or(0) & !(1 << 5);
    cpu.regs.msrs.lstar = lstar.unwrap_or(cpu.regs.msrs.lstar);
    cpu.regs.msrs.star = star.unwrap_or(cpu.regs.msrs.star);
    cpu.regs.msrs.fmask = fmask.unwrap_or(cpu.regs.msrs.fmask);
    cpu.flush_tlb();
}

/// Where a handler of the stand has stopped, lets it return behind the instruction, or
/// into it, and without TF.
fn step_over(machine: &mut Machine) {
    let rip = machine.cpu(0).regs.rip;
    let Some(offset) = rip.checked_sub(STUBS).filter(|offset| *offset < PAGE) else { return };
    let error = if has_error_code((offset / 16) as u8) { 8 } else { 0 };
    let at = machine.cpu(0).regs.gpr.get(RSP).wrapping_add(error);
    let (cpu, mem) = machine.cpu_and_mem(0);
    let mut slot = |nth: u64, change: fn(u64) -> u64| {
        if let Some(physical) = cpu.peek_translate(mem, at.wrapping_add(8 * nth)) {
            let value = change(mem.read_u64(physical));
            mem.write_u64(physical, value);
        }
    };
    slot(0, |rip| rip.wrapping_add(1));
    slot(2, |rflags| rflags & !RFlags::TF);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_guest_makes_the_emulator_panic_or_hang(code in code(), state in state()) {
        let mut machine = prepare(&code, &state);
        for _ in 0..RUNS {
            let deadline = machine.cpu(0).cycles() + CYCLES;
            match machine.run(0, deadline) {
                Exit::Deadline => prop_assert!(machine.cpu(0).cycles() >= deadline),
                Exit::Hypercall => step_over(&mut machine),
                Exit::Halted => machine.cpu_mut(0).wake(),
                Exit::Unsupported(what) => {
                    prop_assert!(what.bytes.len() <= 15, "{}", what);
                    let cpu = machine.cpu_mut(0);
                    cpu.regs.rip = cpu.regs.rip.wrapping_add(what.bytes.len().max(1) as u64);
                }
                Exit::Shutdown => break,
            }
            if machine.cpu(0).icount() > INSNS {
                break;
            }
        }
        machine.digest(&mut |_| {});
    }
}
