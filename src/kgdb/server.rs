//! The machine's side of the door: runs what the stub asks for while the machine stands still.

use std::io::Write;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::{self, JoinHandle};

use kernel_model::debug::{KgdbIo, Resume, Stop};
use kernel_model::kernel::{Kernel, Step};
use kernel_model::observe::ExitStatus;

use super::listen::Listener;
use super::stub::{self, ToStub};

/// Work on the machine, done while it stands still.
pub(super) type Work = Box<dyn FnOnce(&mut Kernel) + Send>;

/// What the stub wants of the machine.
pub(super) enum ToMachine {
    /// Something done while it stands still.
    Do(Work),
    /// To go on.
    Resume(Resume),
    /// To stop.
    Interrupt,
}

/// How a run ended, as the protocol can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Exited(u8),
    Signaled(u8),
    /// The machine could not go on.
    Stopped,
}

/// The machine's side of one debugger.
pub struct Server {
    from_stub: Receiver<ToMachine>,
    to_stub: Sender<ToStub>,
    stub: Option<JoinHandle<()>>,
    presence: Presence,
}

/// Whether the debugger is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    There,
    /// It said so, or its connection ended.
    Gone,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("presence", &self.presence).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts to wait for a debugger, of a machine with so many CPUs.
    #[must_use]
    pub fn start(listener: Listener, nr_cpus: u32) -> Self {
        let (to_machine, from_stub) = mpsc::channel();
        let (to_stub, stub_events) = mpsc::channel();
        let bytes = to_stub.clone();
        let stub = thread::spawn(move || {
            stub::run(&listener, nr_cpus, to_machine, &stub_events, bytes);
        });
        Self { from_stub, to_stub, stub: Some(stub), presence: Presence::There }
    }

    /// The connection has ended without a word.
    fn lost(&mut self) -> Resume {
        if self.presence == Presence::There {
            self.presence = Presence::Gone;
            // Nobody reads what goes to a closed standard error.
            let _ = writeln!(
                std::io::stderr(),
                "dr7: kgdb: the connection has ended; its breakpoints are removed and the run \
                 goes on"
            );
        }
        Resume::Detach
    }
}

impl KgdbIo for Server {
    fn stopped(&mut self, kernel: &mut Kernel, stop: &Stop) -> Resume {
        if self.to_stub.send(ToStub::Stopped(*stop)).is_err() {
            return self.lost();
        }
        loop {
            match self.from_stub.recv() {
                Ok(ToMachine::Do(work)) => work(kernel),
                Ok(ToMachine::Resume(resume)) => {
                    if matches!(resume, Resume::Detach | Resume::Kill) {
                        self.presence = Presence::Gone;
                    }
                    return resume;
                }
                // It stands still already.
                Ok(ToMachine::Interrupt) => {}
                Err(mpsc::RecvError) => return self.lost(),
            }
        }
    }

    fn wants_stop(&mut self) -> bool {
        // A lost connection stops the machine, too: so that the breakpoints can be removed.
        match self.from_stub.try_recv() {
            Ok(ToMachine::Interrupt) | Err(TryRecvError::Disconnected) => true,
            Ok(ToMachine::Do(_) | ToMachine::Resume(_)) | Err(TryRecvError::Empty) => false,
        }
    }

    fn ended(&mut self, end: &Step) {
        let end = match end {
            Step::Finished(ExitStatus::Exited(code)) => End::Exited(*code),
            Step::Finished(ExitStatus::Signaled { signal, .. }) => End::Signaled(*signal),
            Step::Stopped(_) | Step::Running => End::Stopped,
        };
        // Without a stub there is nobody to tell.
        let _ = self.to_stub.send(ToStub::Ended(end));
        if let Some(stub) = self.stub.take() {
            // What a panic of the stub had to say is on standard error.
            let _ = stub.join();
        }
    }
}
