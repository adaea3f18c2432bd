//! The messages as plain structs, and the unions that the sides of the wire work with.
//!
//! Structs come from `schemas/core.fbs`; absent is always `None`. A payload travels beside its message, never inside.

pub use crate::generated::messages::*;

/// Declares a union over messages, with the conversions to and from the body of a frame.
macro_rules! message_union {
    ($(#[$doc:meta])* $name:ident { $($member:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant)] // one lives at a time
        pub enum $name { $($member($member)),* }

        impl From<$name> for Body {
            fn from(message: $name) -> Body {
                match message { $($name::$member(message) => Body::$member(message)),* }
            }
        }

        impl $name {
            /// The union's member in a body, or the body again when it is none.
            pub(crate) fn from_body(body: Body) -> Result<$name, Box<Body>> {
                match body {
                    $(Body::$member(message) => Ok($name::$member(message)),)*
                    other => Err(Box::new(other)),
                }
            }
        }

        $(impl From<$member> for $name {
            fn from(message: $member) -> $name { $name::$member(message) }
        })*
    };
}

message_union! {
    /// What a host asks. Each gets exactly one `Response`.
    Request { Probe, Plan, Process, Reduce, Inspect, StorePut, StoreGet, StoreList, StoreDelete, StoreStat, Cancel, Ping }
}

message_union! {
    /// What the core tells while a request runs. Never an answer.
    Event { Progress, PlanSegment, Log }
}

message_union! {
    /// The one answer to a request.
    Response { Done, Failed }
}

/// How many of a kind of request may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestClass {
    /// One at a time.
    Work,
    /// Up to `limits::MAX_STORE_REQUESTS`.
    Store,
    /// Answered by the reading thread, at any time.
    Control,
}

impl Request {
    pub fn class(&self) -> RequestClass {
        match self {
            Request::Probe(_) | Request::Plan(_) | Request::Process(_) | Request::Reduce(_) | Request::Inspect(_) => RequestClass::Work,
            Request::StorePut(_) | Request::StoreGet(_) | Request::StoreList(_) | Request::StoreDelete(_) | Request::StoreStat(_) => {
                RequestClass::Store
            }
            Request::Cancel(_) | Request::Ping(_) => RequestClass::Control,
        }
    }

    /// The fields every work and store request carries.
    pub fn call(&self) -> Option<&Call> {
        match self {
            Request::Probe(request) => Some(&request.call),
            Request::Plan(request) => Some(&request.call),
            Request::Process(request) => Some(&request.call),
            Request::Reduce(request) => Some(&request.call),
            Request::Inspect(request) => Some(&request.call),
            Request::StorePut(request) => Some(&request.call),
            Request::StoreGet(request) => Some(&request.call),
            Request::StoreList(request) => Some(&request.call),
            Request::StoreDelete(request) => Some(&request.call),
            Request::StoreStat(request) => Some(&request.call),
            Request::Cancel(_) | Request::Ping(_) => None,
        }
    }
}

impl Response {
    /// A `Done` around its body.
    pub fn done(body: impl Into<DoneBody>) -> Response {
        Response::Done(Done { body: body.into() })
    }
}
