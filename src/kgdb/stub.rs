//! The stub's thread: from bytes of the socket to calls of the target, and stops to packets.

use std::io;
use std::sync::mpsc::{Receiver, Sender};
use std::thread;

use gdbstub::common::Signal;
use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStub, MultiThreadStopReason};
use kernel_model::debug::{Resume, Stop, StopCause};

use super::listen::{Listener, Stream};
use super::server::{End, ToMachine};
use super::target::{KgdbTarget, tid_of, watch_kind};

/// Bytes of the longest packet that is taken.
const PACKET_BYTES: usize = 0x4000;

/// What happens to the stub.
pub(super) enum ToStub {
    /// Bytes have come from the debugger.
    Bytes(Vec<u8>),
    /// The connection has ended.
    Closed,
    /// The machine stands still.
    Stopped(Stop),
    /// The run has ended.
    Ended(End),
}

/// The half of a connection that the protocol crate writes to: a packet at a time.
struct Output {
    stream: Stream,
    buffer: Vec<u8>,
}

impl Connection for Output {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.buffer.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = self.stream.write_all(&self.buffer);
        self.buffer.clear();
        sent
    }
}

/// Waits for a debugger and serves it until it or the run ends. Whatever goes wrong ends the
/// connection; the machine sees that its channel is closed.
pub(super) fn run(
    listener: &Listener,
    nr_cpus: u32,
    machine: Sender<ToMachine>,
    events: &Receiver<ToStub>,
    bytes: Sender<ToStub>,
) {
    let Ok(stream) = listener.accept() else { return };
    let (Ok(input), Ok(closer)) = (stream.try_clone(), stream.try_clone()) else { return };
    // The machine stands still before the first instruction, or it never came so far.
    let Ok(ToStub::Stopped(first)) = events.recv() else {
        closer.close();
        return;
    };
    thread::spawn(move || read(input, &bytes));
    let mut target = KgdbTarget::new(machine, nr_cpus, first.cpu);
    serve(&mut target, stream, events);
    closer.close();
}

/// Passes on what comes from the debugger, until it has gone or the stub does not listen.
fn read(mut input: Stream, to_stub: &Sender<ToStub>) {
    let mut bytes = [0; 4096];
    loop {
        let event = match input.read(&mut bytes) {
            Ok(0) | Err(_) => ToStub::Closed,
            Ok(len) => ToStub::Bytes(bytes[..len].to_vec()),
        };
        let is_last = matches!(event, ToStub::Closed);
        if to_stub.send(event).is_err() || is_last {
            return;
        }
    }
}

type Gdb<'a> = GdbStubStateMachine<'a, KgdbTarget, Output>;

fn serve(target: &mut KgdbTarget, stream: Stream, events: &Receiver<ToStub>) {
    let output = Output { stream, buffer: Vec::new() };
    let mut packet = vec![0; PACKET_BYTES];
    let Ok(stub) = GdbStub::builder(output).with_packet_buffer(&mut packet).build() else {
        return;
    };
    let Ok(mut gdb) = stub.run_state_machine(target) else { return };
    while let Ok(event) = events.recv() {
        let next = match event {
            ToStub::Closed => return,
            ToStub::Bytes(bytes) => feed(gdb, target, &bytes),
            ToStub::Stopped(stop) => stopped(gdb, target, stop),
            ToStub::Ended(end) => ended(gdb, target, end),
        };
        match next {
            Some(GdbStubStateMachine::Disconnected(end)) => {
                target.disconnected(match end.get_reason() {
                    DisconnectReason::Kill => Some(Resume::Kill),
                    DisconnectReason::Disconnect => Some(Resume::Detach),
                    DisconnectReason::TargetExited(_) | DisconnectReason::TargetTerminated(_) => {
                        None
                    }
                });
                return;
            }
            Some(state) => gdb = state,
            None => return,
        }
    }
}

/// Gives the stub bytes; `None` where it cannot go on.
fn feed<'a>(mut gdb: Gdb<'a>, target: &mut KgdbTarget, bytes: &[u8]) -> Option<Gdb<'a>> {
    for byte in bytes {
        gdb = match gdb {
            GdbStubStateMachine::Idle(idle) => idle.incoming_data(target, *byte).ok()?,
            GdbStubStateMachine::Running(running) => running.incoming_data(target, *byte).ok()?,
            other @ (GdbStubStateMachine::CtrlCInterrupt(_)
            | GdbStubStateMachine::Disconnected(_)) => return Some(other),
        };
        if let GdbStubStateMachine::CtrlCInterrupt(interrupt) = gdb {
            target.interrupt();
            // The stop is told when the machine stands still.
            gdb = interrupt.interrupt_handled(target, None::<MultiThreadStopReason<u64>>).ok()?;
        }
    }
    Some(gdb)
}

fn stopped<'a>(gdb: Gdb<'a>, target: &mut KgdbTarget, stop: Stop) -> Option<Gdb<'a>> {
    target.stopped_on(stop.cpu);
    let tid = tid_of(stop.cpu);
    let reason = match stop.cause {
        StopCause::Interrupt => {
            MultiThreadStopReason::SignalWithThread { tid, signal: Signal::SIGINT }
        }
        StopCause::Step => MultiThreadStopReason::SignalWithThread { tid, signal: Signal::SIGTRAP },
        StopCause::SwBreakpoint => MultiThreadStopReason::SwBreak(tid),
        StopCause::HwBreakpoint(hit) => match watch_kind(hit.access) {
            Some(kind) => MultiThreadStopReason::Watch { tid, kind, addr: hit.addr },
            None => MultiThreadStopReason::HwBreak(tid),
        },
    };
    match gdb {
        GdbStubStateMachine::Running(running) => running.report_stop(target, reason).ok(),
        other => Some(other),
    }
}

fn ended<'a>(gdb: Gdb<'a>, target: &mut KgdbTarget, end: End) -> Option<Gdb<'a>> {
    let reason: MultiThreadStopReason<u64> = match end {
        End::Exited(code) => MultiThreadStopReason::Exited(code),
        End::Signaled(signal) => MultiThreadStopReason::Terminated(Signal(signal)),
        // The nearest that the protocol has.
        End::Stopped => MultiThreadStopReason::Terminated(Signal::SIGKILL),
    };
    match gdb {
        GdbStubStateMachine::Running(running) => running.report_stop(target, reason).ok(),
        _ => None,
    }
}
