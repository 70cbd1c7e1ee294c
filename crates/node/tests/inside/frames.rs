//! Tests of the frames: one connection in chunks of many sizes, and frames that cannot be parsed.

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
