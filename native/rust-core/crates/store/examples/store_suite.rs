//! What commits rest on, against a real S3 server: `npm run test:stores` starts one and gives it here. Ends with 1 at the first promise that fails.
//!
//! Variables: `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `MILLRACE_TEST_BUCKET`.

use std::time::Instant;

use millrace_store::{
    Access, Auth, Call, Connection, Credentials, Deleted, Grants, Kind, ListQuery, Mode, Place, PutOutcome, Secret, Store,
};

const RACES: usize = 20;
const WRITERS: usize = 16;
const PART_BYTES: usize = 27 << 20;
const LISTED: usize = 25;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("expected the variable {name}"))
}

struct Suite {
    store: Store,
    bucket: String,
}

impl Suite {
    fn open() -> Suite {
        let bucket = variable("MILLRACE_TEST_BUCKET");
        let connection = Connection {
            name: "lake".into(),
            kind: Kind::S3,
            endpoint: Some(variable("AWS_ENDPOINT_URL")),
            region: Some("us-east-1".into()),
            bucket: Some(bucket.clone()),
            prefix: String::new(),
            mode: Mode::Both,
            auth: Auth::Pipe,
            plain_http: true,
            private_addresses: false,
        };
        let store = Store::new(&Grants { connections: vec![connection], ..Grants::default() }).expect("the grants are valid");
        Suite { store, bucket }
    }

    fn at(&self, key: &str) -> Place {
        self.store.place(&format!("s3://{}/suite/{key}", self.bucket), None, Access::Write).expect("the key is valid")
    }

    fn self_test(&self) {
        let Place::Object { connection, .. } = self.at("x") else { panic!("a bucket holds objects") };
        self.store.self_test(&Place::Object { connection, key: "suite/".into() }).expect("the self-test passes");
    }

    fn races(&self) {
        for race in 0..RACES {
            let place = self.at(&format!("race/{race:02}"));
            let outcomes: Vec<(String, PutOutcome)> = std::thread::scope(|scope| {
                let put = |number: usize| {
                    let place = &place;
                    move || {
                        let attempt = format!("a{number:02}");
                        let outcome = self.store.put_if_absent(place, attempt.as_bytes(), Some(&attempt)).expect("a put is decided");
                        (attempt, outcome)
                    }
                };
                let threads: Vec<_> = (0..WRITERS).map(|number| scope.spawn(put(number))).collect();
                threads.into_iter().map(|thread| thread.join().expect("a put does not panic")).collect()
            });
            let winners: Vec<_> = outcomes.iter().filter(|(_, outcome)| *outcome == PutOutcome::Won).collect();
            assert_eq!(winners.len(), 1, "race {race}");
            let winner = winners[0].0.clone().into_bytes();
            assert!(outcomes.iter().all(|(attempt, outcome)| attempt.as_bytes() == winner || *outcome == PutOutcome::Lost(winner.clone())));
        }
    }

    fn versions(&self) {
        let place = self.at("versioned");
        let first = self.store.overwrite(&place, b"one").expect("a put works");
        let mut input = self.store.open_input(&place, Some(&first)).expect("the version stands");
        assert_eq!(input.read_at(0, &mut [0; 3]).expect("it is read"), 3);
        self.store.overwrite(&place, b"two").expect("a put works");
        assert_eq!(self.store.open_input(&place, Some(&first)).err().map(|error| error.code), Some("INPUT_CHANGED"));
        let mut stale = input;
        stale.announce(0, 3);
        assert_eq!(stale.read_at(0, &mut [0; 3]).err().map(|error| error.code), Some("INPUT_CHANGED"), "If-Match on a range");
        assert_eq!(self.store.replace(&place, b"three", &first).expect("it is decided").0, PutOutcome::Lost(b"two".to_vec()));
    }

