//! Compression of pages.

use parquet::basic::{Compression, ZstdLevel};

use crate::error::Error;

/// Level of zstd: higher ones cost several times the time for a few percent of the size.
const ZSTD_LEVEL: i32 = 1;

/// What pages are compressed with, with the state and the room that are kept from page to page.
pub struct Codec {
    method: Method,
    out: Vec<u8>,
}

enum Method {
    None,
    Snappy(Box<snap::raw::Encoder>),
    Zstd(Box<zstd::bulk::Compressor<'static>>),
}

impl Codec {
    pub fn new(compression: Compression) -> Result<Codec, Error> {
        let method = match compression {
            Compression::SNAPPY => Method::Snappy(Box::new(snap::raw::Encoder::new())),
            Compression::ZSTD(_) => Method::Zstd(Box::new(zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(|error| broken(&error))?)),
            _ => Method::None,
        };
        Ok(Codec { method, out: Vec::new() })
    }

    pub fn zstd() -> Compression {
        Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).expect("it is a level of zstd"))
    }

    /// As the metadata of a column names it.
    pub fn compression(&self) -> Compression {
        match self.method {
            Method::None => Compression::UNCOMPRESSED,
            Method::Snappy(_) => Compression::SNAPPY,
            Method::Zstd(_) => Codec::zstd(),
        }
    }

    /// The compressed bytes; none if pages are not compressed at all.
    pub fn compress(&mut self, bytes: &[u8]) -> Result<Option<&[u8]>, Error> {
        let room = match &self.method {
            Method::None => return Ok(None),
            Method::Snappy(_) => snap::raw::max_compress_len(bytes.len()),
            Method::Zstd(_) => zstd::zstd_safe::compress_bound(bytes.len()),
        };
        if self.out.len() < room {
            self.out.resize(room, 0);
        }
        let length = match &mut self.method {
            Method::None => 0,
            Method::Snappy(encoder) => encoder.compress(bytes, &mut self.out).map_err(|error| broken(&error))?,
            Method::Zstd(compressor) => compressor.compress_to_buffer(bytes, &mut self.out[..]).map_err(|error| broken(&error))?,
        };
        Ok(Some(&self.out[..length]))
    }
}

fn broken(error: &dyn std::error::Error) -> Error {
    Error::new("CORE_PANIC", format!("cannot compress a page: {error}"))
}
