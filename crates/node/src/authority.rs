//! Lets the kubelet's HTTP/2 in. Where it dials a registration socket, grpc-go sends the socket's path
//! as `:authority`, percent-encoded; that is no authority by RFC 3986, and h2 resets the stream with
//! PROTOCOL_ERROR (hyperium/h2#487). On a Unix socket the field says nothing, so `localhost` is put in
//! its place, as grpc-go itself does for targets that begin with `unix:`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tonic::transport::server::Connected;

/// A connection on which all authorities are `localhost`.
pub(crate) struct Localhost {
    stream: UnixStream,
    frames: Frames,
    /// What was read and is not yet handed on, from `handed` on.
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

/// Not vectored: then an answer of less than a kilobyte, of some six devices, and the trailers behind it
/// are one write, and wake the kubelet once.
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

/// `PRI * HTTP/2.0 ...`, before the first frame (RFC 9113, 3.4).
const PREFACE: usize = 24;
/// Length, type, flags and stream before a frame's payload (RFC 9113, 4.1).
const HEAD: usize = 9;
const HEADERS: u8 = 1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// The longest frame h2 takes, unless it announces more.
const LONGEST: usize = 16_384;

/// Goes through what a client sends, frame by frame.
struct Frames {
    /// What is handed on as it is, before the next frame begins.
    pass: usize,
    /// The beginning of a frame whose rest has not come yet.
    held: Vec<u8>,
}

impl Default for Frames {
    fn default() -> Frames {
        Frames {
            pass: PREFACE,
            held: Vec::new(),
        }
    }
}

impl Frames {
    fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        loop {
            let passed = take(&mut bytes, self.pass);
            self.pass -= passed.len();
            out.extend_from_slice(passed);
            if bytes.is_empty() {
                return;
            }
            let missing = HEAD.saturating_sub(self.held.len());
            self.held.extend_from_slice(take(&mut bytes, missing));
            let &[a, b, c, kind, ..] = self.held.as_slice() else {
                return;
            };
            if self.held.len() < HEAD {
                return;
            }
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            if kind != HEADERS || length > LONGEST {
                out.append(&mut self.held);
                self.pass = length;
                continue;
            }
            let missing = HEAD + length - self.held.len();
            self.held.extend_from_slice(take(&mut bytes, missing));
            if self.held.len() < HEAD + length {
                return;
            }
            match with_localhost(&self.held) {
                Some(frame) => out.extend_from_slice(&frame),
                None => out.extend_from_slice(&self.held),
            }
            self.held.clear();
        }
    }
}

/// Cuts off up to `n` bytes.
fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(n.min(bytes.len()));
    *bytes = rest;
    taken
}

/// What stands in place of any longer authority. The decoder's dynamic table then takes less room than
/// the encoder reckons with, so it still holds whatever the encoder refers to (RFC 7541, 4.1).
const LOCALHOST: &[u8] = b"\x09localhost";

/// The HEADERS frame with another authority; nothing if it can stay as it is.
fn with_localhost(frame: &[u8]) -> Option<Vec<u8>> {
    let (head, payload) = frame.split_at(HEAD);
    let flags = head[4];
    if flags & END_HEADERS == 0 {
        return None;
    }
    let before = usize::from(flags & PADDED != 0) + 5 * usize::from(flags & PRIORITY != 0);
    let padding = if flags & PADDED == 0 {
        0
    } else {
        usize::from(*payload.first()?)
    };
    let fields = payload.get(before..payload.len().checked_sub(padding)?)?;
    let value = authority(fields)?;
    let (start, end) = (before + value.start, before + value.end);
    if value.len() <= LOCALHOST.len() {
        return None;
    }
    let length = payload.len() - value.len() + LOCALHOST.len();
    let length = u32::try_from(length).ok()?.to_be_bytes();
    let parts = [
        &length[1..],
        &head[3..],
        &payload[..start],
        LOCALHOST,
        &payload[end..],
    ];
    Some(parts.concat())
}

