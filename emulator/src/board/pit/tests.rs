//! The timer against the 8254 data sheet.

use super::*;
use crate::board::clock::CYCLES_PER_SECOND;

fn write(pit: &mut Pit, port: u16, values: &[u8], tick: u64) {
    for value in values {
        pit.write(port, *value, CLOCK.cycle_of(tick), &mut Notes::default());
    }
    pit.take_output(CLOCK.cycle_of(tick));
}

fn read_word(pit: &mut Pit, port: u16, tick: u64) -> u16 {
    let low = pit.read(port, CLOCK.cycle_of(tick));
    u16::from_le_bytes([low, pit.read(port, CLOCK.cycle_of(tick))])
}

fn rise(pit: &Pit) -> Option<u64> {
    pit.next_rise().map(|cycle| CLOCK.ticks_at(cycle))
}

#[test]
fn the_firmware_leaves_the_slowest_rate() {
    let pit = Pit::default();
    let seconds = pit.next_rise().map(|cycle| CYCLES_PER_SECOND / cycle);
    assert_eq!(seconds, Some(18));
}

#[test]
fn mode_0_rises_once() {
    let mut pit = Pit::default();
    write(&mut pit, 3, &[0x30], 100);
    assert_eq!(rise(&pit), None);
    write(&mut pit, 0, &[0xe8, 0x03], 100);
    assert_eq!(rise(&pit), Some(1101));
    assert_eq!(pit.take_output(CLOCK.cycle_of(1100)), Output::Same);
    assert_eq!(pit.take_output(CLOCK.cycle_of(1101)), Output::Rose);
    assert_eq!(rise(&pit), None);
    assert_eq!(read_word(&mut pit, 0, 1102), 0xffff);
}

#[test]
fn mode_2_divides() {
    let mut pit = Pit::default();
    write(&mut pit, 3, &[0x34], 0);
    write(&mut pit, 0, &[10, 0], 9);
    assert_eq!(rise(&pit), Some(20));
    assert_eq!(read_word(&mut pit, 0, 10), 10);
    assert_eq!(read_word(&mut pit, 0, 19), 1);
    assert_eq!(pit.take_output(CLOCK.cycle_of(20)), Output::Rose);
    assert_eq!(rise(&pit), Some(30));
    assert_eq!(pit.take_output(CLOCK.cycle_of(1_000_003)), Output::Rose);
    assert_eq!(rise(&pit), Some(1_000_010));
}

#[test]
fn a_new_rate_waits_for_the_end_of_the_period() {
    let mut pit = Pit::default();
    write(&mut pit, 3, &[0x34], 0);
    write(&mut pit, 0, &[100, 0], 0);
    write(&mut pit, 0, &[10, 0], 50);
    assert_eq!(rise(&pit), Some(101));
    assert_eq!(pit.take_output(CLOCK.cycle_of(101)), Output::Rose);
    assert_eq!(rise(&pit), Some(111));
}

#[test]
fn mode_3_is_a_square_wave() {
    let mut pit = Pit::default();
    pit.write_speaker(1, 0);
    for (count, high) in [(10, 5), (9, 5)] {
        write(&mut pit, 3, &[0xb6], 0);
        write(&mut pit, 2, &[count, 0], 0);
        let outs = (1..=u64::from(count)).map(|tick| pit.read_speaker(CLOCK.cycle_of(tick)) >> 5);
        let outs: Vec<u8> = outs.collect();
        assert_eq!(outs.iter().filter(|out| **out == 1).count(), high);
        assert!(outs.is_sorted_by(|a, b| a >= b));
    }
    write(&mut pit, 3, &[0xb6], 0);
    write(&mut pit, 2, &[8, 0], 0);
    let values: Vec<u16> = (1..9).map(|tick| read_word(&mut pit, 2, tick)).collect();
    assert_eq!(values, [8, 6, 4, 2, 8, 6, 4, 2]);
}

#[test]
fn the_gate_holds_counter_2() {
    let mut pit = Pit::default();
    write(&mut pit, 3, &[0xb0], 0);
    write(&mut pit, 2, &[100, 0], 0);
    assert_eq!(pit.read_speaker(CLOCK.cycle_of(5000)) & 0x20, 0);
    pit.write_speaker(1, CLOCK.cycle_of(1000));
    assert_eq!(pit.read_speaker(CLOCK.cycle_of(1099)) & 0x21, 1);
    assert_eq!(pit.read_speaker(CLOCK.cycle_of(1100)) & 0x21, 0x21);
}

#[test]
fn mode_1_is_started_by_the_gate() {
    let mut pit = Pit::default();
    write(&mut pit, 3, &[0xb2], 0);
    write(&mut pit, 2, &[4, 0], 0);
    assert_eq!(pit.read_speaker(CLOCK.cycle_of(100)) & 0x20, 0x20);
    pit.write_speaker(1, CLOCK.cycle_of(100));
    assert_eq!(pit.read_speaker(CLOCK.cycle_of(103)) & 0x20, 0);
    assert_eq!(pit.read_speaker(CLOCK.cycle_of(104)) & 0x20, 0x20);
}

#[test]
fn latches_hold_until_read() {
    let mut pit = Pit::default();
    write(&mut pit, 3, &[0x34], 0);
    write(&mut pit, 0, &[0, 1], 0);
    write(&mut pit, 3, &[0x00], 7);
    assert_eq!(read_word(&mut pit, 0, 200), 250);
    assert_eq!(read_word(&mut pit, 0, 201), 56);
    write(&mut pit, 3, &[0xc2], 11);
    assert_eq!(pit.read(0, CLOCK.cycle_of(300)), 0xb4, "status first");
    assert_eq!(read_word(&mut pit, 0, 300), 246);
}

#[test]
fn low_bytes_alone() {
    let mut pit = Pit::default();
    write(&mut pit, 3, &[0x14], 0);
    write(&mut pit, 0, &[20], 0);
    assert_eq!(rise(&pit), Some(21));
    assert_eq!(pit.read(0, CLOCK.cycle_of(2)), 19);
    assert_eq!(pit.read(0, CLOCK.cycle_of(3)), 18);
}

#[test]
fn bcd_is_named() {
    let mut notes = Notes::default();
    Pit::default().write(3, 0x35, 0, &mut notes);
    assert_eq!(notes.take().len(), 1);
}
