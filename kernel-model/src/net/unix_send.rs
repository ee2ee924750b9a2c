//! Sending over unix sockets.
//! Source: Linux 6.18 `net/unix/af_unix.c`, `net/core/sock.c` (`sock_alloc_send_pskb`).

use perf_core::{Errno, TaskId};

use super::queue::Message;
use super::socket::{Outgoing, Sent};
use super::{SockType, SocketId, State, shut};
use crate::kernel::Kernel;
use crate::uapi::poll::{POLLOUT, POLLWRBAND, POLLWRNORM};

/// Messages that may wait at a socket that is not connected to the sender, less one
/// (`net.unix.max_dgram_qlen`).
const MAX_DGRAM_QLEN: usize = 10;

const PAGE: usize = 4096;
/// `struct sk_buff`, and `struct skb_shared_info` behind the data.
const SKB_BYTES: usize = 256;
const SHARED_INFO_BYTES: usize = 320;
/// The least that is allocated for a head.
const MIN_HEAD_BYTES: usize = 512;
/// Data in the head of a stream's piece (`SKB_MAX_HEAD(0)`), and pages behind it.
const MAX_HEAD: usize = PAGE - SHARED_INFO_BYTES;
const STREAM_FRAGS: usize = 32_768;
/// The largest piece of a stream.
pub(crate) const STREAM_PIECE: usize = MAX_HEAD + STREAM_FRAGS;
/// Data in the head of a message (`SKB_MAX_ALLOC`), and pages behind it.
const MAX_ALLOC: usize = 4 * PAGE - SHARED_INFO_BYTES;
const MAX_FRAGS: usize = 17 * PAGE;

/// What a head with so many bytes takes.
fn head_charge(len: usize) -> usize {
    let allocated = (len.next_multiple_of(64) + SHARED_INFO_BYTES).next_power_of_two();
    allocated.max(MIN_HEAD_BYTES) + SKB_BYTES
}

/// What a piece of a stream takes of the sending buffer (`truesize`).
fn stream_charge(len: usize) -> usize {
    let in_pages = len.min(len.saturating_sub(MAX_HEAD).next_multiple_of(PAGE));
    head_charge(len - in_pages) + in_pages.next_multiple_of(PAGE)
}

/// The same for a message.
fn message_charge(len: usize) -> usize {
    let in_pages = len.saturating_sub(MAX_ALLOC).min(MAX_FRAGS).next_multiple_of(PAGE);
    head_charge(len.saturating_sub(in_pages)) + in_pages
}

impl Kernel {
    /// Sends over a unix socket.
    pub(crate) fn unix_send(&mut self, task: TaskId, id: SocketId, out: &mut Outgoing<'_>) -> Sent {
        let result = match self.net.socket(id).kind {
            SockType::Stream => self.unix_stream_send(id, out),
            SockType::Dgram => self.unix_dgram_send(task, id, out),
            SockType::Seqpacket if !self.net.socket(id).is_established() => Err(Errno::ENOTCONN),
            SockType::Seqpacket => self.unix_connected_send(id, out),
        };
        result.unwrap_or_else(Sent::Err)
    }

    /// Whether who sends is told: either side wants to know, or it is said.
    fn message(&self, id: SocketId, to: SocketId, out: &mut Outgoing<'_>, bytes: &[u8]) -> Message {
        let asked = [id, to].iter().any(|id| self.net.socket(*id).options.pass_cred());
        let cred = out.explicit_cred.or(asked.then_some(out.cred));
        let from = self.net.socket(id).local.clone();
        let rights = std::mem::take(&mut out.rights);
        Message { bytes: bytes.to_vec(), from, cred, rights, ..Message::default() }
    }

    fn unix_stream_send(&mut self, id: SocketId, out: &mut Outgoing<'_>) -> Result<Sent, Errno> {
        let socket = self.net.socket(id);
        if out.to.is_some() {
            return Err(if socket.is_established() { Errno::EISCONN } else { Errno::EOPNOTSUPP });
        }
        let peer = socket.peer.ok_or(Errno::ENOTCONN)?;
        if socket.shutdown & shut::SEND != 0 {
            return Err(Errno::EPIPE);
        }
        let most = (socket.options.send_buffer() / 2).saturating_sub(64);
        let most = most.min(STREAM_PIECE);
        let mut done = 0;
        while done < out.bytes.len() {
            if let Err(errno) = self.net.socket_mut(id).take_error() {
                return if done > 0 { Ok(Sent::Done(done)) } else { Err(errno) };
            }
            if !self.net.socket(id).has_room() {
                break;
            }
            let is_open = |other: &super::Socket| other.shutdown & shut::RECEIVE == 0;
            if !self.net.get(peer).is_some_and(is_open) {
                return if done > 0 { Ok(Sent::Done(done)) } else { Err(Errno::EPIPE) };
            }
            let bytes = &out.bytes[done..out.bytes.len().min(done + most)];
            let mut message = self.message(id, peer, out, bytes);
            let charge = stream_charge(bytes.len());
            message.charge = Some((id, charge));
            message.from = None;
            self.net.socket_mut(id).filled += charge;
            self.net.socket_mut(peer).queue.push(message);
            done += bytes.len();
        }
        if done > 0 {
            self.socket_readable(peer);
        }
        let waits = done == 0 && !out.bytes.is_empty();
        Ok(if waits { Sent::WouldBlock(id) } else { Sent::Done(done) })
    }

