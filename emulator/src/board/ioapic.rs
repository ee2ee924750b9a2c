//! The I/O APIC at 0xfec00000: 24 inputs, each with an entry that says where it goes.
//!
//! It hands out [`Message`]s; [`super::interrupts`] delivers them. Sources: Intel 82093AA
//! data sheet; the EOI register is that of version 0x20 (ICH data sheets).

use super::apic::{Delivery, Destination, Message, Trigger};

/// Where its page begins.
pub(super) const BASE: u64 = 0xfec0_0000;
/// Number of inputs.
pub(super) const NR_PINS: usize = 24;
/// Version, and the number of the last entry.
const VERSION: u32 = 0x20 | (NR_PINS as u32 - 1) << 16;
/// Index of the first entry's lower half.
const FIRST_ENTRY: u8 = 0x10;
/// Everyone, as a physical destination.
const BROADCAST: u8 = 0xff;

mod entry {
    pub(super) const DELIVERY_SHIFT: u32 = 8;
    pub(super) const LOGICAL: u64 = 1 << 11;
    pub(super) const REMOTE_IRR: u64 = 1 << 14;
    pub(super) const LEVEL: u64 = 1 << 15;
    pub(super) const MASKED: u64 = 1 << 16;
    pub(super) const DESTINATION_SHIFT: u32 = 56;
    /// Vector, delivery and destination modes, polarity, trigger, mask, destination.
    pub(super) const WRITABLE: u64 = 0xff00_0000_0001_afff;
}

/// The registers in its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Register {
    Select,
    Window,
    Eoi,
}

/// What a write asks the owner to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Nothing.
    Nothing,
    /// To see whether this input has something to send.
    Look(usize),
    /// To end interrupts of this vector.
    End(u8),
}

#[derive(Clone, Copy, Debug)]
struct Pin {
    entry: u64,
    up: bool,
    /// A rising edge was not sent yet.
    edge: bool,
}

/// The registers.
#[derive(Debug)]
pub(super) struct IoApic {
    id: u32,
    select: u8,
    pins: [Pin; NR_PINS],
}

impl Default for IoApic {
    fn default() -> Self {
        let pin = Pin { entry: entry::MASKED, up: false, edge: false };
        Self { id: 0, select: 0, pins: [pin; NR_PINS] }
    }
}

impl IoApic {
    /// Reads the 32-bit register at an offset in the page.
    pub(super) fn read(&self, offset: u64) -> u32 {
        match register_at(offset) {
            Some(Register::Select) => u32::from(self.select),
            Some(Register::Window) => self.read_indexed(),
            Some(Register::Eoi) | None => 0,
        }
    }

    /// Writes the 32-bit register at an offset in the page.
    pub(super) fn write(&mut self, offset: u64, value: u32) -> Request {
        match register_at(offset) {
            Some(Register::Select) => self.select = value as u8,
            Some(Register::Window) => return self.write_indexed(value),
            Some(Register::Eoi) => return Request::End(value as u8),
            None => {}
        }
        Request::Nothing
    }

    /// Sets an input.
    pub(super) fn set_line(&mut self, pin: usize, up: bool) {
        let Some(pin) = self.pins.get_mut(pin) else { return };
        let rises = up && !pin.up;
        pin.up = up;
        // An edge at a masked input is lost.
        pin.edge |= rises && pin.entry & entry::MASKED == 0 && !pin.is_level();
    }

    /// What an input has to send now.
    pub(super) fn message(&self, pin: usize) -> Option<Message> {
        let pin = self.pins.get(pin)?;
        if pin.entry & entry::MASKED != 0 {
            return None;
        }
        let level = pin.is_level();
        let due = if level { pin.up && pin.entry & entry::REMOTE_IRR == 0 } else { pin.edge };
        due.then(|| pin.message(if level { Trigger::Level } else { Trigger::Edge }))
    }

    /// What [`Self::message`] gave was delivered.
    pub(super) fn sent(&mut self, pin: usize, accepted: bool) {
        let Some(pin) = self.pins.get_mut(pin) else { return };
        if !pin.is_level() {
            pin.edge = false;
        } else if accepted {
            pin.entry |= entry::REMOTE_IRR;
        }
    }

    /// A processor ended an interrupt: whether that was this input's.
    pub(super) fn end(&mut self, pin: usize, vector: u8) -> bool {
        let Some(pin) = self.pins.get_mut(pin) else { return false };
        let ends = pin.entry as u8 == vector && pin.entry & entry::REMOTE_IRR != 0;
        if ends {
            pin.entry &= !entry::REMOTE_IRR;
        }
        ends
    }

    /// Whether an input is not masked.
    pub(super) fn is_unmasked(&self, pin: usize) -> bool {
        self.pins.get(pin).is_some_and(|pin| pin.entry & entry::MASKED == 0)
    }

    fn read_indexed(&self) -> u32 {
        match self.select {
            0 | 2 => self.id,
            1 => VERSION,
            index => self
                .entry_at(index)
                .map_or(0, |(pin, shift)| (self.pins[pin].entry >> shift) as u32),
        }
    }

