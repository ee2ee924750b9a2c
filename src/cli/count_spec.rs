//! `cycles`, `branches:u`, `{cycles,instructions}`, `page-faults,cs`: events to count, by perf's
//! names, in perf's lists and groups.
//!
//! A modifier has the letters u, k and h (count in these modes only), D (pinned) and e
//! (exclusive); behind a group's brace it is every member's. Source: perf's
//! tools/perf/util/parse-events.l and .y; the numbers are those of
//! include/uapi/linux/perf_event.h.

use kernel_model::observe::CounterRequest;
use perf_core::SwEvent;
use perf_core::attr::abi::{AttrFlags, PERF_TYPE_HARDWARE, PERF_TYPE_SOFTWARE, hw};

use super::watch_spec::{At, SpecReason, WatchSpecError};

const HARDWARE: u32 = PERF_TYPE_HARDWARE;
const SOFTWARE: u32 = PERF_TYPE_SOFTWARE;

/// perf's names, with type and number. Aliases follow the name that `perf list` puts first.
const NAMES: &[(&str, u32, u64)] = &[
    ("cycles", HARDWARE, hw::CPU_CYCLES),
    ("cpu-cycles", HARDWARE, hw::CPU_CYCLES),
    ("instructions", HARDWARE, hw::INSTRUCTIONS),
    ("branches", HARDWARE, hw::BRANCH_INSTRUCTIONS),
    ("branch-instructions", HARDWARE, hw::BRANCH_INSTRUCTIONS),
    ("branch-misses", HARDWARE, hw::BRANCH_MISSES),
    ("cache-references", HARDWARE, hw::CACHE_REFERENCES),
    ("cache-misses", HARDWARE, hw::CACHE_MISSES),
    ("ref-cycles", HARDWARE, hw::REF_CPU_CYCLES),
    ("bus-cycles", HARDWARE, hw::BUS_CYCLES),
    ("cpu-clock", SOFTWARE, SwEvent::CpuClock as u64),
    ("task-clock", SOFTWARE, SwEvent::TaskClock as u64),
    ("page-faults", SOFTWARE, SwEvent::PageFaults as u64),
    ("faults", SOFTWARE, SwEvent::PageFaults as u64),
    ("context-switches", SOFTWARE, SwEvent::ContextSwitches as u64),
    ("cs", SOFTWARE, SwEvent::ContextSwitches as u64),
    ("cpu-migrations", SOFTWARE, SwEvent::CpuMigrations as u64),
    ("migrations", SOFTWARE, SwEvent::CpuMigrations as u64),
    ("minor-faults", SOFTWARE, SwEvent::PageFaultsMin as u64),
    ("major-faults", SOFTWARE, SwEvent::PageFaultsMaj as u64),
    ("alignment-faults", SOFTWARE, SwEvent::AlignmentFaults as u64),
    ("emulation-faults", SOFTWARE, SwEvent::EmulationFaults as u64),
    ("dummy", SOFTWARE, SwEvent::Dummy as u64),
];

/// One event to count. The leader of its group is an index into the list it was typed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountSpec {
    /// As typed, without the rest of the list.
    pub text: String,
    /// What the kernel is asked for.
    pub request: CounterRequest,
}

impl CountSpec {
    /// Reads a list of events.
    ///
    /// # Errors
    /// The first thing that is wrong, with its column.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, WatchSpecError> {
        let mut list = List { text, at: 0, specs: Vec::new() };
        list.parse().map_err(|wrong| WatchSpecError::new(text, wrong))?;
        Ok(list.specs)
    }
}

/// A list on the way through it.
struct List<'t> {
    text: &'t str,
    /// The next byte.
    at: usize,
    specs: Vec<CountSpec>,
}

