//! Where an image and what it is told end up, and the state at its entry.

use iced_x86::code_asm::{CodeAssembler, dword_ptr, eax, edi, esi, rdi, rsp};
use proptest::prelude::*;

use super::elf::ElfClass::{Elf32, Elf64};
use super::test_images::{Part, elf, multiboot_elf};
use super::{
    BOOT_MAGIC, BootImage, BootInputs, BootModule, CODE32, CODE64, DATA, Layout, MemoryKind,
    PlaceError, Placed, STACK_BYTES, start,
};
use crate::cpuid::CpuModel;
use crate::machine::{Machine, MachineConfig};
use crate::regs::SegmentReg;
use crate::regs::control::{cr0, cr4, efer};
use crate::regs::gpr::reg;
use crate::run::Exit;
use crate::timing::TimingChoice;

const MIB: u64 = 1 << 20;

fn machine(ram_bytes: u64) -> Machine {
    let (timing, model) = (TimingChoice::None, CpuModel::V3);
    Machine::new(&MachineConfig { nr_cpus: 1, ram_bytes, timing, model })
}

fn started(ram_bytes: u64, file: &[u8], inputs: &BootInputs) -> (Machine, Layout) {
    let mut machine = machine(ram_bytes);
    let image = BootImage::parse(file).unwrap();
    let layout = start(&mut machine, &image, inputs).unwrap();
    (machine, layout)
}

fn refused(ram_bytes: u64, file: &[u8], inputs: &BootInputs) -> PlaceError {
    start(&mut machine(ram_bytes), &BootImage::parse(file).unwrap(), inputs).unwrap_err()
}

fn inputs() -> BootInputs {
    let module = |name: &str, data: &[u8]| BootModule { name: name.into(), data: data.to_vec() };
    BootInputs {
        image_name: b"dir/image".to_vec(),
        arguments: b"one two".to_vec(),
        modules: vec![
            module("env A=1", b"NR_CPUS=1\n"),
            module("empty", b""),
            module("big", &[9; 5000]),
        ],
    }
}

fn word(machine: &Machine, at: u64) -> u32 {
    machine.mem.read_u64(at) as u32
}

fn text(machine: &Machine, at: u32) -> String {
    let bytes = machine.mem.slice(u64::from(at), 64).unwrap();
    bytes.iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect()
}

#[test]
fn a_multiboot_image_is_told_what_it_must_know() {
    let file = multiboot_elf(Elf32, 3, &[0xf4]);
    let (machine, layout) = started(32 * MIB, &file, &inputs());
    let info = layout.info;
    let field = |nth: u64| word(&machine, info + 4 * nth);
    assert_eq!(info, 0x20_3000, "the first page above the image");
    assert_eq!(field(0), 1 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9);
    assert_eq!(field(1), 640);
    let reserved = 4096 + STACK_BYTES;
    assert_eq!(u64::from(field(2)), (31 * MIB - reserved) / 1024);
    assert_eq!(text(&machine, field(4)), "dir/image one two");
    assert_eq!(text(&machine, field(16)), "dr7");

    let modules: Vec<[u32; 4]> = (0..field(5))
        .map(|nth| {
            [0, 1, 2, 3]
                .map(|word_nth| word(&machine, u64::from(field(6) + 16 * nth + 4 * word_nth)))
        })
        .collect();
    let spans: Vec<_> = modules.iter().map(|module| (module[0], module[1] - module[0])).collect();
    assert_eq!(spans, [(0x20_4000, 10), (0x20_5000, 0), (0x20_5000, 5000)]);
    let names: Vec<_> = modules.iter().map(|module| text(&machine, module[2])).collect();
    assert_eq!(names, ["env A=1", "empty", "big"]);
    assert_eq!(machine.mem.slice(0x20_4000, 10).unwrap(), b"NR_CPUS=1\n");

    let map: Vec<_> = (0..u64::from(field(11) / 24))
        .map(|nth| {
            let at = u64::from(field(12)) + 24 * nth;
            assert_eq!(word(&machine, at), 20);
            (machine.mem.read_u64(at + 4), machine.mem.read_u64(at + 12), word(&machine, at + 20))
        })
        .collect();
    let top = 31 * MIB - reserved;
    let (low, hole) = ((0, 0xa_0000, 1), (0xa_0000, 0x6_0000, 2));
    assert_eq!(map, [low, hole, (MIB, top, 1), (MIB + top, reserved, 2)]);
}

