//! The board as a processor and the machine's owner see it.

mod fuzz;

use super::*;
use crate::bus::{Bus, BusCycle};

const APIC: u64 = 0xfee0_0000;
const IOAPIC: u64 = 0xfec0_0000;

fn board(nr_cpus: usize) -> Board {
    Board::new(&BoardConfig { nr_cpus, ..BoardConfig::default() })
}

fn at(cpu: usize, cycles: u64) -> BusCycle {
    BusCycle { cpu, cycles }
}

fn outb(board: &mut Board, port: u16, value: u8) {
    board.write_port(at(0, 0), port, 1, u32::from(value));
}

fn inb(board: &mut Board, port: u16) -> u8 {
    board.read_port(at(0, 0), port, 1) as u8
}

fn write_apic(board: &mut Board, cpu: usize, offset: u64, value: u32) {
    board.write_memory(at(cpu, 0), APIC + offset, &value.to_le_bytes());
}

fn read_word(board: &mut Board, cpu: usize, address: u64) -> u32 {
    let mut bytes = [0; 4];
    board.read_memory(at(cpu, 0), address, &mut bytes);
    u32::from_le_bytes(bytes)
}

fn write_ioapic(board: &mut Board, index: u32, value: u32) {
    board.write_memory(at(0, 0), IOAPIC, &index.to_le_bytes());
    board.write_memory(at(0, 0), IOAPIC + 0x10, &value.to_le_bytes());
}

fn enable_apics(board: &mut Board) {
    for cpu in 0..board.interrupts.nr_cpus() {
        write_apic(board, cpu, 0xf0, 0x1ff);
    }
}

/// 8259s with vectors from 0x20, these inputs of the first open.
fn set_up_pics(board: &mut Board, mask: u8) {
    for (port, values) in [(0x20, [0x20, 4, 1, mask]), (0xa0, [0x28, 2, 1, 0xff])] {
        outb(board, port, 0x11);
        for value in values {
            outb(board, port + 1, value);
        }
    }
}

fn names(board: &mut Board) -> Vec<String> {
    board.take_unmodelled().iter().map(ToString::to_string).collect()
}

#[test]
fn the_memory_knows_its_board() {
    let mut mem = PhysMem::new(1 << 20);
    assert!(Board::of(&mut mem).is_none());
    board(1).install(&mut mem);
    assert!(Board::of(&mut mem).is_some());
    assert_eq!(mem.slice(0xe0000, 8), Some(&b"RSD PTR "[..]));
}

#[test]
fn a_fresh_board_is_quiet() {
    let mut board = board(2);
    assert_eq!((board.next_event(), board.ending(), board.take_changed()), (None, None, false));
    board.advance(u64::MAX);
    assert!(!board.has_interrupt(0) && board.take_signals().is_empty());
    assert_eq!(board.next_event(), None);
}

#[test]
fn ways_to_end() {
    type Writes = &'static [(u16, u8, u32)];
    let rows: [(Writes, BoardEnding); 8] = [
        (&[(0xf4, 4, 0x1234)], BoardEnding::DebugExit(0x1234)),
        (&[(0xf4, 1, 0)], BoardEnding::DebugExit(0)),
        (&[(0x64, 1, 0xfe)], BoardEnding::Reset),
        (&[(0xcf9, 1, 0x06)], BoardEnding::Reset),
        (&[(0x92, 1, 0x03)], BoardEnding::Reset),
        (&[(0x604, 2, 0x2000)], BoardEnding::PowerOff),
        (&[(0xf4, 4, 7), (0x64, 1, 0xfe)], BoardEnding::DebugExit(7)),
        (
            &[
                (0x8900, 1, b'S' as u32),
                (0x8900, 1, b'h' as u32),
                (0x8900, 1, b'u' as u32),
                (0x8900, 1, b't' as u32),
                (0x8900, 1, b'd' as u32),
                (0x8900, 1, b'o' as u32),
                (0x8900, 1, b'w' as u32),
                (0x8900, 1, b'n' as u32),
            ],
            BoardEnding::PowerOff,
        ),
    ];
    for (writes, ending) in rows {
        let mut board = board(1);
        for (port, size, value) in writes {
            assert!(board.ending().is_none() || writes.len() == 2);
            board.write_port(at(0, 0), *port, *size, *value);
        }
        assert_eq!((board.ending(), board.take_changed()), (Some(ending), true));
        assert!(names(&mut board).is_empty());
    }
}

#[test]
fn what_is_absent_is_named_once_and_reads_as_ones() {
    let mut board = board(1);
    for _ in 0..2 {
        outb(&mut board, 0x3f2, 0);
        assert_eq!(board.read_port(at(0, 0), 0x1f0, 2), 0xffff);
        assert_eq!(read_word(&mut board, 0, 0xfed0_0010), u32::MAX);
        outb(&mut board, 0x80, 1);
        board.write_port(at(0, 0), 0xcf8, 4, 0x8000_0000);
        assert_eq!(board.read_port(at(0, 0), 0xcfc, 4), u32::MAX);
    }
    let named = names(&mut board);
    let expected =
        ["port 0x3f2: write of 1 byte", "port 0x1f0: read of 2 bytes", "memory 0xfed00000: read"];
    assert_eq!(named, expected);
}

