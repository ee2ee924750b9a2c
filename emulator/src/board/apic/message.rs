//! What APICs send each other.

/// How a message is delivered: bits 8 to 10 of ICR and of the vector table entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::board) enum Delivery {
    Fixed,
    LowestPriority,
    Smi,
    Reserved,
    Nmi,
    Init,
    Startup,
    ExtInt,
}

impl Delivery {
    /// The mode that three bits name.
    pub(in crate::board) fn of_bits(bits: u8) -> Self {
        match bits & 7 {
            0 => Self::Fixed,
            1 => Self::LowestPriority,
            2 => Self::Smi,
            3 => Self::Reserved,
            4 => Self::Nmi,
            5 => Self::Init,
            6 => Self::Startup,
            _ => Self::ExtInt,
        }
    }
}

/// Whether an interrupt lasts while its source asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::board) enum Trigger {
    Edge,
    Level,
}

/// To which APICs a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::board) enum Destination {
    All,
    Physical(u32),
    Logical(u32),
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::board) struct Message {
    pub(in crate::board) vector: u8,
    pub(in crate::board) delivery: Delivery,
    pub(in crate::board) destination: Destination,
    pub(in crate::board) trigger: Trigger,
}

/// Which of the addressed APICs a processor's message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::board) enum Whom {
    Addressed,
    Sender,
    AllButSender,
}

mod icr {
    pub(super) const LOGICAL: u64 = 1 << 11;
    pub(super) const ASSERT: u64 = 1 << 14;
    pub(super) const LEVEL: u64 = 1 << 15;
    pub(super) const SHORTHAND_SHIFT: u32 = 18;
}

/// The message that ICR describes, if it sends one. `destination` is its destination
/// field and `broadcast` what stands there for all.
pub(super) fn of_icr(icr: u64, destination: u32, broadcast: u32) -> Option<(Message, Whom)> {
    let delivery = Delivery::of_bits((icr >> 8) as u8);
    let deasserts = icr & (icr::ASSERT | icr::LEVEL) == icr::LEVEL;
    if delivery == Delivery::Init && deasserts {
        return None;
    }
    let (destination, whom) = match icr >> icr::SHORTHAND_SHIFT & 3 {
        1 => (Destination::All, Whom::Sender),
        2 => (Destination::All, Whom::Addressed),
        3 => (Destination::All, Whom::AllButSender),
        _ if icr & icr::LOGICAL != 0 => (Destination::Logical(destination), Whom::Addressed),
        _ if destination == broadcast => (Destination::All, Whom::Addressed),
        _ => (Destination::Physical(destination), Whom::Addressed),
    };
    let message = Message { vector: icr as u8, delivery, destination, trigger: Trigger::Edge };
    Some((message, whom))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorthands_and_destinations() {
        let to = |icr, destination| {
            of_icr(icr, destination, 0xff).map(|(message, whom)| (message.destination, whom))
        };
        assert_eq!(to(0x30, 2), Some((Destination::Physical(2), Whom::Addressed)));
        assert_eq!(to(0x30, 0xff), Some((Destination::All, Whom::Addressed)));
        assert_eq!(to(0x830, 0xff), Some((Destination::Logical(0xff), Whom::Addressed)));
        assert_eq!(to(0x4_0030, 2), Some((Destination::All, Whom::Sender)));
        assert_eq!(to(0xc_4500, 0), Some((Destination::All, Whom::AllButSender)));
    }

    #[test]
    fn init_deassert_sends_nothing() {
        assert_eq!(of_icr(0x8500, 0, 0xff), None);
        assert!(of_icr(0xc500, 0, 0xff).is_some());
    }
}
