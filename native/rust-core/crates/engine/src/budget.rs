//! What a chunk reserves before it allocates, so that too little memory is a clear answer and no kill.

use crate::error::Error;

/// Binary, stacks, allocator slack: what a process holds before it reads a byte.
const BASE_BYTES: u64 = 40 << 20;
/// What a Parquet writer holds besides its row group: dictionaries, pages, compression.
const PAGE_BUFFER_BYTES: u64 = 16 << 20;

/// Named reservations out of one total.
#[derive(Clone, Debug)]
pub struct Budget {
    total: u64,
    held: Vec<(&'static str, u64)>,
}

/// What a map chunk is going to hold.
#[derive(Clone, Copy, Debug)]
pub struct ChunkNeeds {
    pub max_record_bytes: u64,
    pub batch_bytes: u64,
    /// Encoded rows that wait for their row group, or text that waits for its block.
    pub output_bytes: u64,
    pub payload_bytes: u64,
}

impl Budget {
    pub fn new(total: u64) -> Budget {
        Budget { total, held: vec![("process", BASE_BYTES)] }
    }

    /// `CORE_MEMORY` names who asked, for how much, and who holds the rest.
    pub fn reserve(&mut self, who: &'static str, bytes: u64) -> Result<(), Error> {
        if self.held_bytes() + bytes > self.total {
            let held: Vec<String> = self.held.iter().map(|(who, bytes)| format!("{who} {bytes}")).collect();
            let message =
                format!("cannot reserve {bytes} bytes for {who}: {} of {} are held ({})", self.held_bytes(), self.total, held.join(", "));
            return Err(Error::new("CORE_MEMORY", message));
        }
        self.held.push((who, bytes));
        Ok(())
    }

    pub fn held_bytes(&self) -> u64 {
        self.held.iter().map(|(_, bytes)| bytes).sum()
    }

    /// A long record and a batch may be held at once, and a batch twice: its bytes and its typed columns.
    pub fn reserve_chunk(&mut self, needs: ChunkNeeds) -> Result<(), Error> {
        self.reserve("payload", needs.payload_bytes)?;
        self.reserve("record", needs.max_record_bytes)?;
        self.reserve("batch", 3 * needs.batch_bytes)?;
        self.reserve("output", needs.output_bytes + PAGE_BUFFER_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_who_asked_and_who_holds() {
        let mut budget = Budget::new(100 << 20);
        budget.reserve("batch", 50 << 20).unwrap();
        let error = budget.reserve("output", 20 << 20).unwrap_err();
        assert_eq!(error.code, "CORE_MEMORY");
        assert!(error.message.contains("20971520 bytes for output") && error.message.contains("batch 52428800"), "{}", error.message);
        assert_eq!(budget.held_bytes(), 90 << 20);
    }
}
