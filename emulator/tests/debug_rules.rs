//! The rules of the debug registers at CPL 0, and those that user mode cannot show.
//!
//! `data/debug-rules.txt` holds the programs and what is expected of them; its head
//! explains the notation.

mod debug_rules {
    pub(crate) mod play;
    pub(crate) mod rule;
}
mod stand;

use debug_rules::{play, rule};
use emulator::debug::AccessKind;
use emulator::regs::gpr::reg::{RAX, RBX, RCX, RDI, RSI};
use emulator::run::Exit;
use stand::paging::Rights;
use stand::{Stand, Stop};

#[test]
fn rules_of_the_data_file() {
    let rules = rule::parse(include_str!("data/debug-rules.txt"));
    assert!(rules.len() >= 98, "rules were lost");
    let failures: Vec<_> = rules
        .iter()
        .filter_map(|rule| play::play(rule).err().map(|why| format!("{}: {why}", rule.name)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A repetition longer than the deadline stops at it, with the iterations done and RF
/// set as between any two iterations.
#[test]
fn a_deadline_comes_amid_a_repetition() {
    const CODE: u64 = 0x1000_0000;
    const DATA: u64 = 0x2000_0000;
    const COUNT: u64 = 1 << 40;
    let mut stand = Stand::new();
    stand.map(CODE, Rights::Execute);
    let frame = stand.map(DATA, Rights::Write);
    for page in 1..64 {
        stand.map_to(DATA + page * 0x1000, frame, Rights::Write);
    }
    // rep lodsb
    stand.poke(CODE, &[0xf3, 0xac]);
    stand.set_gpr(RCX, COUNT);
    stand.set_gpr(RSI, DATA);
    stand.start(Stand::user_frame(CODE, 0x2, 0));
    assert_eq!(stand.machine.run(0, 10_000), Exit::Deadline);
    let done = COUNT - stand.gpr(RCX);
    assert!((10_000..200_000).contains(&done), "{done} iterations");
    assert_eq!(stand.gpr(RSI), DATA + done);
    let regs = &stand.machine.cpu(0).regs;
    assert_eq!((regs.rip, regs.rflags()), (CODE, 0x1_0002));
    // Going on ends with the fault behind the last page.
    assert_eq!(stand.run(), Stop::Exception(14, Some(4)));
    assert_eq!(stand.gpr(RSI), DATA + 64 * 0x1000);
}

/// The record of a matching access names its instruction, whatever kind it is, and
/// one that nobody took does not reach into the next.
#[test]
fn records_name_the_instruction() {
    const CODE: u64 = 0x1000_0000;
    const DATA: u64 = 0x2000_0000;
    let call: &[u8] = &[0x48, 0x89, 0x03, 0xe8, 0, 0, 0, 0]; // mov [rbx],rax; call
    let ret: &[u8] = &[0x48, 0x89, 0x03, 0x48, 0x87, 0xe3, 0xc3]; // mov; xchg rbx,rsp; ret
    let jump: &[u8] = &[0x48, 0x89, 0x03, 0xff, 0x23]; // mov [rbx],rax; jmp [rbx]
    let load: &[u8] = &[0x48, 0x89, 0x03, 0x90, 0x48, 0x8b, 0x0b]; // mov; nop; mov rcx,[rbx]
    let rep: &[u8] = &[0x48, 0x89, 0x03, 0xf3, 0x48, 0xab]; // mov [rbx],rax; rep stosq
    let program = |code: &'static [u8], second: u64, kind| (code, CODE + second, kind);
    for (code, second, kind) in [
        program(call, 3, AccessKind::Write),
        program(ret, 6, AccessKind::Read),
        program(jump, 3, AccessKind::Read),
        program(load, 4, AccessKind::Read),
        program(rep, 3, AccessKind::Write),
    ] {
        let mut stand = Stand::new();
        stand.map(CODE, Rights::Execute);
        stand.map(DATA, Rights::Write);
        stand.poke(CODE, code);
        let pointer = DATA + 0x100;
        let target = CODE + 0x80;
        for (reg, value) in [(RAX, target), (RBX, pointer), (RCX, 1), (RDI, pointer)] {
            stand.set_gpr(reg, value);
        }
        stand.start(Stand::user_frame(CODE, 0x2, pointer + 8));
        let cpu = stand.machine.cpu_mut(0);
        cpu.set_dr_address(0, pointer);
        cpu.set_dr7(0xb_0002);
        let mut hit = || {
            assert_eq!(stand.run(), Stop::Exception(1, None));
            stand.machine.cpu(0).access_records()[0].expect("a hit")
        };
        let first = hit();
        assert_eq!((first.rip, first.kind), (CODE, AccessKind::Write));
        assert_eq!((first.old, first.new), (0, target));
        let again = hit();
        assert_eq!((again.rip, again.kind), (second, kind));
        assert_eq!((again.linear, again.size, again.old), (pointer, 8, target));
    }
}
