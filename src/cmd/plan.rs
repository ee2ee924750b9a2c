//! The command line, second stage: from what was typed to a plan.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::CommandError;
use crate::cli::GuestArgs;
use crate::cli::count_spec::CountSpec;
use crate::cli::watch_spec::WatchSpec;
use crate::session::config::MachineConfig;
use crate::session::host_tree::HostTree;
use crate::session::plan::{Counter, DEFAULT_ENVP, Plan, Watch};
use crate::session::{host_tree, program, watch};
use crate::symbols::Symbols;

/// Checks everything that can be checked before the machine boots. Events are
/// checked first: they need no file.
pub(super) fn make(args: &GuestArgs) -> Result<Plan, CommandError> {
    let (specs, counters) = events(&args.events)?;
    let machine = machine(args)?;
    let envp = environment(args)?;
    if args.mark_every == 0 {
        return Err(CommandError::MarkEvery);
    }
    // clap requires the program's name.
    let name = args.command.first().map_or(OsStr::new(""), |name| name.as_os_str());
    let image = if machine.has_root() {
        program::load_from_tree(name, &HostTree::new(&machine.mounts), &envp)?
    } else {
        program::load(name, std::env::var_os("PATH").as_deref(), &machine.mounts)?
    };
    let watches = resolve(&specs, &Symbols::read(&image.bytes))?;
    Ok(Plan {
        machine,
        image,
        argv: args.command.iter().map(|word| word.as_bytes().to_vec()).collect(),
        envp,
        watches,
        counters,
        mark_every: args.mark_every,
        max_insns: args.max_insns,
    })
}

/// What is watched, and what is counted.
fn events(texts: &[String]) -> Result<(Vec<WatchSpec>, Vec<Counter>), CommandError> {
    let (mut watches, mut counters) = (Vec::new(), Vec::new());
    for text in texts {
        if text.starts_with("mem:") {
            watches.push(WatchSpec::parse(text)?);
            continue;
        }
        let before = counters.len() as u32;
        for CountSpec { text, mut request } in CountSpec::parse_list(text)? {
            request.leader = request.leader.map(|leader| before + leader);
            counters.push(Counter { text, request });
        }
    }
    Ok((watches, counters))
}

fn machine(args: &GuestArgs) -> Result<MachineConfig, CommandError> {
    let mut mounts = Vec::new();
    if let Some(root) = &args.root {
        mounts.push(host_tree::root(root)?);
    }
    for text in &args.mounts {
        mounts.push(host_tree::parse(text)?);
    }
    let machine = MachineConfig {
        mounts,
        nr_cpus: args.cpus,
        ram_bytes: args.mem,
        timing: args.timing,
        model: args.cpu,
        vendor: args.cpu_vendor,
        seed: args.seed,
        sched_seed: args.sched_seed,
        generation: args.kernel.generation,
        defects: args.kernel.defects(),
    };
    machine.check()?;
    Ok(machine)
}

/// The fixed variables, with those that were given added or put in their place.
fn environment(args: &GuestArgs) -> Result<Vec<Vec<u8>>, CommandError> {
    let mut envp: Vec<Vec<u8>> =
        DEFAULT_ENVP.iter().map(|variable| variable.as_bytes().to_vec()).collect();
    for given in &args.env {
        let bytes = given.as_bytes();
        let name_len = bytes.iter().position(|byte| *byte == b'=').filter(|len| *len > 0);
        let Some(name_len) = name_len else {
            return Err(CommandError::Env { text: given.to_string_lossy().into_owned() });
        };
        let name = &bytes[..=name_len];
        match envp.iter_mut().find(|variable| variable.starts_with(name)) {
            Some(variable) => *variable = bytes.to_vec(),
            None => envp.push(bytes.to_vec()),
        }
    }
    Ok(envp)
}

fn resolve(specs: &[WatchSpec], symbols: &Symbols<'_>) -> Result<Vec<Watch>, CommandError> {
    let resolved = specs.iter().map(|spec| {
        watch::resolve(spec, symbols)
            .map_err(|source| CommandError::Watch { text: spec.text.clone(), source })
    });
    resolved.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn args(words: &[&str]) -> GuestArgs {
        let all = ["dr7", "run"].into_iter().chain(words.iter().copied()).chain(["--", "prog"]);
        match Cli::try_parse_from(all).unwrap().command {
            Command::Run(run) => run.guest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_variable_is_added_or_replaced() {
        let envp =
            environment(&args(&["--env", "A=1", "--env", "LANG=fr", "--env", "A="])).unwrap();
        let text: Vec<_> = envp.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
        assert_eq!(text[2], "LANG=fr");
        assert_eq!(text.last().unwrap(), "A=");
        assert_eq!(text.len(), DEFAULT_ENVP.len() + 1);
        for bad in ["A", "=1", ""] {
            let refused = environment(&args(&["--env", bad]));
            assert!(matches!(refused, Err(CommandError::Env { .. })), "{bad}");
        }
    }

    #[test]
    fn a_bad_machine_is_refused_before_the_program_is_looked_for() {
        let refused = make(&args(&["--cpus", "65"]));
        assert!(matches!(refused, Err(CommandError::Config(_))));
        let refused = make(&args(&["-e", "mem:a/3"]));
        assert!(matches!(refused, Err(CommandError::Spec(_))));
        let refused = make(&args(&["--mark-every", "0"]));
        assert!(matches!(refused, Err(CommandError::MarkEvery)));
    }
}
