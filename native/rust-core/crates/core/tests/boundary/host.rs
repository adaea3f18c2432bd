//! A host as small as it can be: starts a core, says hello, asks, collects what comes.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use millrace_wire::hello::{PROTOCOL, SCHEMA_HASH};
use millrace_wire::message::{
    AccessMode, Connection, CoreHello, Done, DoneBody, Event, Failed, HostHello, LogLevel, Request, Response, SandboxWish,
};
use millrace_wire::{
    Frame, Outbound, Payload, decode_core_hello, decode_event_or_response, encode_host_hello, encode_request, read_frame, write_frame,
};

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Host {
    pub child: Child,
    stdin: Option<ChildStdin>,
    frames: Receiver<Frame>,
    next_id: u64,
    pub hello: CoreHello,
}

/// What a request brought: its events, then its answer.
pub struct Answered {
    pub events: Vec<Event>,
    pub response: Response,
    pub payload: Payload,
}

impl Answered {
    pub fn done(&self) -> &DoneBody {
        match &self.response {
            Response::Done(Done { body }) => body,
            Response::Failed(failed) => panic!("failed: {} {}", failed.code, failed.message),
        }
    }

    pub fn failed(&self) -> &Failed {
        match &self.response {
            Response::Failed(failed) => failed,
            Response::Done(done) => panic!("expected a failure, got {done:?}"),
        }
    }
}

pub fn hello_of(root: &Path) -> HostHello {
    let directory = |name: &str| root.join(name).to_str().unwrap().to_owned();
    HostHello {
        protocol: PROTOCOL,
        schema_hash: SCHEMA_HASH,
        host_version: "test".into(),
        nonce: [7; 16],
        parent_pid: std::process::id(),
        slot: 0,
        memory_bytes: 1 << 30,
        scratch_bytes: 0,
        scratch_dir: directory("scratch"),
        read_roots: vec![directory("in")],
        write_roots: vec![directory("out")],
        connections: vec![Connection {
            name: "journal".into(),
            prefix: directory("journal"),
            mode: AccessMode::Both,
            ..Connection::default()
        }],
        http_allow: Vec::new(),
        ports: Vec::new(),
        sandbox: SandboxWish::BestEffort,
        log_level: LogLevel::Info,
    }
}

/// A core that has not been greeted.
pub fn spawn() -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace-core"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

impl Host {
    pub fn start(root: &Path) -> Host {
        Host::greet(spawn(), hello_of(root))
    }

    pub fn greet(mut child: Child, hello: HostHello) -> Host {
        let mut stdin = child.stdin.take().unwrap();
        write_frame(&mut stdin, &encode_host_hello(&hello).unwrap()).unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let first = read_frame(&mut stdout).unwrap().expect("the core greets");
        let hello = decode_core_hello(&first).unwrap();
        let (sender, frames) = channel();
        std::thread::spawn(move || {
            while let Ok(Some(frame)) = read_frame(&mut stdout) {
                if sender.send(frame).is_err() {
                    return;
                }
            }
        });
        Host { child, stdin: Some(stdin), frames, next_id: 0, hello }
    }

    /// Sends a request and returns its number.
    pub fn send(&mut self, request: impl Into<Request>, payload: &[u8]) -> u64 {
        self.next_id += 1;
        let frame = encode_request(self.next_id, request.into(), payload.to_vec()).unwrap();
        write_frame(self.stdin.as_mut().unwrap(), &frame).unwrap();
        self.next_id
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        // A core that has gone already closes the pipe; its exit code is what counts.
        let _ = stdin.write_all(bytes).and_then(|()| stdin.flush());
    }

    pub fn next(&mut self) -> (u64, Outbound, Payload) {
        let frame = self.frames.recv_timeout(PATIENCE).expect("a frame comes");
        let received = decode_event_or_response(frame).unwrap();
        (received.request_id, received.message, received.payload)
    }

    /// The next frame, or `None` when the core is gone.
    #[cfg(feature = "test-hooks")]
    pub fn try_next(&mut self) -> Option<(u64, Outbound, Payload)> {
        let frame = self.frames.recv().ok()?;
        let received = decode_event_or_response(frame).unwrap();
        Some((received.request_id, received.message, received.payload))
    }

    /// Waits for the answer to a request; nothing may come for another one.
    pub fn wait(&mut self, id: u64) -> Answered {
        let mut events = Vec::new();
        loop {
            let (of, message, payload) = self.next();
            assert_eq!(of, id, "only one request is open");
            match message {
                Outbound::Event(event) => events.push(event),
                Outbound::Response(response) => return Answered { events, response, payload },
            }
        }
    }

    pub fn ask(&mut self, request: impl Into<Request>) -> Answered {
        self.ask_with(request, &[])
    }

    pub fn ask_with(&mut self, request: impl Into<Request>, payload: &[u8]) -> Answered {
        let id = self.send(request, payload);
        self.wait(id)
    }

    pub fn is_silent(&mut self, wait: Duration) -> bool {
        matches!(self.frames.recv_timeout(wait), Err(RecvTimeoutError::Timeout))
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for the end; exit code and stderr.
    pub fn end(mut self) -> (Option<i32>, String) {
        self.stdin = None;
        exit_of(&mut self.child)
    }
}

pub fn exit_of(child: &mut Child) -> (Option<i32>, String) {
    let until = Instant::now() + PATIENCE;
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        assert!(Instant::now() < until, "the core ends");
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (code, stderr)
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
