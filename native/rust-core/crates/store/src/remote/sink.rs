//! The sink of one part in a bucket: one put when it is small, else a multipart upload in pieces, while its SHA-256 is taken.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::{MultipartId, PutPayload};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::io::{Pending, unheeded};
use crate::object::{PartDone, hex};
use crate::remote::ask::{once, tries, wait_before};
use crate::remote::bucket::Bucket;
use crate::remote::name::stopped_error;
use crate::retry::{MAX_TRIES, Then, Verb};

/// All pieces but the last are of this size: some stores insist on equal ones.
const PIECE_BYTES: usize = 8 << 20;
/// Pieces under way at once.
const MAX_PENDING: usize = 3;
/// As many as S3 takes: 78 GiB, far above the largest part of a job.
const MAX_PIECES: usize = 10_000;
/// How long the end of a sink waits for its upload to be given up.
const ABORT_WAIT: Duration = Duration::from_secs(2);

pub(crate) struct RemotePart {
    bucket: Arc<Bucket>,
    key: String,
    piece: Vec<u8>,
    upload: Option<Arc<MultipartId>>,
    pending: VecDeque<Pending<Result<PartId>>>,
    done: Vec<PartId>,
    /// None: nobody wants it.
    digest: Option<Sha256>,
    bytes: u64,
}

impl RemotePart {
    pub fn new(bucket: Arc<Bucket>, key: String) -> RemotePart {
        let (piece, pending, done) = (Vec::new(), VecDeque::new(), Vec::new());
        RemotePart { bucket, key, piece, upload: None, pending, done, digest: Some(Sha256::new()), bytes: 0 }
    }

    pub fn without_digest(mut self) -> RemotePart {
        self.digest = None;
        self
    }

    pub fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
            self.piece.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.piece.len() == PIECE_BYTES {
                self.send_piece()?;
            }
        }
        Ok(())
    }

    pub fn written_bytes(&self) -> u64 {
        self.bytes
    }

    pub fn finish(mut self) -> Result<PartDone> {
        if self.upload.is_none() {
            let (bucket, key, bytes) = (Arc::clone(&self.bucket), self.key.clone(), Bytes::from(std::mem::take(&mut self.piece)));
            // The name is the attempt's own: a repeated put finds its own bytes.
            self.wait(self.bucket.io.spawn(async move { bucket.overwrite(&key, bytes).await.map(|_| ()) }))?;
        } else {
            if !self.piece.is_empty() {
                self.send_piece()?;
            }
            while let Some(pending) = self.pending.pop_front() {
                let piece = self.wait(pending)?;
                self.done.push(piece);
            }
            self.complete()?;
        }
        Ok(PartDone { bytes: self.bytes, sha256: self.digest.take().map_or(String::new(), |digest| hex(&digest.finalize())) })
    }

    fn wait<T>(&self, pending: Pending<Result<T>>) -> Result<T> {
        pending.wait().map_err(|stopped| stopped_error(stopped, Verb::Piece, &self.bucket.name_of(&self.key)))?
    }

    fn send_piece(&mut self) -> Result<()> {
        let upload = self.start()?;
        if self.pending.len() == MAX_PENDING
            && let Some(first) = self.pending.pop_front()
        {
            let piece = self.wait(first)?;
            self.done.push(piece);
        }
        let index = self.done.len() + self.pending.len();
        if index >= MAX_PIECES {
            let cause = format!("expected at most {MAX_PIECES} pieces of {PIECE_BYTES} bytes");
            return Err(Error::new("OVER_LIMIT", "write", self.bucket.name_of(&self.key), cause));
        }
        let bytes = Bytes::from(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES)));
        let (bucket, key) = (Arc::clone(&self.bucket), self.key.clone());
        self.pending.push_back(self.bucket.io.spawn(async move { bucket.put_piece(&key, &upload, index, bytes).await }));
        Ok(())
    }

    fn start(&mut self) -> Result<Arc<MultipartId>> {
        if let Some(upload) = &self.upload {
            return Ok(Arc::clone(upload));
        }
        let (bucket, key) = (Arc::clone(&self.bucket), self.key.clone());
        let upload = Arc::new(self.wait(self.bucket.io.spawn(async move { bucket.start_upload(&key).await }))?);
        self.upload = Some(Arc::clone(&upload));
        Ok(upload)
    }

    fn complete(&mut self) -> Result<()> {
        let Some(upload) = self.upload.clone() else { return Ok(()) };
        let (bucket, key, pieces, size) = (Arc::clone(&self.bucket), self.key.clone(), std::mem::take(&mut self.done), self.bytes);
        self.wait(self.bucket.io.spawn(async move { bucket.complete_upload(&key, &upload, pieces, size).await }))?;
        self.upload = None;
        Ok(())
    }
}

/// Whatever ended a part early: its upload is given up, so that no piece is paid for. What cannot be reached now, the bucket's own rule removes.
impl Drop for RemotePart {
    fn drop(&mut self) {
        let Some(upload) = self.upload.take() else { return };
        self.pending.clear();
        let (bucket, key) = (Arc::clone(&self.bucket), self.key.clone());
        let abort = self.bucket.io.spawn(async move { bucket.abort_upload(&key, &upload).await });
        let _ = unheeded(|| abort.wait_at_most(ABORT_WAIT));
    }
}

impl Bucket {
    async fn start_upload(&self, key: &str) -> Result<MultipartId> {
        let asked = || async {
            let (backend, path) = self.target(key)?;
            Ok(backend.create_multipart(&path).await?)
        };
        tries(&self.io, &self.limits, Verb::StartUpload, asked).await.map_err(|fault| self.error(fault, key))
    }

    async fn put_piece(&self, key: &str, upload: &MultipartId, index: usize, bytes: Bytes) -> Result<PartId> {
        let asked = || async {
            let (backend, path) = self.target(key)?;
            Ok(backend.put_part(&path, upload, index, PutPayload::from_bytes(bytes.clone())).await?)
        };
        tries(&self.io, &self.limits, Verb::Piece, asked).await.map_err(|fault| self.error(fault, key))
    }

    /// A completion whose answer is lost may have been done: then the whole object stands under a name that nobody else uses.
    async fn complete_upload(&self, key: &str, upload: &MultipartId, pieces: Vec<PartId>, size: u64) -> Result<()> {
        let mut number = 1;
        loop {
            let asked = async {
                let (backend, path) = self.target(key)?;
                backend.complete_multipart(&path, upload, pieces.clone()).await?;
                Ok(())
            };
            let fault = match once(&self.io, Verb::FinishUpload, asked).await {
                Ok(()) => return Ok(()),
                Err(fault) => fault,
            };
            let is_unknown = matches!(fault.then, Then::Unknown(_));
            if is_unknown && self.stat(key).await?.is_some_and(|stat| stat.size == size) {
                return Ok(());
            }
            if !is_unknown || number == MAX_TRIES {
                return Err(Error { tries: number, ..self.error(fault, key) });
            }
            tokio::time::sleep(wait_before(&self.limits, number, fault.retry_after())).await;
            number += 1;
        }
    }

    async fn abort_upload(&self, key: &str, upload: &MultipartId) {
        let asked = || async {
            let (backend, path) = self.target(key)?;
            Ok(backend.abort_multipart(&path, upload).await?)
        };
        // Nothing is left to do about an abort that fails.
        let _ = tries(&self.io, &self.limits, Verb::AbortUpload, asked).await;
    }
}