impl List<'_> {
    fn parse(&mut self) -> At<()> {
        loop {
            if self.take('{') {
                self.group()?;
            } else {
                self.event(None)?;
            }
            match self.peek() {
                None => return Ok(()),
                Some(',') => self.at += 1,
                Some(other) => return Err((self.at, SpecReason::ListChar(other))),
            }
        }
    }

    fn group(&mut self) -> At<()> {
        let open = self.at - 1;
        let first = self.specs.len();
        loop {
            let leader = (self.specs.len() > first).then_some(first as u32);
            self.event(leader)?;
            match self.peek() {
                Some(',') => self.at += 1,
                Some('}') => break,
                Some(other) => return Err((self.at, SpecReason::ListChar(other))),
                None => return Err((open, SpecReason::OpenGroup)),
            }
        }
        self.at += 1;
        let flags = self.modifier()?;
        for (nth, spec) in self.specs[first..].iter_mut().enumerate() {
            // A leader pins its group, or keeps it alone.
            let leader_only = AttrFlags::PINNED | AttrFlags::EXCLUSIVE;
            let flags = if nth == 0 { flags } else { flags.without(leader_only) };
            spec.request.flags = spec.request.flags | flags;
        }
        Ok(())
    }

    fn event(&mut self, leader: Option<u32>) -> At<()> {
        let start = self.at;
        let name = self.word();
        let entry = NAMES.iter().find(|(known, _, _)| *known == name);
        let &(_, attr_type, config) = entry.ok_or_else(|| match name {
            "" => (start, SpecReason::NoEvent),
            "mem" => (start, SpecReason::MemInList),
            _ => (start, SpecReason::UnknownEvent(name.to_owned())),
        })?;
        let flags = self.modifier()?;
        let text = self.text[start..self.at].to_owned();
        let request = CounterRequest { attr_type, config, flags, leader };
        self.specs.push(CountSpec { text, request });
        Ok(())
    }

    /// `:` and letters, or nothing.
    fn modifier(&mut self) -> At<AttrFlags> {
        if !self.take(':') {
            return Ok(AttrFlags::default());
        }
        let start = self.at;
        let letters = self.word();
        if letters.is_empty() {
            return Err((start, SpecReason::NoModifier));
        }
        let modes = [
            ('u', AttrFlags::EXCLUDE_USER),
            ('k', AttrFlags::EXCLUDE_KERNEL),
            ('h', AttrFlags::EXCLUDE_HV),
        ];
        let mut flags = AttrFlags::default();
        if letters.contains(['u', 'k', 'h']) {
            for (letter, exclude) in modes {
                flags = if letters.contains(letter) { flags } else { flags | exclude };
            }
        }
        for (inside, letter) in letters.char_indices() {
            flags = match letter {
                'u' | 'k' | 'h' => flags,
                'D' => flags | AttrFlags::PINNED,
                'e' => flags | AttrFlags::EXCLUSIVE,
                other => return Err((start + inside, SpecReason::Modifier(other))),
            };
        }
        Ok(flags)
    }

    /// What a name or a modifier is made of.
    fn word(&mut self) -> &str {
        let rest = &self.text[self.at..];
        let end = rest.find([',', ':', '{', '}']).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        self.at += if there { wanted.len_utf8() } else { 0 };
        there
    }
}

/// Names that there are, for messages.
pub(super) fn known_names() -> String {
    NAMES.iter().map(|(name, _, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, u64, u64, Option<u32>)> {
        let specs = CountSpec::parse_list(text).unwrap();
        specs
            .into_iter()
            .map(|s| (s.text, s.request.config, s.request.flags.0, s.request.leader))
            .collect()
    }

    #[test]
    fn lists_groups_and_modifiers() {
        let (user, kernel, hv) = (1 << 4, 1 << 5, 1 << 6);
        let one = |text: &str, config, flags, leader| (text.to_owned(), config, flags, leader);
        assert_eq!(parsed("cycles"), [one("cycles", 0, 0, None)]);
        assert_eq!(
            parsed("cycles:u,cs"),
            [one("cycles:u", 0, kernel | hv, None), one("cs", 3, 0, None)]
        );
        assert_eq!(
            parsed("task-clock,{cycles,instructions:k}:D,faults"),
            [
                one("task-clock", 1, 0, None),
                one("cycles", 0, 1 << 2, None),
                one("instructions:k", 1, user | hv, Some(1)),
                one("faults", 2, 0, None),
            ]
        );
        assert_eq!(parsed("{branches,branch-misses}:uk")[1].2, hv);
    }

    #[test]
    fn what_is_wrong_has_a_column() {
        use SpecReason as R;

        for (text, column, reason) in [
            ("", 1, R::NoEvent),
            ("cycle", 1, R::UnknownEvent("cycle".to_owned())),
            ("cycles,", 8, R::NoEvent),
            ("cycles,mem:4:w", 8, R::MemInList),
            ("cycles:", 8, R::NoModifier),
            ("cycles:up", 9, R::Modifier('p')),
            ("cycles:u:k", 9, R::ListChar(':')),
            ("cs,{cycles,instructions", 4, R::OpenGroup),
            ("{cycles{", 8, R::ListChar('{')),
            ("{}", 2, R::NoEvent),
            ("cycles}", 7, R::ListChar('}')),
        ] {
            let error = CountSpec::parse_list(text).unwrap_err();
            assert_eq!((error.at + 1, error.reason), (column, reason), "{text}");
        }
        let error = CountSpec::parse_list("faults,cycle").unwrap_err().to_string();
        assert!(error.contains("column 8") && error.contains("cycles, cpu-cycles"), "{error}");
    }
}