#[test]
fn a_multiboot_image_is_entered_in_flat_protected_mode() {
    let file = multiboot_elf(Elf64, 3, &[0xf4]);
    let (machine, layout) = started(32 * MIB, &file, &BootInputs::default());
    let regs = &machine.cpu(0).regs;
    assert_eq!((regs.rip, regs.rflags()), (0x10_000c, 2));
    assert_eq!(regs.gpr.get(reg::RAX), u64::from(BOOT_MAGIC));
    assert_eq!(regs.gpr.get(reg::RBX), layout.info);
    assert_eq!(regs.gpr.get(reg::RSP), 32 * MIB);
    let control = &regs.control;
    assert_eq!((control.cr0, control.cr4, control.efer), (cr0::PE | cr0::ET, 0, 0));
    assert_eq!((control.idtr.base, control.idtr.limit, control.tss_limit), (0, 0x3ff, 0x67));
    for (nth, segment) in regs.seg.iter().enumerate() {
        let (selector, access) =
            if nth == SegmentReg::Cs as usize { (CODE32, 0xc09b) } else { (DATA, 0xc093) };
        assert_eq!((segment.selector, segment.access), (selector, access));
        assert_eq!((segment.base, segment.limit), (0, u32::MAX));
        let descriptor = machine.mem.read_u64(control.gdtr.base + u64::from(selector));
        assert_eq!(crate::regs::Segment::from_descriptor(selector, descriptor), *segment);
    }
    let map = &layout.memory_map;
    let gdt_is = |kind| {
        map.iter().any(|range| {
            (range.start..range.end).contains(&control.gdtr.base) && range.kind == kind
        })
    };
    assert!(gdt_is(MemoryKind::Reserved) && !gdt_is(MemoryKind::Available));
}

#[test]
fn a_pvh_image_gets_start_info() {
    let note = Part::note(b"Xen\0", 18, &0x10_0004u64.to_le_bytes());
    let file = elf(Elf64, 0, &[note, Part::load(0x10_0000, &[0xf4; 16], 16)]);
    let (machine, layout) = started(32 * MIB, &file, &inputs());
    let regs = &machine.cpu(0).regs;
    assert_eq!((regs.rip, regs.gpr.get(reg::RAX)), (0x10_0004, 0));
    assert_eq!(regs.gpr.get(reg::RBX), layout.info);
    let info = layout.info;
    let head = [0, 4, 8, 12].map(|at| word(&machine, info + at));
    assert_eq!(head, [0x336e_c578, 1, 0, 3]);
    let field = |at: u64| machine.mem.read_u64(info + at);
    assert_eq!(text(&machine, field(24) as u32), "one two");
    assert_eq!(field(32), 0);
    let module = |nth: u64, at: u64| machine.mem.read_u64(field(16) + 32 * nth + at);
    assert_eq!((module(2, 0), module(2, 8)), (layout.modules[2], 5000));
    assert_eq!(text(&machine, module(2, 16) as u32), "big");
    assert_eq!(u64::from(word(&machine, info + 48)), layout.memory_map.len() as u64);
    for (range, nth) in layout.memory_map.iter().zip(0..) {
        let at = field(40) + 24 * nth;
        let told = [0, 8, 16].map(|offset| machine.mem.read_u64(at + offset));
        assert_eq!(told, [range.start, range.end - range.start, range.kind as u64]);
    }
}

/// 64-bit code, linked high, that looks at what it was given.
#[test]
fn a_64_bit_image_runs() {
    const LINEAR: u64 = 0xffff_ffff_8000_0000;
    let mut asm = CodeAssembler::new(64).unwrap();
    asm.mov(eax, dword_ptr(rdi + 16)).unwrap();
    asm.mov(dword_ptr(LINEAR as i64 + 0x1000), esi).unwrap();
    asm.mov(dword_ptr(LINEAR as i64 + 0x1004), eax).unwrap();
    asm.sub(rsp, 64).unwrap();
    asm.mov(dword_ptr(rsp), edi).unwrap();
    asm.hlt().unwrap();
    let code = asm.assemble(LINEAR).unwrap();
    let mut part = Part::load(0x20_0000, &code, 0x2000);
    part.linear = LINEAR;
    let file = elf(Elf64, LINEAR, &[part]);
    let (mut machine, layout) = started(8 * MIB, &file, &inputs());
    let regs = &machine.cpu(0).regs;
    let control = &regs.control;
    assert_eq!(control.cr0, cr0::PE | cr0::ET | cr0::NE | cr0::WP | cr0::PG);
    assert_eq!(control.cr4, cr4::PAE | cr4::OSFXSR | cr4::OSXMMEXCPT);
    assert_eq!(control.efer, efer::LME | efer::LMA | efer::NXE);
    assert_eq!(regs.seg[SegmentReg::Cs as usize].selector, CODE64);
    let stack = regs.gpr.get(reg::RSP);
    assert_eq!((stack % 16, machine.mem.read_u64(stack)), (8, 0));

    assert_eq!(machine.run(0, 1000), Exit::Halted);
    assert_eq!(word(&machine, 0x20_1000), BOOT_MAGIC);
    assert_eq!(text(&machine, word(&machine, 0x20_1004)), "dir/image one two");
    assert_eq!(u64::from(word(&machine, stack - 64)), layout.info);
}

