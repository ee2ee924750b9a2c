//! Which kernel is modelled: its generation, and the defects that differ from it.

use std::str::FromStr;

use clap::Args;
use perf_core::{Defect, Defects, Generation, UnknownDefect};

/// What `-h` says of `--defect`.
const DEFECT_HELP: &str = "Switch a defect of Linux on or off: NAME=on or NAME=off";
/// What `--help` says of `--defect`.
const DEFECT_LONG_HELP: &str = "Switch a defect of Linux on or off: NAME=on or NAME=off

NAME is S1 to S16 (2.6.33 as it began), B1 to B4 (its table of slots), C1, C2 (2.6.37 to 3.10) or \
K1 to K12 (6.18); docs/kernel-generations.md says what each does and which are on. May be given \
several times";

/// `--kernel` and `--defect`.
#[derive(Clone, Debug, Args)]
pub struct KernelArgs {
    /// The generation of the kernel's breakpoint layer: 6.x or 2.6.33.
    #[arg(long = "kernel", value_name = "GENERATION", default_value_t = Generation::default())]
    pub generation: Generation,

    /// Defects that are not as the generation has them.
    #[arg(long = "defect", value_name = "NAME=on|off", help = DEFECT_HELP, long_help = DEFECT_LONG_HELP)]
    pub switches: Vec<DefectSwitch>,
}

impl KernelArgs {
    /// The generation's defects, with the switches in the order in which they were given.
    #[must_use]
    pub fn defects(&self) -> Defects {
        let start = Defects::of(self.generation);
        self.switches.iter().fold(start, |defects, switch| match switch.to {
            SwitchTo::On => defects.with(switch.defect),
            SwitchTo::Off => defects.without(switch.defect),
        })
    }
}

/// What a switch is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchTo {
    /// The defect shows.
    On,
    /// It does not.
    Off,
}

/// One `--defect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefectSwitch {
    /// Which.
    pub defect: Defect,
    /// Set to what.
    pub to: SwitchTo,
}

/// A `--defect` that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefectSwitchError {
    /// No `=on` or `=off`.
    #[error("\"{0}\" is not NAME=on or NAME=off")]
    Shape(String),
    /// No such name.
    #[error(transparent)]
    Name(#[from] UnknownDefect),
    /// A name that nothing stands behind.
    #[error("{0} is not modelled: switching it would change nothing")]
    NotModelled(Defect),
}

impl FromStr for DefectSwitch {
    type Err = DefectSwitchError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || DefectSwitchError::Shape(text.to_owned());
        let (name, to) = text.split_once('=').ok_or_else(shape)?;
        let to = match to {
            "on" => SwitchTo::On,
            "off" => SwitchTo::Off,
            _ => return Err(shape()),
        };
        let defect: Defect = name.parse()?;
        if !defect.info().is_modelled() {
            return Err(DefectSwitchError::NotModelled(defect));
        }
        Ok(Self { defect, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches() {
        let switch = |text: &str| text.parse::<DefectSwitch>();
        let off = DefectSwitch { defect: Defect::GlobalSlotCounter, to: SwitchTo::Off };
        assert_eq!(switch("S1=off"), Ok(off));
        for bad in ["S1", "S1=", "S1=OFF", "=on", "S1=on=off"] {
            assert!(switch(bad).is_err(), "{bad}");
        }
        let unknown = switch("S99=on").unwrap_err().to_string();
        assert!(unknown.contains("S16, B1, B2, B3, B4, C1, C2, K1"), "{unknown}");
        assert!(switch("K12=on").unwrap_err().to_string().contains("K12 is not modelled"));

        let args = |generation, switches| KernelArgs { generation, switches };
        let defects = args(Generation::V2_6_33, vec![off]).defects();
        assert_eq!(defects, Defects::LINUX_2_6_33.without(Defect::GlobalSlotCounter));
        let again = vec![off, switch("S1=on").unwrap()];
        assert!(args(Generation::V6, again).defects().has(Defect::GlobalSlotCounter));
    }
}