    fn write_indexed(&mut self, value: u32) -> Request {
        if self.select == 0 {
            self.id = value & 0x0f00_0000;
            return Request::Nothing;
        }
        let Some((index, shift)) = self.entry_at(self.select) else { return Request::Nothing };
        let pin = &mut self.pins[index];
        let writable = entry::WRITABLE & u64::from(u32::MAX) << shift;
        pin.entry = pin.entry & !writable | u64::from(value) << shift & writable;
        if pin.is_level() {
            pin.edge = false;
        } else {
            pin.entry &= !entry::REMOTE_IRR;
        }
        Request::Look(index)
    }

    /// The input and the half of its entry that an index names.
    fn entry_at(&self, index: u8) -> Option<(usize, u32)> {
        let index = usize::from(index.checked_sub(FIRST_ENTRY)?);
        (index / 2 < NR_PINS).then_some((index / 2, (index % 2) as u32 * 32))
    }
}

impl Pin {
    /// Fixed and lowest-priority messages only can be level-triggered.
    fn is_level(&self) -> bool {
        let delivery = Delivery::of_bits((self.entry >> entry::DELIVERY_SHIFT) as u8);
        self.entry & entry::LEVEL != 0
            && matches!(delivery, Delivery::Fixed | Delivery::LowestPriority)
    }

    fn message(&self, trigger: Trigger) -> Message {
        let to = (self.entry >> entry::DESTINATION_SHIFT) as u8;
        let destination = if self.entry & entry::LOGICAL != 0 {
            Destination::Logical(u32::from(to))
        } else if to == BROADCAST {
            Destination::All
        } else {
            Destination::Physical(u32::from(to))
        };
        Message {
            vector: self.entry as u8,
            delivery: Delivery::of_bits((self.entry >> entry::DELIVERY_SHIFT) as u8),
            destination,
            trigger,
        }
    }
}

fn register_at(offset: u64) -> Option<Register> {
    match offset {
        0x00 => Some(Register::Select),
        0x10 => Some(Register::Window),
        0x40 => Some(Register::Eoi),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(ioapic: &mut IoApic, index: u32, value: u32) -> Request {
        ioapic.write(0x00, index);
        ioapic.write(0x10, value)
    }

    fn read(ioapic: &mut IoApic, index: u32) -> u32 {
        ioapic.write(0x00, index);
        ioapic.read(0x10)
    }

    #[test]
    fn identification() {
        let mut ioapic = IoApic::default();
        assert_eq!(read(&mut ioapic, 1), 0x0017_0020);
        write(&mut ioapic, 0, 0xffff_ffff);
        assert_eq!((read(&mut ioapic, 0), read(&mut ioapic, 2)), (0x0f00_0000, 0x0f00_0000));
        assert_eq!((read(&mut ioapic, 0x10), read(&mut ioapic, 0x40)), (0x10000, 0));
    }

    #[test]
    fn an_edge_is_sent_once_and_lost_while_masked() {
        let mut ioapic = IoApic::default();
        ioapic.set_line(4, true);
        assert_eq!(write(&mut ioapic, 0x18, 0x31), Request::Look(4));
        assert_eq!(ioapic.message(4), None);
        ioapic.set_line(4, false);
        ioapic.set_line(4, true);
        let message = ioapic.message(4);
        let destination = Destination::Physical(0);
        let delivery = Delivery::Fixed;
        let trigger = Trigger::Edge;
        assert_eq!(message, Some(Message { vector: 0x31, delivery, destination, trigger }));
        ioapic.sent(4, true);
        assert_eq!(ioapic.message(4), None);
    }

    #[test]
    fn a_level_waits_for_its_end() {
        let mut ioapic = IoApic::default();
        write(&mut ioapic, 0x1d, 0x0300_0000);
        write(&mut ioapic, 0x1c, 0x0000_a831);
        ioapic.set_line(6, true);
        let message = ioapic.message(6);
        assert_eq!(
            message.map(|m| (m.destination, m.trigger)),
            Some((Destination::Logical(3), Trigger::Level))
        );
        ioapic.sent(6, true);
        assert_eq!(read(&mut ioapic, 0x1c), 0x0000_e831);
        assert_eq!(ioapic.message(6), None);
        assert!(!ioapic.end(6, 0x32) && ioapic.end(6, 0x31));
        assert!(ioapic.message(6).is_some(), "the line is still up");
        ioapic.set_line(6, false);
        assert_eq!(ioapic.message(6), None);
    }

    #[test]
    fn edge_mode_clears_remote_irr() {
        let mut ioapic = IoApic::default();
        write(&mut ioapic, 0x10, 0x8040);
        ioapic.set_line(0, true);
        ioapic.sent(0, true);
        assert_eq!(read(&mut ioapic, 0x10), 0xc040);
        write(&mut ioapic, 0x10, 0x10040);
        write(&mut ioapic, 0x10, 0x8040);
        assert!(ioapic.message(0).is_some());
    }

    #[test]
    fn an_nmi_is_an_edge_whatever_the_entry_says() {
        let mut ioapic = IoApic::default();
        write(&mut ioapic, 0x10, 0x8400);
        ioapic.set_line(0, true);
        assert_eq!(ioapic.message(0).map(|message| message.trigger), Some(Trigger::Edge));
        ioapic.sent(0, true);
        assert_eq!(ioapic.message(0), None);
    }

    #[test]
    fn the_eoi_register_names_a_vector() {
        assert_eq!(IoApic::default().write(0x40, 0x77), Request::End(0x77));
    }
}
