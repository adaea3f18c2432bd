//! A store over HTTP that answers as it is told: objects in memory, in the dialects of S3, Google and Azure, and a queue of faults for each verb.

mod answer;
mod http;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use millrace_store::{Auth, Call, Connection, Credentials, Grants, Kind, Limits, Mode, Secret, Store};

/// What a request asks, told from its method, query and conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Stat,
    Get,
    Range,
    List,
    Delete,
    Overwrite,
    Create,
    Replace,
    StartUpload,
    Piece,
    FinishUpload,
    AbortUpload,
}

/// What the store does instead of what it was asked.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers so and does nothing.
    Status(u16, &'static str),
    /// The same, and asks to be left alone for a second.
    Busy(u16),
    /// Does it, then answers so.
    DoneThen(u16),
    /// Does it, then breaks the connection.
    DoneThenReset,
    Reset,
    /// Never answers.
    Silence,
    /// Half of the body, then the end of the connection.
    ShortBody,
    /// 200 and everything, whatever range was asked for.
    Whole,
    OtherEtag,
    /// 200 and a body that says that it failed.
    ErrorInside,
}

#[derive(Default)]
pub struct State {
    pub objects: BTreeMap<String, (Vec<u8>, u64)>,
    pub uploads: HashMap<String, BTreeMap<String, Vec<u8>>>,
    pub faults: HashMap<Verb, VecDeque<Fault>>,
    /// Verb and the header `range` of everything that was asked.
    pub asked: Vec<(Verb, Option<String>)>,
    pub ignores_conditions: bool,
    pub last_authorization: Option<String>,
    versions: u64,
}

pub struct Stub {
    pub kind: Kind,
    pub address: String,
    state: Arc<Mutex<State>>,
    is_over: Arc<AtomicBool>,
}

impl Stub {
    pub fn start(kind: Kind) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stub = Stub { kind, address, state: Arc::default(), is_over: Arc::default() };
        let (state, is_over) = (Arc::clone(&stub.state), Arc::clone(&stub.is_over));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (state, stream) = (Arc::clone(&state), stream.unwrap());
                std::thread::spawn(move || serve(kind, &state, stream));
            }
        });
        stub
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The next requests of this verb go so, one after the other.
    pub fn plan(&self, verb: Verb, faults: &[Fault]) {
        self.state().faults.insert(verb, faults.iter().cloned().collect());
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.state().put(key, bytes.to_vec());
    }

    pub fn asked(&self, verb: Verb) -> usize {
        self.state().asked.iter().filter(|(asked, _)| *asked == verb).count()
    }

    pub fn connection(&self) -> Connection {
        let path = if self.kind == Kind::Azure { "/account" } else { "" };
        Connection {
            name: "lake".into(),
            kind: self.kind,
            endpoint: Some(format!("http://{}{path}", self.address)),
            region: None,
            bucket: (self.kind != Kind::Http).then(|| "data".into()),
            prefix: String::new(),
            mode: if self.kind == Kind::Http { Mode::Read } else { Mode::Both },
            auth: if self.kind == Kind::S3 { Auth::Pipe } else { Auth::None },
            plain_http: true,
            private_addresses: self.kind == Kind::Http,
        }
    }

    pub fn store(&self) -> Store {
        store_of(self.connection())
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
    }
}

/// A store that gives up soon.
pub fn store_of(connection: Connection) -> Store {
    let limits = Limits {
        connect: Duration::from_secs(2),
        answer: Duration::from_millis(250),
        first_wait: Duration::from_millis(2),
        try_for: Duration::from_secs(10),
    };
    Store::with_limits(&Grants { connections: vec![connection], ..Grants::default() }, limits).unwrap()
}

pub const SECRET: &str = "secret-that-nobody-may-see";

pub fn credentials() -> Credentials {
    let field = |name: &str, value: &str| (name.to_owned(), Secret::new(value.into()));
    let fields = vec![field("accessKeyId", "key-that-nobody-may-see"), field("secretAccessKey", SECRET)];
    Credentials { connection: "lake".into(), kind: "aws".into(), fields, expires_at_ms: None }
}

pub fn call() -> Call {
    Call { deadline: None, is_cancelled: Box::new(|| false) }
}

impl State {
    fn put(&mut self, key: &str, bytes: Vec<u8>) -> String {
        self.versions += 1;
        self.objects.insert(key.to_owned(), (bytes, self.versions));
        etag(self.versions)
    }
}

fn etag(version: u64) -> String {
    format!("\"v{version}\"")
}

fn serve(kind: Kind, state: &Mutex<State>, mut stream: TcpStream) {
    while let Some(request) = http::read(&mut stream) {
        let verb = answer::verb_of(&request);
        let fault = {
            let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            state.asked.push((verb, request.header("range").map(str::to_owned)));
            state.last_authorization = request.header("authorization").map(str::to_owned);
            state.faults.get_mut(&verb).and_then(VecDeque::pop_front)
        };
        let go_on = answer::answer(kind, state, verb, &request, fault, &mut stream);
        if !go_on {
            return;
        }
    }
}
