//! The serial port against its data sheet.

use super::*;

const RBR: u16 = 0;
const THR: u16 = 0;
const IER: u16 = 1;
const IIR: u16 = 2;
const FCR: u16 = 2;
const LCR: u16 = 3;
const MCR: u16 = 4;
const LSR: u16 = 5;
const MSR: u16 = 6;
const SCR: u16 = 7;

#[test]
fn polled_output() {
    let mut uart = Uart::default();
    for byte in *b"ok" {
        assert_eq!(uart.read(LSR) & 0x60, 0x60);
        uart.write(THR, byte);
    }
    assert_eq!(uart.take_sent(), b"ok");
    assert!(uart.take_sent().is_empty());
}

#[test]
fn dlab_hides_data_and_ier() {
    let mut uart = Uart::default();
    uart.write(IER, 0x0f);
    uart.write(LCR, 0x83);
    uart.write(0, 0x01);
    uart.write(1, 0x02);
    assert_eq!((uart.read(0), uart.read(1), uart.read(LCR)), (1, 2, 0x83));
    uart.write(LCR, 0x03);
    assert_eq!(uart.read(IER), 0x0f);
    assert!(uart.take_sent().is_empty());
    uart.write(SCR, 0xa5);
    assert_eq!(uart.read(SCR), 0xa5);
}

#[test]
fn the_transmitter_interrupts_once_for_each_time_it_becomes_empty() {
    let mut uart = Uart::default();
    uart.write(IER, 2);
    assert!(uart.interrupts());
    assert_eq!(uart.read(IIR), 0x02);
    assert!(!uart.interrupts());
    assert_eq!(uart.read(IIR), 0x01);
    uart.write(THR, b'x');
    assert!(uart.interrupts() && uart.take_dip());
    uart.write(MCR, 0);
    assert!(!uart.interrupts(), "OUT2 gates the line");
}

#[test]
fn without_fifo_one_byte_is_ready_at_a_time() {
    let mut uart = Uart::default();
    uart.write(IER, 1);
    uart.feed(b"ab");
    assert_eq!(uart.read(LSR) & 1, 1);
    assert_eq!(uart.read(IIR), 0x04);
    assert_eq!(uart.read(RBR), b'a');
    assert!(uart.take_dip() && uart.interrupts(), "a new edge for the second byte");
    assert_eq!(uart.read(RBR), b'b');
    assert_eq!(uart.read(LSR) & 1, 0);
    assert!(!uart.interrupts());
}

#[test]
fn the_fifo_interrupts_at_its_trigger_and_by_timeout() {
    let mut uart = Uart::default();
    uart.write(FCR, 0x41);
    uart.write(IER, 1);
    uart.feed(b"123");
    assert_eq!(uart.read(IIR), 0xcc);
    uart.feed(b"4");
    assert_eq!(uart.read(IIR), 0xc4);
    uart.write(FCR, 0x43);
    assert_eq!(uart.read(IIR), 0xc1);
    assert_eq!(uart.read(LSR) & 1, 0);
}

#[test]
fn the_loop_returns_data_and_modem_lines() {
    let mut uart = Uart::default();
    uart.write(MCR, 0x1e);
    uart.read(MSR);
    uart.write(THR, 0xae);
    assert_eq!(uart.read(RBR), 0xae);
    assert!(uart.take_sent().is_empty());
    assert_eq!(uart.read(MSR), 0xd0);
    uart.write(MCR, 0x10);
    assert_eq!(uart.read(MSR), 0x0d, "CTS and DCD changed, RI ended");
    assert_eq!(uart.read(MSR), 0x00);
}

#[test]
fn a_looped_byte_too_many_is_an_overrun() {
    let mut uart = Uart::default();
    uart.write(MCR, 0x10);
    uart.write(IER, 4);
    uart.write(THR, 1);
    uart.write(THR, 2);
    assert_eq!(uart.read(IIR), 0x06);
    assert_eq!(uart.read(LSR) & 3, 3);
    assert_eq!(uart.read(LSR) & 3, 1);
    assert_eq!(uart.read(RBR), 1);
}
