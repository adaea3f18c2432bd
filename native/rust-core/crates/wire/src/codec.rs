//! Frames ↔ messages. Decoding trusts nothing: identifier, flatc's verifier under limits, closed enums and unions, the schema's ranges, the payload's
//! checksum. Encoding refuses what a peer would have to refuse.

use crate::bounds::Bounds;
use crate::error::{DecodeError, EncodeError, Path};
use crate::frame::{Frame, Kind};
use crate::generated::fb;
use crate::limits::{MAX_DEPTH, MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, MAX_TABLES};
use crate::message::{Body, CoreHello, Event, FILE_IDENTIFIER, HostHello, Request, Response};
use crate::payload::Payload;
use flatbuffers::{FlatBufferBuilder, VerifierOptions};

/// A decoded message with what travelled beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<T> {
    pub request_id: u64,
    pub message: T,
    pub payload: Payload,
}

/// What a core may send once both have said `Hello`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one lives at a time
pub enum Outbound {
    Event(Event),
    Response(Response),
}

pub fn encode_host_hello(hello: &HostHello) -> Result<Frame, EncodeError> {
    encode_body(0, hello.clone().into(), Payload::empty())
}

pub fn encode_core_hello(hello: &CoreHello) -> Result<Frame, EncodeError> {
    encode_body(0, hello.clone().into(), Payload::empty())
}

pub fn encode_request(request_id: u64, request: Request, payload: impl Into<Payload>) -> Result<Frame, EncodeError> {
    encode_body(request_id, request.into(), payload.into())
}

pub fn encode_event(request_id: u64, event: Event) -> Result<Frame, EncodeError> {
    encode_body(request_id, event.into(), Payload::empty())
}

pub fn encode_response(request_id: u64, response: Response, payload: impl Into<Payload>) -> Result<Frame, EncodeError> {
    encode_body(request_id, response.into(), payload.into())
}

pub fn decode_host_hello(frame: &Frame) -> Result<HostHello, DecodeError> {
    match decode(frame)? {
        Body::HostHello(hello) => Ok(hello),
        _ => Err(unexpected("the Hello of a host", frame)),
    }
}

pub fn decode_core_hello(frame: &Frame) -> Result<CoreHello, DecodeError> {
    match decode(frame)? {
        Body::CoreHello(hello) => Ok(hello),
        _ => Err(unexpected("the Hello of a core", frame)),
    }
}

pub fn decode_request(frame: Frame) -> Result<Received<Request>, DecodeError> {
    let message = Request::from_body(decode(&frame)?).map_err(|_| unexpected("a request", &frame))?;
    Ok(Received { request_id: frame.request_id, message, payload: frame.payload })
}

pub fn decode_event_or_response(frame: Frame) -> Result<Received<Outbound>, DecodeError> {
    let message = match Event::from_body(decode(&frame)?) {
        Ok(event) => Outbound::Event(event),
        Err(body) => Outbound::Response(Response::from_body(*body).map_err(|_| unexpected("an event or an answer", &frame))?),
    };
    Ok(Received { request_id: frame.request_id, message, payload: frame.payload })
}

fn unexpected(expected: &'static str, frame: &Frame) -> DecodeError {
    DecodeError::Unexpected { expected, kind: frame.kind.name() }
}

pub(crate) fn encode_body(request_id: u64, body: Body, payload: Payload) -> Result<Frame, EncodeError> {
    body.check(&Path::root("body"))?;
    let kind = kind_of(&body);
    if !payload.is_empty() && !kind.may_carry_payload() {
        return Err(EncodeError::PayloadNotAllowed(kind.name()));
    }
    if payload.len() > MAX_PAYLOAD_BYTES as usize {
        return Err(EncodeError::PayloadTooLarge(payload.len()));
    }
    let mut builder = FlatBufferBuilder::new();
    let (body_type, offset) = body.pack(&mut builder);
    let header = fb::Header::create(&mut builder, &fb::HeaderArgs { payload_crc: crc_of(&payload), body_type, body: Some(offset) });
    builder.finish(header, Some(FILE_IDENTIFIER));
    let header = builder.finished_data().to_vec();
    if header.len() > MAX_HEADER_BYTES as usize {
        return Err(EncodeError::HeaderTooLarge(header.len()));
    }
    Ok(Frame { kind, request_id, header, payload })
}

fn decode(frame: &Frame) -> Result<Body, DecodeError> {
    let header = verified(&frame.header)?;
    let path = Path::root("body");
    let body = Body::unpack(header, &path)?;
    if kind_of(&body) != frame.kind {
        return Err(DecodeError::BodyOfAnotherKind { kind: frame.kind.name() });
    }
    body.check(&path)?;
    let (said, actual) = (header.payload_crc(), crc_of(&frame.payload));
    if said != actual {
        return Err(DecodeError::PayloadCrc { said, actual });
    }
    Ok(body)
}

/// The header's tables, after flatc's verifier. `get_root` without it would trust every offset.
fn verified(header: &[u8]) -> Result<fb::Header<'_>, DecodeError> {
    // The identifier stands behind the offset of the root table; shorter headers have none.
    if header.len() < 8 || header[4..8] != *FILE_IDENTIFIER.as_bytes() {
        return Err(DecodeError::Identifier);
    }
    let limits = VerifierOptions {
        max_depth: MAX_DEPTH,
        max_tables: MAX_TABLES,
        // Tables may share parts, so a small header could be walked for long; honest ones share nothing but vtables.
        max_apparent_size: 4 * MAX_HEADER_BYTES as usize,
        ignore_missing_null_terminator: false,
    };
    flatbuffers::root_with_opts::<fb::Header>(&limits, header).map_err(|error| DecodeError::Structure(error.to_string()))
}

fn crc_of(payload: &[u8]) -> Option<u32> {
    (!payload.is_empty()).then(|| crc32c::crc32c(payload))
}

fn kind_of(body: &Body) -> Kind {
    match body {
        Body::HostHello(_) | Body::CoreHello(_) => Kind::Hello,
        Body::Probe(_) => Kind::Probe,
        Body::Plan(_) => Kind::Plan,
        Body::Process(_) => Kind::Process,
        Body::Reduce(_) => Kind::Reduce,
        Body::Inspect(_) => Kind::Inspect,
        Body::StorePut(_) => Kind::StorePut,
        Body::StoreGet(_) => Kind::StoreGet,
        Body::StoreList(_) => Kind::StoreList,
        Body::StoreDelete(_) => Kind::StoreDelete,
        Body::StoreStat(_) => Kind::StoreStat,
        Body::Cancel(_) => Kind::Cancel,
        Body::Ping(_) => Kind::Ping,
        Body::Progress(_) => Kind::Progress,
        Body::PlanSegment(_) => Kind::PlanSegment,
        Body::Log(_) => Kind::Log,
        Body::Done(_) => Kind::Done,
        Body::Failed(_) => Kind::Failed,
    }
}
