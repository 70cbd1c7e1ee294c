//! The frames of HTTP/2 (RFC 9113) and the header blocks in them (RFC 7541), as far as it takes to find
//! `:authority`. Pure: bytes in, bytes out, however they are cut into chunks.

/// `PRI * HTTP/2.0 ...`, before the first frame (RFC 9113, 3.4).
const PREFACE: usize = 24;
/// Length, type, flags and stream before a frame's payload (RFC 9113, 4.1).
const HEAD: usize = 9;
const HEADERS: u8 = 1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// The longest frame that h2 accepts unless it announced another limit.
const LONGEST: usize = 16_384;

/// Replaces the authority in what a client sends. Everything else is handed on unchanged, and so is a
/// frame that cannot be parsed: h2 refuses it.
pub(crate) struct Frames {
    /// How many bytes are handed on unchanged before the next frame begins.
    pass: usize,
    /// The beginning of a frame of which more bytes must come.
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
    /// Takes the next bytes of the connection, and appends what h2 is to read. A HEADERS frame is held
    /// back until it is complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
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

/// The new value of any longer authority, with its length. The decoder's dynamic table then takes less
/// room than the encoder assumes, so it still has all entries to which the encoder refers (RFC 7541,
/// 4.1).
const LOCALHOST: &[u8] = b"\x09localhost";

/// The HEADERS frame with another authority; `None` if it needs none, or cannot be parsed.
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

/// The position of the value of `:authority` in a header block, with its length. `None` if it is not
/// there as a literal (RFC 7541, 6).
fn authority(fields: &[u8]) -> Option<std::ops::Range<usize>> {
    /// Its index in the static table (RFC 7541, appendix A).
    const AUTHORITY: usize = 1;
    let mut rest = fields;
    while let Some(&first) = rest.first() {
        let name = match first {
            // A field from a table, or a new size of the dynamic table.
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
    // An integer with more bytes would be longer than any frame.
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
#[path = "../../tests/inside/frames.rs"]
mod tests;
