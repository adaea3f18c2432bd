//! `row_number`, `rank` and `dense_rank` of rows that are sorted by partition and order.

use std::sync::Arc;

use arrow_array::{ArrayRef, UInt64Array};
use datafusion_expr::expr::WindowFunction;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    RowNumber,
    WithGaps,
    Dense,
}

/// The function, if it is one of these.
pub fn rank_of(function: &WindowFunction) -> Option<Ranking> {
    let params = &function.params;
    if !params.args.is_empty() || params.filter.is_some() || params.distinct || params.null_treatment.is_some() {
        return None;
    }
    match function.fun.name() {
        "row_number" => Some(Ranking::RowNumber),
        "rank" => Some(Ranking::WithGaps),
        "dense_rank" => Some(Ranking::Dense),
        _ => None,
    }
}

/// What a partition has been counted to so far.
pub struct Ranks {
    ranking: Ranking,
    row_number: u64,
    rank: u64,
}

impl Ranks {
    pub fn new(ranking: Ranking) -> Ranks {
        Ranks { ranking, row_number: 0, rank: 0 }
    }

    /// The rank of each row. `partitions` and `peers` say with which rows one begins.
    pub fn go_on(&mut self, partitions: &[bool], peers: &[bool]) -> ArrayRef {
        let ranks = partitions.iter().zip(peers).map(|(is_first, is_new)| self.next(*is_first, *is_first || *is_new));
        Arc::new(ranks.collect::<UInt64Array>())
    }

    fn next(&mut self, is_first: bool, is_new: bool) -> u64 {
        if is_first {
            (self.row_number, self.rank) = (0, 0);
        }
        self.row_number += 1;
        match self.ranking {
            Ranking::RowNumber => return self.row_number,
            Ranking::WithGaps if is_new => self.rank = self.row_number,
            Ranking::Dense if is_new => self.rank += 1,
            Ranking::WithGaps | Ranking::Dense => {}
        }
        self.rank
    }
}
