//! What attempts at chunks of any kind have in common: the look at the verdict before work, the receipt and the commit after it.

use crate::account::Account;
use crate::commit::{self, Commit};
use crate::error::Error;
use crate::io::ChunkIo;
use crate::names::Author;
use crate::outputs::Closed;
use crate::process::{ChunkEnd, Context, Outcome, Phases};
use crate::progress::Phase;
use crate::records::{self, Counts, Receipt};
use crate::result_version::RESULT_VERSION;

/// Who attempts what, as the receipt names it.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    pub author: &'a Author,
    pub spec_digest: &'a str,
    pub segment_digest: &'a str,
    pub core_version: &'a str,
    /// Runs the whole path and commits nothing.
    pub trial: bool,
    /// Of a reduce chunk: the digest of what it reads.
    pub inputs_digest: Option<&'a str>,
}

impl Attempt<'_> {
    /// The end of an attempt whose verdict was filled before anything was read.
    pub fn already_filled(&self, io: &mut dyn ChunkIo) -> Result<Option<ChunkEnd>, Error> {
        if self.trial {
            return Ok(None);
        }
        let Some(winner) = io.read_verdict()? else { return Ok(None) };
        let head: records::VerdictHead = records::parse("verdict", &winner)?;
        if head.attempt_id.as_deref() != Some(&self.author.attempt_id) {
            return Ok(Some(ChunkEnd::without_work(Outcome::Superseded, Some(winner))));
        }
        // Our own: an earlier answer of ours was lost.
        let receipt: Receipt = records::parse("verdict", &winner)?;
        let by_code = receipt.by_code.into_iter().collect();
        let counts = receipt.counts;
        Ok(Some(ChunkEnd { outcome: Outcome::Committed, verdict: Some(winner), counts, by_code, phases: Phases::default() }))
    }

    /// Everything is written and durable: the balance is checked, the receipt put. `BALANCE_MISMATCH` commits nothing.
    pub fn conclude(
        &self,
        account: Account,
        closed: &Closed,
        mut phases: Phases,
        io: &mut dyn ChunkIo,
        cx: &Context<'_>,
    ) -> Result<ChunkEnd, Error> {
        let counts = account.check(closed.rows(), closed.reject_rows())?;
        let by_code = account.by_code.iter().map(|(code, count)| (code.clone(), *count)).collect();
        if self.trial {
            return Ok(ChunkEnd { outcome: Outcome::TrialOk, verdict: None, counts, by_code, phases });
        }
        cx.progress.enter(Phase::Commit);
        let started = cx.timer.now_us();
        let receipt = self.receipt(account, counts, closed);
        let end = commit::commit(&receipt, closed, io, &cx.cancel)?;
        phases.commit_us = cx.timer.now_us().saturating_sub(started);
        let (outcome, verdict) = match end {
            Commit::Won(verdict) => (Outcome::Committed, verdict),
            Commit::Lost(winner) => (Outcome::Superseded, winner),
        };
        Ok(ChunkEnd { outcome, verdict: Some(verdict), counts, by_code, phases })
    }

    fn receipt(&self, account: Account, counts: Counts, closed: &Closed) -> Receipt {
        // A partition is no file: its rows belong to many.
        let files = if self.inputs_digest.is_some() { Vec::new() } else { account.files };
        Receipt {
            record: "verdict".into(),
            version: 1,
            outcome: "committed".into(),
            job_id: self.author.job_id.clone(),
            stage: self.author.stage.clone(),
            chunk: self.author.chunk,
            generation: self.author.generation,
            attempt_id: self.author.attempt_id.clone(),
            spec_digest: self.spec_digest.to_owned(),
            segment_digest: self.segment_digest.to_owned(),
            result_version: RESULT_VERSION,
            core_version: self.core_version.to_owned(),
            counts,
            by_code: account.by_code,
            by_column: account.by_column,
            repairs: account.repairs,
            files,
            unread: account.unread,
            parts: closed.parts.clone(),
            rejects: closed.rejects.clone(),
            exchange: closed.exchange.clone(),
            inputs_digest: self.inputs_digest.map(str::to_owned),
        }
    }
}