#[test]
fn what_an_image_is_told_avoids_addresses_that_are_linked_over_it() {
    let mut part = Part::load(0x20_0000, &[0xf4; 16], 0x1000);
    part.linear = 0x20_1000;
    let file = elf(Elf64, part.linear, &[part]);
    let (_, layout) = started(8 * MIB, &file, &BootInputs::default());
    assert_eq!(layout.info, 0x20_2000);
}

#[test]
fn zeroed_memory_is_zeroed() {
    let file = multiboot_elf(Elf32, 0, &[0xf4]);
    let mut machine = machine(8 * MIB);
    machine.mem.write(0x20_0000, &[0xee; 0x4000]);
    start(&mut machine, &BootImage::parse(&file).unwrap(), &BootInputs::default()).unwrap();
    assert_eq!(machine.mem.slice(0x20_0000, 2).unwrap(), [7, 0]);
    assert!(machine.mem.slice(0x20_0001, 0x2fff).unwrap().iter().all(|byte| *byte == 0));
}

#[test]
fn what_does_not_fit_is_named() {
    let file = multiboot_elf(Elf32, 0, &[0xf4]);
    let error = refused(2 * MIB, &file, &BootInputs::default());
    assert_eq!(
        error.to_string(),
        "LOAD segment 1 (program header at offset 0x54): physical addresses 0x200000 to \
         0x203000 are outside RAM, which ends at 0x200000"
    );
    let big = BootModule { name: vec![], data: vec![0; 3 << 20] };
    let inputs = BootInputs { modules: vec![BootModule::default(), big], ..Default::default() };
    let error = refused(4 * MIB, &file, &inputs);
    assert_eq!(error, PlaceError::NoRoom { what: Placed::Module(1), bytes: 3 << 20 });
    let full = elf(Elf64, 4096, &[Part::load(4096, &[0xf4], 2 * MIB - 4096)]);
    let error = refused(2 * MIB, &full, &BootInputs::default());
    assert!(matches!(error, PlaceError::NoRoom { what: Placed::StartState, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing that is placed lies on anything else, and all lies in RAM.
    #[test]
    fn nothing_overlaps(
        at in prop::collection::vec((0u64..2048, 1u64..0x20_0000), 1..4),
        lens in prop::collection::vec(0usize..20_000, 0..4),
        ram in 1u64..12,
    ) {
        let parts: Vec<_> = at.iter().map(|(page, len)| Part::load(page << 12, &[0xf4], *len)).collect();
        let file = elf(Elf64, at[0].0 << 12, &parts);
        let image = BootImage::parse(&file).unwrap();
        let modules = lens.iter().map(|len| BootModule { name: vec![b'm'], data: vec![1; *len] });
        let inputs = BootInputs { modules: modules.collect(), ..Default::default() };
        let mut machine = machine(ram * MIB);
        let Ok(layout) = start(&mut machine, &image, &inputs) else { return Ok(()) };
        let state = machine.cpu(0).regs.control.gdtr.base;
        let mut spans = vec![(layout.info, 116), (state, 4096 + STACK_BYTES + 6 * 4096)];
        spans.extend(image.segments.iter().map(|segment| (segment.physical, segment.memory_bytes)));
        spans.extend(layout.modules.iter().zip(&lens).map(|(at, len)| (*at, *len as u64)));
        spans.retain(|span| span.1 != 0);
        spans.sort_unstable();
        for pair in spans.windows(2) {
            prop_assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{spans:x?}");
        }
        let last = spans.last().unwrap();
        prop_assert!(last.0 + last.1 <= ram * MIB);
    }
}
