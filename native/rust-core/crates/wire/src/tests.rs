//! Properties of frames and codec: any split of a stream gives the same frames, any message survives, no bytes panic.

use crate::codec::{Outbound, decode_core_hello, decode_event_or_response, decode_host_hello, decode_request, encode_body};
use crate::error::{DecodeError, EncodeError, FrameError};
use crate::frame::{Frame, Kind, read_frame, write_frame};
use crate::limits::{MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, PREFIX_BYTES};
use crate::message::{Body, Log, Ping, Probe, Request, StoreList};
use crate::payload::Payload;
use crate::sample::{Draw, Sample};
use proptest::prelude::*;
use std::io::Read;

/// Gives the bytes in pieces of the sizes asked for, over and over.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()].min(buffer.len()).min(self.bytes.len());
        self.turn += 1;
        buffer[..size].copy_from_slice(&self.bytes[..size]);
        self.bytes = &self.bytes[size..];
        Ok(size)
    }
}

fn frame_of(body: Body, draw: &mut Draw) -> Frame {
    let probe = encode_body(u64::from(!matches!(body, Body::HostHello(_) | Body::CoreHello(_))), body.clone(), Payload::empty()).unwrap();
    let payload: Vec<u8> =
        if probe.kind.may_carry_payload() { (0..draw.below(200)).map(|_| draw.next() as u8).collect() } else { Vec::new() };
    encode_body(probe.request_id, body, payload.into()).unwrap()
}

fn bytes_of(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        write_frame(&mut bytes, frame).unwrap();
    }
    bytes
}

fn read_all(mut input: impl Read) -> Result<Vec<Frame>, FrameError> {
    let mut frames = Vec::new();
    while let Some(frame) = read_frame(&mut input)? {
        frames.push(frame);
    }
    Ok(frames)
}