    fn unix_dgram_send(
        &mut self,
        task: TaskId,
        id: SocketId,
        out: &mut Outgoing<'_>,
    ) -> Result<Sent, Errno> {
        let Some(to) = out.to.clone() else { return self.unix_connected_send(id, out) };
        let other = self.unix_find(task, SockType::Dgram, &to)?;
        self.unix_send_message(id, other, out)
    }

    fn unix_connected_send(&mut self, id: SocketId, out: &mut Outgoing<'_>) -> Result<Sent, Errno> {
        let socket = self.net.socket(id);
        let peer = socket.peer.ok_or(Errno::ENOTCONN)?;
        if self.net.get(peer).is_some() {
            return self.unix_send_message(id, peer, out);
        }
        let socket = self.net.socket_mut(id);
        if socket.is_connection() {
            socket.take_error()?;
            return Err(Errno::EPIPE);
        }
        (socket.peer, socket.remote, socket.state) = (None, None, State::Closed);
        Err(Errno::ECONNREFUSED)
    }

    fn unix_send_message(
        &mut self,
        id: SocketId,
        other: SocketId,
        out: &mut Outgoing<'_>,
    ) -> Result<Sent, Errno> {
        let socket = self.net.socket_mut(id);
        if out.bytes.len() > socket.options.send_buffer().saturating_sub(32) {
            return Err(Errno::EMSGSIZE);
        }
        socket.take_error()?;
        if socket.shutdown & shut::SEND != 0 {
            return Err(Errno::EPIPE);
        }
        if !socket.has_room() {
            return Ok(Sent::WouldBlock(id));
        }
        self.unix_may_send(id, other)?;
        if self.net.socket(other).shutdown & shut::RECEIVE != 0 {
            return Err(Errno::EPIPE);
        }
        if self.unix_is_full_for(id, other) {
            return Ok(Sent::WouldBlock(other));
        }
        let charge = message_charge(out.bytes.len());
        let bytes = out.bytes;
        let mut message = self.message(id, other, out, bytes);
        message.charge = Some((id, charge));
        self.net.socket_mut(id).filled += charge;
        self.net.socket_mut(other).queue.push(message);
        self.socket_readable(other);
        Ok(Sent::Done(bytes.len()))
    }

    /// Whether a socket takes no more messages from one that it is not connected to.
    pub(super) fn unix_is_full_for(&self, id: SocketId, other: SocketId) -> bool {
        let target = self.net.socket(other);
        target.peer != Some(id) && target.queue.len() > MAX_DGRAM_QLEN
    }

    /// Those who send to a socket of messages may go on.
    pub(super) fn unix_senders_go_on(&mut self, id: SocketId) {
        self.wake_socket_waiters(id);
        let senders: Vec<SocketId> = self
            .net
            .sockets
            .iter()
            .filter(|(_, socket)| socket.peer == Some(id) && !socket.is_connection())
            .map(|(sender, _)| *sender)
            .collect();
        for sender in senders {
            self.wake_socket(sender, POLLOUT | POLLWRNORM | POLLWRBAND);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As SIOCOUTQ told on Linux 6.18 behind one write.
    #[test]
    fn buffers_fill_as_measured() {
        for (len, want) in [
            (1, 768),
            (128, 768),
            (200, 1280),
            (700, 1280),
            (1000, 2304),
            (3776, 4352),
            (4000, 4864),
            (5000, 6400),
            (8000, 8960),
            (10_000, 12_544),
            (16_384, 17_152),
            (20_000, 20_736),
            (32_768, 33_536),
            (36_544, 37_120),
        ] {
            assert_eq!(stream_charge(len), want, "{len}");
        }
        for (len, want) in [
            (1, 768),
            (4000, 8448),
            (8000, 16_640),
            (16_384, 20_736),
            (30_000, 33_024),
            (65_536, 69_888),
            (150_000, 200_960),
        ] {
            assert_eq!(message_charge(len), want, "{len}");
        }
    }
}
