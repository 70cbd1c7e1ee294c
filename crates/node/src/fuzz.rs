//! What must hold of any bytes that this crate reads: the bodies of fuzz targets, which
//! `crates/testkit/tests/fuzz.rs` replays. Each panics where a promise is broken.

use crate::authority::frames::Frames;
use crate::journal::{Unreadable, decode, encode};

/// Reads a record. What can be read can be written and read again, and whatever is refused says why.
pub fn journal(bytes: &[u8]) {
    match decode(bytes) {
        Ok(record) => assert_eq!(decode(&encode(&record)), Ok(record)),
        Err(Unreadable::Newer(schema)) => assert!(schema > 1),
        Err(why) => assert!(!why.to_string().is_empty()),
    }
}

/// Passes on what a client sends. The first byte of the input is the length of the chunks in which the
/// rest arrives: it makes no difference. Without HEADERS frames nothing is changed, and nothing is ever
/// made longer.
pub fn authority(bytes: &[u8]) {
    let Some((&length, sent)) = bytes.split_first() else {
        return;
    };
    let passed_on = |length: usize| {
        let (mut frames, mut out) = (Frames::default(), Vec::new());
        for chunk in sent.chunks(length.max(1)) {
            frames.feed(chunk, &mut out);
        }
        out
    };
    let whole = passed_on(sent.len());
    assert_eq!(passed_on(usize::from(length)), whole);
    assert!(whole.len() <= sent.len());
    // A second pass finds nothing to change in what is complete.
    let mut again = Vec::new();
    Frames::default().feed(&whole, &mut again);
    assert!(whole.starts_with(&again));
}
