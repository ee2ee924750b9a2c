//! The interrupt controllers against the 8259A data sheet.

use super::Half::{First, Second};
use super::Port::{Command, Data};
use super::*;

/// The pair with vectors from 0x20 and 0x28, nothing masked.
fn pics(icw4: u8) -> Pics {
    let mut pics = Pics::default();
    for (half, base, icw3) in [(First, 0x20, 4), (Second, 0x28, 2)] {
        write(&mut pics, half, Command, 0x11);
        for value in [base, icw3, icw4, 0] {
            write(&mut pics, half, Data, value);
        }
    }
    pics
}

fn write(pics: &mut Pics, half: Half, port: Port, value: u8) {
    pics.write(half, port, value, &mut Notes::default());
}

fn pulse(pics: &mut Pics, irq: u8) {
    pics.set_line(irq, false);
    pics.set_line(irq, true);
}

#[test]
fn the_firmware_leaves_all_masked() {
    let mut pics = Pics::default();
    pulse(&mut pics, 0);
    assert!(!pics.output() && !pics.is_unmasked(0));
    assert_eq!(pics.read(First, Data), 0xff);
    assert_eq!(pics.read(First, Command), 1);
    write(&mut pics, First, Data, 0xfe);
    assert!(pics.output());
    assert_eq!(pics.acknowledge(), 0x08);
}

#[test]
fn a_higher_priority_interrupts_a_lower_one() {
    let mut pics = pics(1);
    pulse(&mut pics, 4);
    assert_eq!(pics.acknowledge(), 0x24);
    pulse(&mut pics, 6);
    assert!(!pics.output());
    pulse(&mut pics, 1);
    assert_eq!(pics.acknowledge(), 0x21);
    write(&mut pics, First, Command, 0x0b);
    assert_eq!(pics.read(First, Command), 0x12);
    write(&mut pics, First, Command, 0x20);
    assert_eq!(pics.read(First, Command), 0x10, "the highest in service ended");
    write(&mut pics, First, Command, 0x64);
    assert_eq!(pics.acknowledge(), 0x26);
}

#[test]
fn the_second_chip_comes_through_input_2() {
    let mut pics = pics(1);
    pulse(&mut pics, 12);
    assert_eq!(pics.acknowledge(), 0x2c);
    pulse(&mut pics, 3);
    assert!(!pics.output(), "input 2 of the first chip is in service");
    write(&mut pics, Second, Command, 0x20);
    write(&mut pics, First, Command, 0x20);
    assert_eq!(pics.acknowledge(), 0x23);
}

#[test]
fn automatic_end_of_interrupt() {
    let mut pics = pics(3);
    pulse(&mut pics, 5);
    assert_eq!(pics.acknowledge(), 0x25);
    write(&mut pics, First, Command, 0x0b);
    assert_eq!(pics.read(First, Command), 0);
    pulse(&mut pics, 6);
    assert!(pics.output());
}

#[test]
fn a_request_that_vanished_is_spurious() {
    let mut pics = pics(1);
    pulse(&mut pics, 4);
    pics.set_line(4, false);
    assert!(!pics.output());
    assert_eq!(pics.acknowledge(), 0x27);
    write(&mut pics, First, Command, 0x0b);
    assert_eq!(pics.read(First, Command), 0, "nothing in service");
}

#[test]
fn a_level_asks_again_after_the_end() {
    let mut pics = pics(1);
    pics.set_elcr(Second, 0xff);
    assert_eq!(pics.elcr(Second), 0xde);
    pics.set_line(10, true);
    assert_eq!(pics.acknowledge(), 0x2a);
    write(&mut pics, Second, Command, 0x20);
    write(&mut pics, First, Command, 0x20);
    assert!(pics.output());
    pics.set_line(10, false);
    assert!(!pics.output());
}

#[test]
fn an_edge_asks_once() {
    let mut pics = pics(1);
    pulse(&mut pics, 4);
    assert_eq!(pics.acknowledge(), 0x24);
    write(&mut pics, First, Command, 0x20);
    pics.set_line(4, true);
    assert!(!pics.output());
    pulse(&mut pics, 4);
    assert!(pics.output());
}

#[test]
fn rotation_makes_the_served_input_the_lowest() {
    let mut pics = pics(1);
    pulse(&mut pics, 3);
    assert_eq!(pics.acknowledge(), 0x23);
    write(&mut pics, First, Command, 0xa0);
    pulse(&mut pics, 3);
    pulse(&mut pics, 7);
    assert_eq!(pics.acknowledge(), 0x27);
    write(&mut pics, First, Command, 0xc6);
    pulse(&mut pics, 1);
    assert!(!pics.output(), "input 7 is the highest now");
}

#[test]
fn polling_acknowledges() {
    let mut pics = pics(1);
    pulse(&mut pics, 6);
    write(&mut pics, First, Command, 0x0c);
    assert_eq!(pics.read(First, Command), 0x86);
    assert!(!pics.output());
    write(&mut pics, First, Command, 0x0c);
    assert_eq!(pics.read(First, Command), 0);
}

#[test]
fn the_special_mask_lets_lower_priorities_in() {
    let mut pics = pics(1);
    pulse(&mut pics, 2 + 1);
    assert_eq!(pics.acknowledge(), 0x23);
    pulse(&mut pics, 6);
    assert!(!pics.output());
    write(&mut pics, First, Data, 0x08);
    write(&mut pics, First, Command, 0x68);
    assert_eq!(pics.acknowledge(), 0x26);
}

#[test]
fn other_processors_modes_are_named() {
    let mut notes = Notes::default();
    let mut pics = Pics::default();
    pics.write(First, Command, 0x13, &mut notes);
    pics.write(First, Data, 0x40, &mut notes);
    pics.write(First, Data, 0x00, &mut notes);
    assert_eq!(notes.take().len(), 1);
}
