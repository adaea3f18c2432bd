//! Compression of pages.

use std::io::Write;

use flate2::write::GzEncoder;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};

use crate::error::Error;

/// Level of zstd: higher ones cost several times the time for a few percent of the size.
const ZSTD_LEVEL: i32 = 1;
const GZIP_LEVEL: u32 = 6;

/// What pages are compressed with, with the state and the room that are kept from page to page.
pub struct Codec {
    method: Method,
    out: Vec<u8>,
}

enum Method {
    None,
    Snappy(Box<snap::raw::Encoder>),
    Zstd(Box<zstd::bulk::Compressor<'static>>),
    Gzip,
    Lz4,
}

impl Codec {
    pub fn new(compression: Compression) -> Result<Codec, Error> {
        let method = match compression {
            Compression::SNAPPY => Method::Snappy(Box::new(snap::raw::Encoder::new())),
            Compression::ZSTD(_) => Method::Zstd(Box::new(zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(|error| broken(&error))?)),
            Compression::GZIP(_) => Method::Gzip,
            Compression::LZ4_RAW => Method::Lz4,
            _ => Method::None,
        };
        Ok(Codec { method, out: Vec::new() })
    }

    pub fn zstd() -> Compression {
        Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).expect("it is a level of zstd"))
    }

    pub fn gzip() -> Compression {
        Compression::GZIP(GzipLevel::try_new(GZIP_LEVEL).expect("it is a level of gzip"))
    }

    /// As the metadata of a column names it.
    pub fn compression(&self) -> Compression {
        match self.method {
            Method::None => Compression::UNCOMPRESSED,
            Method::Snappy(_) => Compression::SNAPPY,
            Method::Zstd(_) => Codec::zstd(),
            Method::Gzip => Codec::gzip(),
            Method::Lz4 => Compression::LZ4_RAW,
        }
    }

    /// The compressed bytes; none if pages are not compressed at all.
    pub fn compress(&mut self, bytes: &[u8]) -> Result<Option<&[u8]>, Error> {
        let room = match &self.method {
            Method::None => return Ok(None),
            Method::Snappy(_) => snap::raw::max_compress_len(bytes.len()),
            Method::Zstd(_) => zstd::zstd_safe::compress_bound(bytes.len()),
            Method::Lz4 => lz4_flex::block::get_maximum_output_size(bytes.len()),
            Method::Gzip => return self.gzip_page(bytes).map(Some),
        };
        if self.out.len() < room {
            self.out.resize(room, 0);
        }
        let length = match &mut self.method {
            Method::None | Method::Gzip => 0,
            Method::Lz4 => lz4_flex::block::compress_into(bytes, &mut self.out).map_err(|error| broken(&error))?,
            Method::Snappy(encoder) => encoder.compress(bytes, &mut self.out).map_err(|error| broken(&error))?,
            Method::Zstd(compressor) => compressor.compress_to_buffer(bytes, &mut self.out[..]).map_err(|error| broken(&error))?,
        };
        Ok(Some(&self.out[..length]))
    }

    fn gzip_page(&mut self, bytes: &[u8]) -> Result<&[u8], Error> {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        let mut encoder = GzEncoder::new(out, flate2::Compression::new(GZIP_LEVEL));
        encoder.write_all(bytes).map_err(|error| broken(&error))?;
        self.out = encoder.finish().map_err(|error| broken(&error))?;
        Ok(&self.out)
    }
}

fn broken(error: &dyn std::error::Error) -> Error {
    Error::new("CORE_PANIC", format!("cannot compress a page: {error}"))
}