#[test]
fn start_up_of_a_debug_image() {
    let mut board = board(1);
    assert_eq!(read_word(&mut board, 0, APIC + 0x20), 0);
    board.write_port(at(0, 0), 0x510, 2, 5);
    assert_eq!((inb(&mut board, 0x511), inb(&mut board, 0x511)), (1, 0));
    for (port, value) in [(0x21, 0xff), (0xa1, 0xff), (0x3f9, 0), (0x3fb, 0x80), (0x3f8, 1)] {
        outb(&mut board, port, value);
    }
    for (port, value) in [(0x3f9, 0), (0x3fb, 3), (0x3fa, 7), (0x3fc, 3), (0x3f8, b'!')] {
        outb(&mut board, port, value);
    }
    assert_eq!(inb(&mut board, 0x3fd), 0x60);
    assert_eq!(board.take_serial_output(), b"!");
    let off = 0xfee0_0100;
    assert_eq!(board.write_msr(at(0, 0), 0x1b, off), Some(Ok(())));
    assert!(!board.has_local_apic(0));
    assert_eq!(read_word(&mut board, 0, APIC + 0x30), u32::MAX);
    assert_eq!(board.write_msr(at(0, 0), 0x1b, off | 0x800), Some(Ok(())));
    enable_apics(&mut board);
    write_apic(&mut board, 0, 0x300, 0xc_4500);
    write_apic(&mut board, 0, 0x300, 0xc_4600);
    assert_eq!(read_word(&mut board, 0, APIC + 0x300) & 0x1000, 0);
    assert!(board.take_signals().is_empty(), "nobody but the sender");
    assert_eq!(board.write_msr(at(0, 0), 0x1b, off | 0xc00), Some(Ok(())));
    assert_eq!(board.write_msr(at(0, 0), 0x80f, 0x1ff), Some(Ok(())));
    assert_eq!(board.read_msr(at(0, 0), 0x10), None);
    assert!(names(&mut board).is_empty());
}

#[test]
fn processors_are_started() {
    let mut board = board(3);
    write_apic(&mut board, 0, 0x300, 0xc_4500);
    write_apic(&mut board, 0, 0x310, 0x0200_0000);
    write_apic(&mut board, 0, 0x300, 0x4608);
    assert!(board.take_changed());
    let signals = [(1, CpuMessage::Init), (2, CpuMessage::Init), (2, CpuMessage::Startup(8))];
    assert_eq!(board.take_signals(), signals);
    write_apic(&mut board, 2, 0x310, 0);
    write_apic(&mut board, 2, 0x300, 0x4400);
    assert_eq!(board.take_signals(), [(0, CpuMessage::Nmi)]);
}

#[test]
fn a_message_raises_the_line_of_another() {
    let mut board = board(2);
    enable_apics(&mut board);
    board.take_changed();
    write_apic(&mut board, 0, 0x310, 0x0100_0000);
    write_apic(&mut board, 0, 0x300, 0x4040);
    assert!(board.take_changed() && board.has_interrupt(1) && !board.has_interrupt(0));
    write_apic(&mut board, 1, 0x80, 0x40);
    assert!(!board.has_interrupt(1) && !board.take_changed(), "its own line");
    assert_eq!((board.task_priority(1), board.acknowledge(at(1, 0))), (4, None));
    board.set_task_priority(at(1, 0), 3);
    assert_eq!(board.acknowledge(at(1, 0)), Some(0x40));
    assert_eq!(read_word(&mut board, 1, APIC + 0x120), 1);
}

#[test]
fn the_lowest_priority_is_chosen() {
    let mut board = board(3);
    enable_apics(&mut board);
    for (cpu, tpr) in [(0, 0x40), (1, 0x20), (2, 0x20)] {
        write_apic(&mut board, cpu, 0x80, tpr);
    }
    write_apic(&mut board, 0, 0x300, 0x8_4150);
    let waiting: Vec<_> = (0..3).filter(|cpu| board.has_interrupt(*cpu)).collect();
    assert_eq!(waiting, [1]);
}

#[test]
fn the_timer_interrupts_through_the_8259() {
    let mut board = board(2);
    set_up_pics(&mut board, 0xfe);
    outb(&mut board, 0x43, 0x34);
    outb(&mut board, 0x40, 0xa9);
    outb(&mut board, 0x40, 0x04);
    assert!(board.take_changed());
    let first = board.next_event().expect("IRQ 0 is open");
    board.advance(first - 1);
    assert!(!board.has_interrupt(0));
    board.advance(first);
    assert!(board.has_interrupt(0) && !board.has_interrupt(1));
    assert_eq!(board.acknowledge(at(0, first)), Some(0x20));
    let second = board.next_event().expect("it is periodic");
    assert!((2_990_000..3_010_000).contains(&(second - first)), "1 kHz");
    board.advance(second);
    assert!(!board.has_interrupt(0), "IRQ 0 is in service");
    outb(&mut board, 0x20, 0x20);
    assert!(board.has_interrupt(0));
    write_apic(&mut board, 0, 0x350, 0x1_0700);
    assert!(!board.has_interrupt(0), "LINT0 is masked");
    assert_eq!(board.write_msr(at(0, second), 0x1b, 0xfee0_0100), Some(Ok(())));
    assert!(board.has_interrupt(0), "without the APIC it is INTR");
}

