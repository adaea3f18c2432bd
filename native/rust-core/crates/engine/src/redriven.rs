//! What a redrive has selected of the dead: the command that opened a generation says so.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::names::job_folder;
use crate::plan_stage::StageIo;
use crate::records;

/// The dead chunks that enter a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    All,
    /// `<stage>.<chunk>` each.
    Named(BTreeSet<String>),
}

impl Selected {
    pub fn has(&self, stage: &str, chunk: u32) -> bool {
        match self {
            Selected::All => true,
            Selected::Named(names) => names.contains(&format!("{stage}.{chunk}")),
        }
    }
}

#[derive(Deserialize)]
struct Command {
    #[serde(default)]
    opens: Option<u32>,
    #[serde(default)]
    select: Value,
}

/// Of several commands that name a generation the first has opened it. A selection that is no list of names is everything.
pub fn selected(job_key: &str, generation: u32, io: &mut dyn StageIo) -> Result<Selected, Error> {
    if generation == 1 {
        return Ok(Selected::All);
    }
    let mut keys = io.list(&format!("{}commands/", job_folder(job_key)))?;
    keys.sort();
    for key in keys {
        let bytes = io.read(&key)?.ok_or_else(|| Error::new("JOURNAL_UNSAFE", format!("{key} was listed and is gone")))?;
        let command: Command = records::parse(&key, &bytes)?;
        if command.opens == Some(generation) {
            return Ok(named(&command.select).map_or(Selected::All, Selected::Named));
        }
    }
    Ok(Selected::All)
}

fn named(select: &Value) -> Option<BTreeSet<String>> {
    select.as_array()?.iter().map(|name| name.as_str().map(String::from)).collect()
}
