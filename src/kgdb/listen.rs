//! Where a debugger may connect: a port of this host, or a socket file.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// A debugger that does not take what it is sent for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why nobody can connect.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// What was typed is no place.
    #[error("--kgdb {0}: a place is :PORT, HOST:PORT or unix:PATH")]
    Place(String),
    /// The host is not this one.
    #[error(
        "--kgdb {text}: {addr} is not a loopback address; whoever connects controls the machine, \
         so only this host may (use ssh -L for another)"
    )]
    NotLoopback {
        /// As typed.
        text: String,
        /// What it stands for.
        addr: IpAddr,
    },
    /// The host does not let us.
    #[error("--kgdb {text}: cannot listen: {source}")]
    Bind {
        /// As typed.
        text: String,
        /// Why not.
        source: io::Error,
    },
}

/// A place where a debugger can connect, once.
#[derive(Debug)]
pub enum Listener {
    /// A port of the loopback interface.
    Tcp(TcpListener),
    /// A socket file, removed when the debugger has connected or the run has ended.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Opens the place that was typed.
    ///
    /// # Errors
    /// If it is none, not on this host, or in use.
    pub fn open(text: &str) -> Result<Self, ListenError> {
        let bind = |source| ListenError::Bind { text: text.to_owned(), source };
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            let path = PathBuf::from(path);
            let listener = UnixListener::bind(&path).map_err(bind)?;
            return Ok(Self::Unix(listener, path));
        }
        let place = || ListenError::Place(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(place)?;
        let port: u16 = port.parse().map_err(|_| place())?;
        let addr = address(host, port).map_err(bind)?.ok_or_else(place)?;
        if !addr.ip().is_loopback() {
            return Err(ListenError::NotLoopback { text: text.to_owned(), addr: addr.ip() });
        }
        Ok(Self::Tcp(TcpListener::bind(addr).map_err(bind)?))
    }

    /// What `target remote` in gdb is to be given.
    ///
    /// # Errors
    /// If the host does not say.
    pub fn place(&self) -> io::Result<String> {
        match self {
            Self::Tcp(listener) => Ok(listener.local_addr()?.to_string()),
            Self::Unix(_, path) => Ok(path.display().to_string()),
        }
    }

    /// Waits for the debugger.
    pub(super) fn accept(&self) -> io::Result<Stream> {
        let stream = match self {
            Self::Tcp(listener) => {
                let (stream, _from) = listener.accept()?;
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
                Stream::Tcp(stream)
            }
            Self::Unix(listener, _) => {
                let (stream, _from) = listener.accept()?;
                stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
                Stream::Unix(stream)
            }
        };
        Ok(stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Somebody else may have removed it.
            let _gone = std::fs::remove_file(path);
        }
    }
}

/// The address of a host and a port; an empty host is this one.
fn address(host: &str, port: u16) -> io::Result<Option<SocketAddr>> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() {
        return Ok(Some((Ipv4Addr::LOCALHOST, port).into()));
    }
    Ok((host, port).to_socket_addrs()?.next())
}

/// A connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    /// Ends the connection, for its clones too.
    pub(super) fn close(&self) {
        // The other side may have been faster.
        let _closed = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(out),
            Self::Unix(stream) => stream.read(out),
        }
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_host_is_listened_on() {
        for text in ["", ":", "1234", ":x", ":65536", "unix:"] {
            assert!(matches!(Listener::open(text), Err(ListenError::Place(_))), "{text}");
        }
        for text in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
            let refused = Listener::open(text);
            assert!(matches!(refused, Err(ListenError::NotLoopback { .. })), "{text}");
        }
        let place = Listener::open(":0").unwrap().place().unwrap();
        assert!(place.starts_with("127.0.0.1:") && !place.ends_with(":0"), "{place}");
        assert!(Listener::open("127.0.0.1:0").is_ok());
    }

    #[test]
    fn a_socket_file_goes_with_its_listener() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gdb");
        let text = format!("unix:{}", path.display());
        let listener = Listener::open(&text).unwrap();
        assert!(path.exists());
        assert!(matches!(Listener::open(&text), Err(ListenError::Bind { .. })));
        drop(listener);
        assert!(!path.exists());
    }
}
