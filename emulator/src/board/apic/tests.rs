//! The local APIC against the Intel SDM.

use super::registers::number;
use super::*;
use crate::bus::MsrRefused;

const BSP_XAPIC: u64 = 0xfee0_0900;
const BSP_X2APIC: u64 = 0xfee0_0d00;

fn enabled() -> LocalApic {
    let mut apic = LocalApic::new(0);
    apic.write_page(number::SVR, 0x1ff, 0);
    apic
}

fn x2apic(id: u32) -> LocalApic {
    let mut apic = LocalApic::new(id);
    apic.write_base(apic.base().bits() | 0xc00).expect("xAPIC to x2APIC");
    apic
}

fn read(apic: &mut LocalApic, number: u32) -> u32 {
    apic.read_page(number, 0)
}

#[test]
fn state_after_reset() {
    let mut apic = LocalApic::new(3);
    let registers = [
        (number::ID, 0x0300_0000),
        (number::VERSION, 0x0005_0014),
        (number::TPR, 0),
        (number::LDR, 0),
        (number::DFR, 0xffff_ffff),
        (number::SVR, 0xff),
        (number::LVT_TIMER, 0x1_0000),
        (number::LVT_LINT0, 0x1_0000),
        (number::ICR, 0),
        (number::DIVIDE, 0),
    ];
    for (number, value) in registers {
        assert_eq!(read(&mut apic, number), value, "{number:#x}");
    }
    assert_eq!(apic.base().bits(), 0xfee0_0800);
    assert_eq!(LocalApic::new(0).base().bits(), BSP_XAPIC);
}

#[test]
fn priorities() {
    let mut apic = enabled();
    assert!(apic.accept(0x31, Trigger::Edge) && apic.accept(0x45, Trigger::Edge));
    apic.write_page(number::TPR, 0x45, 0);
    assert_eq!(apic.deliverable(), None, "the class of the TPR is as high");
    apic.write_page(number::TPR, 0x3f, 0);
    assert_eq!(apic.acknowledge(), Some(0x45));
    assert_eq!((read(&mut apic, number::PPR), apic.deliverable()), (0x40, None));
    assert_eq!(read(&mut apic, number::ISR + 2), 1 << 5);
    assert!(apic.accept(0x4f, Trigger::Edge) && apic.accept(0x50, Trigger::Edge));
    assert_eq!(apic.acknowledge(), Some(0x50), "a higher class interrupts");
    apic.write_page(number::EOI, 0, 0);
    apic.write_page(number::EOI, 0, 0);
    assert_eq!((read(&mut apic, number::PPR), apic.acknowledge()), (0x3f, Some(0x4f)));
    apic.write_page(number::EOI, 0, 0);
    apic.write_page(number::TPR, 0, 0);
    assert_eq!((read(&mut apic, number::PPR), apic.acknowledge()), (0, Some(0x31)));
}

#[test]
fn only_levels_are_broadcast_at_the_end() {
    let mut apic = enabled();
    for (trigger, effect) in
        [(Trigger::Level, Effect::Ended(0x51)), (Trigger::Edge, Effect::Nothing)]
    {
        apic.accept(0x51, trigger);
        let shown = if trigger == Trigger::Level { 1 << 17 } else { 0 };
        assert_eq!(read(&mut apic, number::TMR + 2), shown);
        apic.acknowledge();
        assert_eq!(apic.write_page(number::EOI, 0, 0), effect);
    }
    assert_eq!(apic.write_page(number::EOI, 0, 0), Effect::Nothing);
}

#[test]
fn software_disabling_masks_and_keeps() {
    let mut apic = enabled();
    apic.write_page(number::LVT_TIMER, 0x30, 0);
    apic.accept(0x60, Trigger::Edge);
    apic.write_page(number::SVR, 0xff, 0);
    assert_eq!(read(&mut apic, number::LVT_TIMER), 0x1_0030);
    apic.write_page(number::LVT_TIMER, 0x30, 0);
    assert_eq!(read(&mut apic, number::LVT_TIMER), 0x1_0030);
    assert!(!apic.accept(0x61, Trigger::Edge));
    assert_eq!(apic.deliverable(), Some(0x60));
}

