//! Makes the kubelet's HTTP/2 acceptable to h2.
//!
//! When the kubelet dials a registration socket, grpc-go sends the socket's path as `:authority`,
//! percent-encoded. RFC 3986 does not allow that, and h2 resets the stream with PROTOCOL_ERROR
//! (hyperium/h2#487). On a Unix socket the field has no meaning, so [`frames`] replaces it by
//! `localhost` before h2 sees it, as grpc-go itself does for targets that begin with `unix:`.
//! `docs/decisions/0007-authority.md` has what else was considered.

pub(crate) mod frames;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tonic::transport::server::Connected;

use frames::Frames;

/// A connection on which every `:authority` is `localhost`.
pub(crate) struct Localhost {
    stream: UnixStream,
    frames: Frames,
    /// Bytes for h2; those before `handed` were read by it already.
    read: Vec<u8>,
    handed: usize,
}

impl From<UnixStream> for Localhost {
    fn from(stream: UnixStream) -> Localhost {
        Localhost {
            stream,
            frames: Frames::default(),
            read: Vec::new(),
            handed: 0,
        }
    }
}

impl Connected for Localhost {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

impl AsyncRead for Localhost {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.handed == this.read.len() {
            this.read.clear();
            this.handed = 0;
            let mut chunk = [0; 1024];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.frames.feed(chunk.filled(), &mut this.read);
        }
        let rest = &this.read[this.handed..];
        let fits = rest.len().min(out.remaining());
        out.put_slice(&rest[..fits]);
        this.handed += fits;
        Poll::Ready(Ok(()))
    }
}

/// Vectored writes are not offered: h2 then copies an answer of less than a kilobyte, which is some six
/// devices, and its trailers into one buffer, and the kubelet is woken once.
impl AsyncWrite for Localhost {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