/// Where a header block has the value of `:authority` written out, its length included (RFC 7541, 6).
fn authority(fields: &[u8]) -> Option<std::ops::Range<usize>> {
    /// Its index in the static table (RFC 7541, appendix A).
    const AUTHORITY: usize = 1;
    let mut rest = fields;
    while let Some(&first) = rest.first() {
        let name = match first {
            // A field that stands in a table, and a new size of the dynamic one.
            0x80.. => {
                integer(&mut rest, 7)?;
                continue;
            }
            0x20..0x40 => {
                integer(&mut rest, 5)?;
                continue;
            }
            0x40.. => integer(&mut rest, 6)?,
            _ => integer(&mut rest, 4)?,
        };
        if name == 0 {
            string(&mut rest)?;
        }
        let start = fields.len() - rest.len();
        string(&mut rest)?;
        if name == AUTHORITY {
            return Some(start..fields.len() - rest.len());
        }
    }
    None
}

/// Reads an integer that begins in the low `prefix` bits (RFC 7541, 5.1).
fn integer(bytes: &mut &[u8], prefix: u32) -> Option<usize> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    let most = (1 << prefix) - 1;
    let mut value = usize::from(first) & most;
    if value < most {
        return Some(value);
    }
    // Four more bytes are beyond any frame.
    for shift in [0, 7, 14, 21] {
        let (&next, rest) = bytes.split_first()?;
        *bytes = rest;
        value += usize::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Skips a string (RFC 7541, 5.2).
fn string(bytes: &mut &[u8]) -> Option<()> {
    let length = integer(bytes, 7)?;
    *bytes = bytes.get(length..)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &[u8] = b"%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fneuron.aws.com-reg.sock";

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// As grpc-go lays it out: method and scheme from the static table, path, authority, a new name.
    fn fields(authority: &[u8]) -> Vec<u8> {
        let length = [u8::try_from(authority.len()).unwrap()];
        let new_name = b"\x40\x02te\x08trailers";
        [
            b"\x3f\xe1\x1f\x83\x86\x44\x02/x\x41",
            &length[..],
            authority,
            new_name,
        ]
        .concat()
    }

    fn fed(stream: &[u8], step: usize) -> Vec<u8> {
        let (mut frames, mut out) = (Frames::default(), Vec::new());
        for chunk in stream.chunks(step) {
            frames.feed(chunk, &mut out);
        }
        out
    }

    #[test]
    fn a_path_becomes_localhost_however_the_bytes_arrive() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let settings = frame(4, 0, &[0; 12]);
        let data = frame(0, 1, &[b'd'; 5000]);
        let stream = |authority: &[u8]| {
            let headers = frame(HEADERS, END_HEADERS, &fields(authority));
            let again = frame(HEADERS, END_HEADERS, b"\x83\x86\xbe");
            [&preface, &settings, &headers, &data, &again, &data]
                .map(Vec::as_slice)
                .concat()
        };
        let expected = stream(b"localhost");
        for step in [1, 2, 3, 7, 9, 10, 100, 4096, 100_000] {
            assert_eq!(fed(&stream(PATH), step), expected, "{step} bytes at a time");
        }
        assert_eq!(fed(&expected, 5), expected);
    }

    #[test]
    fn padding_and_priority_stay() {
        let around = |fields: Vec<u8>| {
            let payload = [&b"\x03\0\0\0\0\x10"[..], &fields, &[0; 3]].concat();
            frame(HEADERS, END_HEADERS | PADDED | PRIORITY, &payload)
        };
        let rewritten = with_localhost(&around(fields(PATH)));
        assert_eq!(rewritten, Some(around(fields(b"localhost"))));
    }

    #[test]
    fn what_cannot_be_read_is_left_to_the_server() {
        let whole = fields(PATH);
        for cut in 0..whole.len() {
            let cut = frame(HEADERS, END_HEADERS, &whole[..cut]);
            if let Some(rewritten) = with_localhost(&cut) {
                assert!(rewritten.len() < cut.len());
            }
        }
        assert_eq!(with_localhost(&frame(HEADERS, 0, &whole)), None);
        assert_eq!(
            with_localhost(&frame(HEADERS, END_HEADERS | PADDED, b"\xff")),
            None
        );
        let endless = b"\x41\x7f\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(with_localhost(&frame(HEADERS, END_HEADERS, endless)), None);
    }
}