    fn parts(&self) {
        let content: Vec<u8> = (0..PART_BYTES as u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut part = self.store.open_part(&self.at("part")).expect("a part opens");
        content.chunks(1 << 20).for_each(|block| part.write(block).expect("a block is written"));
        let done = part.finish().expect("the part is complete");
        assert_eq!(done.bytes, PART_BYTES as u64);
        let mut input = self.store.open_input(&self.at("part"), None).expect("the part is there");
        let mut back = vec![0; PART_BYTES];
        input.announce(0, PART_BYTES as u64);
        assert_eq!(input.read_at(0, &mut back).expect("it is read"), PART_BYTES);
        assert!(back == content, "what was written is what is read");
        let mut abandoned = self.store.open_part(&self.at("abandoned")).expect("a part opens");
        abandoned.write(&content[..9 << 20]).expect("a piece is written");
        abandoned.abort();
        assert_eq!(self.store.stat(&self.at("abandoned")), Ok(None));
    }

    fn listing(&self) {
        let mut keys: Vec<String> = (0..LISTED).map(|number| format!("list/{}/k{number}", number % 3)).collect();
        keys.push("list/ü b&c.csv".into());
        for key in &keys {
            self.store.overwrite(&self.at(key), b"x").expect("a put works");
        }
        keys.sort_unstable();
        let folder = self.store.folder("lake").expect("a bucket is a folder");
        for limit in [1, 7, 100] {
            let (mut seen, mut start_after) = (Vec::new(), String::new());
            loop {
                let query = ListQuery { prefix: "suite/list/", start_after: &start_after, limit, delimiter: false };
                let listing = self.store.list(&folder, &query).expect("a listing works");
                seen.extend(listing.entries.iter().map(|entry| entry.key.trim_start_matches("suite/").to_owned()));
                let Some(last) = listing.entries.last().filter(|_| listing.more) else { break };
                start_after = last.key.clone();
            }
            assert_eq!(seen, keys, "pages of {limit}");
        }
        let folded = ListQuery { prefix: "suite/list/", limit: 100, delimiter: true, ..ListQuery::default() };
        let names: Vec<_> =
            self.store.list(&folder, &folded).expect("a listing works").entries.into_iter().map(|entry| entry.key).collect();
        assert_eq!(names, ["suite/list/0/", "suite/list/1/", "suite/list/2/", "suite/list/ü b&c.csv"]);
    }

    fn clean(&self) {
        let folder = self.store.folder("lake").expect("a bucket is a folder");
        let query = ListQuery { prefix: "suite/", limit: 1_000, ..ListQuery::default() };
        for entry in self.store.list(&folder, &query).expect("a listing works").entries {
            let place = self.at(entry.key.trim_start_matches("suite/"));
            assert_eq!(self.store.delete(&place), Ok(Deleted::Deleted));
        }
        assert!(self.store.list(&folder, &query).expect("a listing works").entries.is_empty());
    }
}

/// What a step shows, and the step.
type Step = (&'static str, fn(&Suite));

fn main() {
    let suite = Suite::open();
    let field = |name: &str, variable_name: &str| (name.to_owned(), Secret::new(variable(variable_name)));
    let fields = vec![field("accessKeyId", "AWS_ACCESS_KEY_ID"), field("secretAccessKey", "AWS_SECRET_ACCESS_KEY")];
    let credentials = Credentials { connection: "lake".into(), kind: "aws".into(), fields, expires_at_ms: None };
    let call = Call { deadline: None, is_cancelled: Box::new(|| false) };
    let _visit = suite.store.enter(call, &[credentials]);
    let steps: [Step; 6] = [
        ("self-test", Suite::self_test),
        ("20 races of 16 writers", Suite::races),
        ("versions and conditions", Suite::versions),
        ("multipart and ranges", Suite::parts),
        ("listing", Suite::listing),
        ("deleting", Suite::clean),
    ];
    for (name, step) in steps {
        let started = Instant::now();
        step(&suite);
        println!("ok {name} {} ms", started.elapsed().as_millis());
    }
}