#[test]
fn errors_show_after_a_write_to_esr() {
    let mut apic = enabled();
    apic.write_page(number::LVT_ERROR, 0x33, 0);
    assert_eq!(apic.write_page(number::ICR, 0x0f, 0), Effect::Nothing);
    read(&mut apic, 0x04);
    assert!(!apic.accept(3, Trigger::Edge));
    assert_eq!(read(&mut apic, number::ESR), 0);
    apic.write_page(number::ESR, 0, 0);
    assert_eq!(read(&mut apic, number::ESR), 0xe0);
    apic.write_page(number::ESR, 0, 0);
    assert_eq!(read(&mut apic, number::ESR), 0);
    assert_eq!(apic.deliverable(), Some(0x33));
}

#[test]
fn messages() {
    let mut apic = enabled();
    apic.write_page(number::ICR_HIGH, 0x0200_0000, 0);
    let message = Message {
        vector: 0x77,
        delivery: Delivery::Fixed,
        destination: Destination::Physical(2),
        trigger: Trigger::Edge,
    };
    assert_eq!(apic.write_page(number::ICR, 0x5077, 0), Effect::Send(message, Whom::Addressed));
    assert_eq!(read(&mut apic, number::ICR), 0x4077, "the delivery status is idle");
    assert_eq!(read(&mut apic, number::ICR_HIGH), 0x0200_0000);
}

#[test]
fn logical_destinations() {
    let mut apic = enabled();
    apic.write_page(number::LDR, 0x2200_0000, 0);
    let is = |apic: &LocalApic, to| apic.is_addressed(Destination::Logical(to));
    assert!(is(&apic, 0x02) && is(&apic, 0xff) && !is(&apic, 0x11) && !is(&apic, 0x100));
    apic.write_page(number::DFR, 0x0fff_ffff, 0);
    assert!(is(&apic, 0x23) && is(&apic, 0xf2) && !is(&apic, 0x21) && !is(&apic, 0x12));
    let apic = x2apic(0x23);
    assert!(is(&apic, 0x0002_0008) && !is(&apic, 0x0002_0004) && !is(&apic, 0x0001_0008));
    assert!(apic.is_addressed(Destination::Physical(0x23)));
}

#[test]
fn the_state_machine_of_the_base_register() {
    const X: u64 = BSP_XAPIC;
    const X2: u64 = BSP_X2APIC;
    const OFF: u64 = BSP_XAPIC & !0x800;
    const IMPOSSIBLE: u64 = X2 & !0x800;
    // From, to, whether allowed.
    let rows = [
        (X, X, true),
        (X, X2, true),
        (X, OFF, true),
        (X, IMPOSSIBLE, false),
        (X2, X2, true),
        (X2, X, false),
        (X2, OFF, true),
        (X2, IMPOSSIBLE, false),
        (OFF, X, true),
        (OFF, X2, false),
        (OFF, IMPOSSIBLE, false),
        (X, X | 1, false),
        (X, X | 1 << 9, false),
        (X, X | 1 << 46, false),
        (X, X | 1 << 45, true),
    ];
    for (from, to, allowed) in rows {
        let mut apic = LocalApic::new(0);
        apic.write_base(from).expect("the first step is legal");
        assert_eq!(apic.write_base(to).is_ok(), allowed, "{from:#x} to {to:#x}");
        let is = if allowed { to } else { from };
        assert_eq!(apic.base().bits(), is);
    }
}

#[test]
fn disabling_resets() {
    let mut apic = enabled();
    apic.write_page(number::TPR, 0x20, 0);
    apic.accept(0x44, Trigger::Edge);
    apic.write_base(BSP_XAPIC & !0x800).expect("legal");
    assert!(apic.passes_external() && apic.deliverable().is_none());
    apic.write_base(BSP_XAPIC).expect("legal");
    assert_eq!((read(&mut apic, number::SVR), read(&mut apic, number::TPR)), (0xff, 0));
    assert_eq!(read(&mut apic, number::IRR + 2), 0);
    assert!(!apic.passes_external(), "LINT0 is masked");
}

#[test]
fn init_keeps_identity_and_mode() {
    let mut apic = x2apic(5);
    apic.write_x2apic(0x80f, 0x1ff, 0).expect("SVR");
    apic.init();
    assert_eq!(apic.base().mode(), Mode::X2Apic);
    assert_eq!((apic.read_x2apic(0x802, 0), apic.read_x2apic(0x80f, 0)), (Ok(5), Ok(0xff)));
}

