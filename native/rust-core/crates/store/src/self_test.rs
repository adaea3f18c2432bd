//! Proves at the start of a service that a store keeps the promises commits rest on.

use crate::error::{Error, Result};
use crate::local::owner_name;
use crate::object::{Deleted, ListQuery, PutOutcome};
use crate::place::Place;
use crate::store::Store;

const CONCURRENT_CREATES: usize = 16;

impl Store {
    /// Creates, loses, replaces, races, lists and deletes probes below a folder. `STORE_IGNORES_CONDITIONS` names what did not hold.
    pub fn self_test(&self, folder: &Place) -> Result<()> {
        let name = format!("_selftest-{}", unique_name());
        let probe = folder.below(&format!("{name}/probe"));
        let race = folder.below(&format!("{name}/race"));
        let end = self.check_conditions(folder, &name, &probe).and_then(|()| self.check_race(&race));
        let cleaned = self.delete(&probe).and(self.delete(&race));
        self.prune_empty(&probe, folder)?;
        end?;
        cleaned.map(|_| ())
    }

    fn check_conditions(&self, folder: &Place, name: &str, probe: &Place) -> Result<()> {
        let expect = |held: bool, what: &str| if held { Ok(()) } else { Err(self.broken(probe, what)) };
        expect(self.put_if_absent(probe, b"first", None)? == PutOutcome::Won, "the first create must win")?;
        expect(self.put_if_absent(probe, b"second", None)? == PutOutcome::Lost(b"first".to_vec()), "the second create must lose")?;
        let stale = self.stat(probe)?.map(|stat| stat.etag).unwrap_or_default();
        expect(self.replace(probe, b"third!", &stale)?.0 == PutOutcome::Won, "a replace of the current version must win")?;
        expect(
            self.replace(probe, b"fourth", &stale)?.0 == PutOutcome::Lost(b"third!".to_vec()),
            "a replace of a stale version must lose",
        )?;
        let prefix = format!("{name}/");
        let listing = self.list(folder, &ListQuery { prefix: &prefix, limit: 10, ..ListQuery::default() })?;
        expect(listing.entries.iter().any(|entry| entry.key == format!("{name}/probe")), "a listing must show the object")?;
        expect(self.delete(probe)? == Deleted::Deleted && self.stat(probe)?.is_none(), "a deleted object must be gone")
    }

    fn check_race(&self, race: &Place) -> Result<()> {
        let outcomes: Vec<Result<PutOutcome>> = std::thread::scope(|scope| {
            let put = |number: usize| move || self.put_if_absent(race, format!("racer {number:02}").as_bytes(), None);
            let threads: Vec<_> = (0..CONCURRENT_CREATES).map(|number| scope.spawn(put(number))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a put does not panic")).collect()
        });
        let mut winners = 0;
        for outcome in outcomes {
            winners += usize::from(outcome? == PutOutcome::Won);
        }
        if winners == 1 { Ok(()) } else { Err(self.broken(race, &format!("one of {CONCURRENT_CREATES} creates must win, {winners} did"))) }
    }

    fn broken(&self, place: &Place, cause: &str) -> Error {
        Error::new("STORE_IGNORES_CONDITIONS", "trust", self.name_of(place), cause)
    }
}

/// Two processes that test the same place at once, on different machines, must not meet.
fn unique_name() -> String {
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::time::SystemTime::now());
    format!("{}-{random:016x}", owner_name(None))
}
