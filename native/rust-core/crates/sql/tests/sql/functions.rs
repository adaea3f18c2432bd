//! Every function of the allow-list compiles, runs over a batch with nulls, and answers the same when asked record by record.

use crate::table::{batch, compile, rows, run};
use arrow_select::concat::concat_batches;
use millrace_engine::program::StageKind;
use millrace_sql::functions::ALLOWED;

#[test]
fn every_allowed_function_runs() {
    for entry in ALLOWED {
        let sql = format!("SELECT {} AS x FROM input", entry.example);
        assert_eq!(millrace_sql::compiler().check(&sql, StageKind::Map), Ok(()), "{}", entry.name);
        let whole = run(&sql);
        assert!(whole.failed.is_empty(), "{}: {:?}", entry.name, whole.failed);
        assert_eq!(whole.rows.num_rows(), 4, "{}", entry.name);
        // record_id() depends on places, which a batch of its own would number anew.
        if entry.name == "record_id" {
            continue;
        }
        let mut program = compile(&sql).unwrap();
        let pieces: Vec<_> = (0..4).map(|row| program.run(&batch(rows().slice(row, 1)), crate::table::URI).unwrap().rows).collect();
        assert_eq!(concat_batches(&program.output_schema(), &pieces).unwrap(), whole.rows, "{}", entry.name);
        let empty = program.run(&batch(rows().slice(0, 0)), crate::table::URI).unwrap();
        assert_eq!(empty.rows.num_rows(), 0, "{}", entry.name);
    }
}