#[test]
fn x2apic_registers_exist_or_are_refused() {
    const READABLE: [u32; 18] = [
        0x02, 0x03, 0x08, 0x0a, 0x0d, 0x0f, 0x10, 0x27, 0x28, 0x30, 0x32, 0x33, 0x34, 0x35, 0x36,
        0x37, 0x38, 0x39,
    ];
    const WRITABLE: [u32; 15] =
        [0x08, 0x0b, 0x0f, 0x28, 0x30, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x3e, 0x3f, 0x3f];
    for register in 0..0x100 {
        let msr = FIRST_X2APIC_MSR + register;
        let mut apic = x2apic(0);
        let readable = READABLE.contains(&register)
            || (0x10..0x28).contains(&register)
            || register == number::DIVIDE;
        assert_eq!(apic.read_x2apic(msr, 0).is_ok(), readable, "{register:#x}");
        let writes = apic.write_x2apic(msr, 0, 0).is_ok();
        assert_eq!(writes, WRITABLE.contains(&register), "{register:#x}");
        let high = apic.write_x2apic(msr, 1 << 32, 0).is_ok();
        assert_eq!(high, register == number::ICR, "{register:#x}");
        let mut apic = enabled();
        assert_eq!(apic.read_x2apic(msr, 0), Err(MsrRefused));
        assert_eq!(apic.write_x2apic(msr, 0, 0), Err(MsrRefused));
    }
}

#[test]
fn x2apic_reserved_bits() {
    let rows = [
        (0x80b, 1u64),
        (0x828, 1),
        (0x808, 0x100),
        (0x80f, 0x1000),
        (0x830, 0x1000),
        (0x830, 0x2000),
        (0x832, 0x8_0000),
        (0x832, 0x100),
        (0x835, 0x2_0000),
        (0x83e, 4),
        (0x83f, 0x100),
    ];
    for (msr, value) in rows {
        assert_eq!(x2apic(0).write_x2apic(msr, value, 0), Err(MsrRefused), "{msr:#x}");
    }
}

#[test]
fn x2apic_messages() {
    let mut apic = x2apic(0);
    let to = |apic: &mut LocalApic, msr, value| match apic.write_x2apic(msr, value, 0) {
        Ok(Effect::Send(message, whom)) => Some((message.vector, message.destination, whom)),
        _ => None,
    };
    let addressed = Whom::Addressed;
    let physical = Destination::Physical(0x123);
    assert_eq!(to(&mut apic, 0x830, 0x123_0000_0040), Some((0x40, physical, addressed)));
    assert_eq!(apic.read_x2apic(0x830, 0), Ok(0x123_0000_0040));
    let all = Some((0x40, Destination::All, addressed));
    assert_eq!(to(&mut apic, 0x830, 0xffff_ffff_0000_0040), all);
    assert_eq!(to(&mut apic, 0x830, 0xffff_ffff_0000_0840), all);
    assert_eq!(to(&mut apic, 0x83f, 0x41), Some((0x41, Destination::All, Whom::Sender)));
    assert_eq!(to(&mut apic, 0x83f, 0x01), None);
    assert_eq!(apic.read_x2apic(0x80d, 0), Ok(1));
}

#[test]
fn the_timer_interrupts_unless_masked() {
    let mut apic = enabled();
    apic.write_page(number::DIVIDE, 0xb, 0);
    apic.write_page(number::LVT_TIMER, 0xee, 0);
    apic.write_page(number::INITIAL_COUNT, 1_000_000, 100);
    assert_eq!(apic.next_event(), Some(3_000_100));
    apic.advance(3_000_099);
    assert_eq!(apic.deliverable(), None);
    apic.advance(3_000_100);
    assert_eq!((apic.deliverable(), apic.next_event()), (Some(0xee), None));
    apic.acknowledge();
    apic.write_page(number::LVT_TIMER, 0x3_00ee, 0);
    apic.write_page(number::INITIAL_COUNT, 10, 0);
    assert_eq!(apic.next_event(), None);
    assert_eq!(apic.read_page(number::CURRENT_COUNT, 44), 6);
    assert_eq!(apic.deliverable(), None);
}

#[test]
fn local_sources() {
    let mut apic = enabled();
    for (entry, local) in [(0x700, Local::Done), (0x400, Local::Nmi), (0x1_0400, Local::Done)] {
        apic.write_page(number::LVT_LINT0, entry, 0);
        assert_eq!(apic.raise_local(Lvt::Lint0), local);
        assert_eq!(apic.passes_external(), entry == 0x700);
    }
    apic.write_page(number::LVT_LINT0, 0x39, 0);
    assert_eq!(apic.raise_local(Lvt::Lint0), Local::Done);
    assert_eq!(apic.deliverable(), Some(0x39));
}