/// The message of a frame by whichever decoder takes its kind.
pub(crate) fn decode_any(frame: Frame) -> Result<Body, DecodeError> {
    match frame.kind {
        Kind::Hello => decode_host_hello(&frame).map(Body::from).or_else(|_| decode_core_hello(&frame).map(Body::from)),
        Kind::Progress | Kind::PlanSegment | Kind::Log | Kind::Done | Kind::Failed => Ok(match decode_event_or_response(frame)?.message {
            Outbound::Event(event) => event.into(),
            Outbound::Response(response) => response.into(),
        }),
        _ => Ok(decode_request(frame)?.message.into()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_survives_the_wire(seed: u64) {
        let mut draw = Draw::new(seed);
        let body = Body::sample(&mut draw);
        let frame = frame_of(body.clone(), &mut draw);
        let mut read = read_all(bytes_of(std::slice::from_ref(&frame)).as_slice()).unwrap();
        prop_assert_eq!(&read, &[frame]);
        prop_assert_eq!(decode_any(read.remove(0)).unwrap(), body);
    }

    #[test]
    fn any_split_of_a_stream_gives_the_same_frames(seed: u64, sizes in prop::collection::vec(1usize..90, 1..12)) {
        let mut draw = Draw::new(seed);
        let frames: Vec<Frame> = (0..4).map(|_| { let body = Body::sample(&mut draw); frame_of(body, &mut draw) }).collect();
        let bytes = bytes_of(&frames);
        prop_assert_eq!(read_all(Pieces { bytes: &bytes, sizes, turn: 0 }).unwrap(), frames.clone());
        prop_assert_eq!(read_all(Pieces { bytes: &bytes, sizes: vec![1], turn: 0 }).unwrap(), frames);
    }

    #[test]
    fn a_cut_inside_a_frame_is_told_from_a_clean_end(seed: u64, at in 0.0f64..1.0) {
        let mut draw = Draw::new(seed);
        let body = Body::sample(&mut draw);
        let bytes = bytes_of(&[frame_of(body, &mut draw)]);
        let cut = (bytes.len() as f64 * at) as usize;
        match (cut, read_all(&bytes[..cut])) {
            (0, Ok(frames)) => prop_assert!(frames.is_empty()),
            (_, Err(FrameError::Cut { .. })) => {}
            (_, other) => prop_assert!(false, "a stream cut after {} bytes gave {:?}", cut, other),
        }
    }
}

/// Mutated frames of which the checksums are made right again, so that the verifier and the codec get to see the damage.
#[test]
fn ten_thousand_mutations_of_headers_end_in_a_message_or_an_error() {
    let mut draw = Draw::new(20_261_018);
    for _ in 0..10_000 {
        let body = Body::sample(&mut draw);
        let mut frame = frame_of(body, &mut draw);
        for _ in 0..=draw.below(3) {
            let at = draw.below(frame.header.len() as u64) as usize;
            match draw.below(4) {
                0 => frame.header[at] ^= 1 << draw.below(8),
                1 => frame.header[at] = draw.next() as u8,
                2 => frame.header.truncate(at.max(1)),
                _ => {
                    let end = (at + 4).min(frame.header.len());
                    frame.header[at..end].fill(*draw.one_of(&[0, 0x7f, 0xff]));
                }
            }
        }
        if let Ok(body) = decode_any(frame.clone()) {
            // What was accepted is a value like any other.
            let _ = encode_body(frame.request_id, body, frame.payload.clone());
        }
    }
}

#[test]
fn ten_thousand_mutations_of_streams_never_read_beyond_a_bound() {
    let mut draw = Draw::new(7);
    for _ in 0..10_000 {
        let body = Body::sample(&mut draw);
        let mut bytes = bytes_of(&[frame_of(body, &mut draw)]);
        let at = draw.below(bytes.len().min(PREFIX_BYTES + 8) as u64) as usize;
        bytes[at] ^= 1 << draw.below(8);
        for frame in read_all(bytes.as_slice()).into_iter().flatten() {
            assert!(frame.header.len() <= MAX_HEADER_BYTES as usize && frame.payload.len() <= MAX_PAYLOAD_BYTES as usize);
        }
    }
}

#[test]
fn a_flipped_length_is_found_before_it_is_believed() {
    let bytes = bytes_of(&[encode_body(1, Ping { lease_left_ms: None }.into(), Payload::empty()).unwrap()]);
    for at in 16..24 {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert!(matches!(read_all(flipped.as_slice()), Err(FrameError::PrefixCrc { .. })));
        }
    }
}

#[test]
fn a_payload_is_aligned_for_arrow() {
    for length in [1, 63, 64, 65, 100_000] {
        let mut bytes = Payload::zeroed(length);
        assert_eq!(bytes.as_ptr() as usize % 64, 0);
        assert_eq!(bytes.len(), length);
        bytes.as_mut_slice().fill(7);
        assert_eq!(bytes.clone(), bytes);
    }
}

#[test]
fn a_breach_of_a_bound_names_its_field_and_is_never_sent() {
    let log = |fields_json: &str| Body::from(Log { fields_json: fields_json.into(), ..Log::default() });
    let refused = encode_body(1, log(""), Payload::empty()).unwrap_err().to_string();
    assert!(refused.contains("body.Log.fields_json: expected a text that is not empty"), "{refused}");
    let probe = Body::from(Probe { declared: "{}".into(), ..Probe::default() });
    let refused = encode_body(1, probe, Payload::empty()).unwrap_err().to_string();
    assert!(refused.contains("body.Probe.input: expected 1 to 5 entries, got 0"), "{refused}");
    let list = Body::from(StoreList { limit: 1001, ..StoreList::default() });
    assert!(matches!(encode_body(1, list, Payload::empty()), Err(EncodeError::Bounds(_))));
    assert!(matches!(encode_body(1, log("{}"), vec![1].into()), Err(EncodeError::PayloadNotAllowed("Log"))));
    let large = "x".repeat(MAX_HEADER_BYTES as usize);
    assert!(matches!(encode_body(1, log(&large), Payload::empty()), Err(EncodeError::HeaderTooLarge(_))));
}

#[test]
fn a_request_is_no_event_and_an_event_no_request() {
    let ping = encode_body(1, Ping { lease_left_ms: None }.into(), Payload::empty()).unwrap();
    assert!(matches!(decode_event_or_response(ping.clone()), Err(DecodeError::Unexpected { .. })));
    assert!(matches!(decode_host_hello(&ping), Err(DecodeError::Unexpected { .. })));
    assert_eq!(decode_request(ping).unwrap().message, Request::Ping(Ping { lease_left_ms: None }));
}

#[test]
fn secrets_are_not_printed() {
    let mut draw = Draw::new(3);
    let mut credential = crate::message::NamedValue::sample(&mut draw);
    credential.value = "hunter2".into();
    let secret = crate::message::Secret { name: "key".into(), bytes: b"hunter2".to_vec() };
    let printed = format!("{credential:?} {secret:?}");
    assert!(!printed.contains("hunter2") && !printed.contains("104, 117"), "{printed}");
}
