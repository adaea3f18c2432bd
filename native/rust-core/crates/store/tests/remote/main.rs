//! The verbs against stores over HTTP that answer as they are told.

mod faults;
mod stub;
mod verbs;
mod web;
