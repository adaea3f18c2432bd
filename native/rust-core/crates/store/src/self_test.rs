//! Proves at the start of a service that a directory keeps the promises commits rest on.

use std::path::Path;

use crate::error::{Error, Result};
use crate::list::ListQuery;
use crate::put::owner_name;
use crate::store::Store;
use crate::{Deleted, PutOutcome};

const CONCURRENT_CREATES: usize = 16;

impl Store {
    /// Creates, loses, replaces, races, lists and deletes probes below `directory`. `STORE_IGNORES_CONDITIONS` names what did not hold.
    pub fn self_test(&self, directory: &Path) -> Result<()> {
        let folder = format!("_selftest-{}", owner_name(None));
        let probe = directory.join(&folder).join("probe");
        let race = directory.join(&folder).join("race");
        // Left by a process that was killed in its own test and had our number.
        self.delete(&probe)?;
        self.delete(&race)?;
        let end = self.check_conditions(directory, &folder, &probe).and_then(|()| self.check_race(&race));
        let cleaned = self.delete(&probe).and(self.delete(&race));
        self.prune_empty(&directory.join(&folder), directory)?;
        end?;
        cleaned.map(|_| ())
    }

    fn check_conditions(&self, directory: &Path, folder: &str, probe: &Path) -> Result<()> {
        let expect = |held: bool, what: &str| if held { Ok(()) } else { Err(broken(probe, what)) };
        expect(self.put_if_absent(probe, b"first", None)? == PutOutcome::Won, "the first create must win")?;
        expect(self.put_if_absent(probe, b"second", None)? == PutOutcome::Lost(b"first".to_vec()), "the second create must lose")?;
        let stale = self.stat(probe)?.map(|stat| stat.etag).unwrap_or_default();
        expect(self.replace(probe, b"third!", &stale)? == PutOutcome::Won, "a replace of the current version must win")?;
        expect(self.replace(probe, b"fourth", &stale)? == PutOutcome::Lost(b"third!".to_vec()), "a replace of a stale version must lose")?;
        let prefix = format!("{folder}/");
        let listing = self.list(directory, &ListQuery { prefix: &prefix, limit: 10, ..ListQuery::default() })?;
        expect(listing.entries.iter().any(|entry| entry.key == format!("{folder}/probe")), "a listing must show the object")?;
        expect(self.delete(probe)? == Deleted::Deleted && self.stat(probe)?.is_none(), "a deleted object must be gone")
    }

    fn check_race(&self, race: &Path) -> Result<()> {
        let outcomes: Vec<Result<PutOutcome>> = std::thread::scope(|scope| {
            let put = |number: usize| move || self.put_if_absent(race, format!("racer {number:02}").as_bytes(), None);
            let threads: Vec<_> = (0..CONCURRENT_CREATES).map(|number| scope.spawn(put(number))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a put does not panic")).collect()
        });
        let mut winners = 0;
        for outcome in outcomes {
            winners += usize::from(outcome? == PutOutcome::Won);
        }
        if winners == 1 { Ok(()) } else { Err(broken(race, &format!("one of {CONCURRENT_CREATES} creates must win, {winners} did"))) }
    }
}

fn broken(place: &Path, cause: &str) -> Error {
    Error::new("STORE_IGNORES_CONDITIONS", "trust", place.display(), cause)
}