#[test]
fn masked_ticks_are_remembered() {
    let mut board = board(1);
    set_up_pics(&mut board, 0xff);
    assert_eq!(board.next_event(), None);
    let later = at(0, CYCLES_PER_SECOND);
    assert_eq!(board.read_port(later, 0x20, 1), 1);
    board.write_port(later, 0x21, 1, 0xfe);
    assert!(board.has_interrupt(0) && board.next_event().is_some());
}

#[test]
fn the_timer_interrupts_through_the_io_apic() {
    let mut board = board(2);
    enable_apics(&mut board);
    write_ioapic(&mut board, 0x15, 0x0100_0000);
    write_ioapic(&mut board, 0x14, 0x30);
    let tick = board.next_event().expect("input 2 is open");
    board.advance(tick);
    assert_eq!((board.has_interrupt(0), board.acknowledge(at(1, tick))), (false, Some(0x30)));
    assert!(board.next_event().is_some_and(|next| next > tick));
}

#[test]
fn a_level_comes_again_after_its_end() {
    let mut board = board(1);
    enable_apics(&mut board);
    write_ioapic(&mut board, 0x22, 0x8031);
    board.write_port(at(0, 0), 0x2009, 1, 1);
    assert_eq!(board.acknowledge(at(0, 0)), Some(0x31));
    write_apic(&mut board, 0, 0xb0, 0);
    assert_eq!(board.acknowledge(at(0, 0)), Some(0x31));
    board.write_port(at(0, 0), 0x2009, 1, 0);
    write_apic(&mut board, 0, 0xb0, 0);
    assert_eq!(board.acknowledge(at(0, 0)), None);
}

#[test]
fn the_serial_port_interrupts() {
    let mut board = board(1);
    set_up_pics(&mut board, 0xef);
    outb(&mut board, 0x3fc, 0x0b);
    outb(&mut board, 0x3f9, 0x03);
    for byte in *b"xy" {
        assert_eq!(board.acknowledge(at(0, 0)), Some(0x24));
        assert_eq!(inb(&mut board, 0x3fa), 0x02);
        outb(&mut board, 0x20, 0x20);
        outb(&mut board, 0x3f8, byte);
    }
    assert_eq!(inb(&mut board, 0x3fa), 0x02);
    board.acknowledge(at(0, 0));
    outb(&mut board, 0x20, 0x20);
    assert!(!board.has_interrupt(0));
    board.feed_serial(b"in");
    for byte in *b"in" {
        assert_eq!(board.acknowledge(at(0, 0)), Some(0x24));
        assert_eq!(inb(&mut board, 0x3f8), byte);
        outb(&mut board, 0x20, 0x20);
    }
    assert!(!board.has_interrupt(0));
    assert_eq!(board.take_serial_output(), b"xy");
}

#[test]
fn the_page_of_the_apic_moves() {
    let mut board = board(1);
    assert_eq!(board.write_msr(at(0, 0), 0x1b, 0xfed4_0900), Some(Ok(())));
    assert_eq!(read_word(&mut board, 0, 0xfed4_0030), 0x0005_0014);
    assert_eq!(read_word(&mut board, 0, APIC + 0x30), u32::MAX);
    assert!(names(&mut board).is_empty());
    assert_eq!(board.write_msr(at(0, 0), 0x1b, 0x10_0900), Some(Ok(())));
    assert_eq!(names(&mut board), ["local APIC: registers where RAM is"]);
}

#[test]
fn lint0_as_nmi_is_the_old_watchdog() {
    let mut board = board(1);
    write_apic(&mut board, 0, 0x350, 0x400);
    set_up_pics(&mut board, 0xfe);
    let tick = board.next_event().expect("IRQ 0 is open");
    board.advance(tick);
    assert_eq!((board.take_signals(), board.has_interrupt(0)), (vec![(0, CpuMessage::Nmi)], false));
}

#[test]
fn deadlines_of_the_tsc() {
    let mut board = board(1);
    write_apic(&mut board, 0, 0x320, 0x4_0041);
    assert_eq!(board.write_msr(at(0, 10), 0x6e0, 1000), Some(Ok(())));
    assert_eq!((board.next_event(), board.take_changed()), (Some(1000), true));
    assert_eq!(board.read_msr(at(0, 999), 0x6e0), Some(Ok(1000)));
    board.advance(1000);
    assert_eq!(board.read_msr(at(0, 1000), 0x6e0), Some(Ok(0)));
    assert_eq!(board.acknowledge(at(0, 1000)), Some(0x41));
    write_apic(&mut board, 0, 0xb0, 0);
    assert_eq!(board.write_msr(at(0, 2000), 0x6e0, 1500), Some(Ok(())));
    assert!(board.has_interrupt(0), "a deadline in the past");
}
