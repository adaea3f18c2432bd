//! Each attempt to get out, made for real by a process that has shut itself in: this test program, started once more.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::Command;

use millrace_wire::message::{HostHello, SandboxState, SandboxWish};

use super::enter;

/// Folder, a port that is granted and one that is not, for the process within.
const WITHIN: &str = "MILLRACE_TEST_WITHIN";

#[test]
fn what_is_outside_is_out_of_reach() {
    if let Some(told) = std::env::var_os(WITHIN) {
        return within(told.to_str().unwrap());
    }
    let root = std::env::temp_dir().join(format!("millrace-sandbox-test-{}", std::process::id()));
    for name in ["in", "out/a", "out/b", "other"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(root.join("in/x"), "readable").unwrap();
    fs::write(root.join("other/x"), "secret").unwrap();
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (granted, other) = (listen(), listen());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let told = format!("{}|{}|{}", root.display(), port(&granted), port(&other));
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "sandbox::tests::what_is_outside_is_out_of_reach", "--nocapture", "--test-threads=1"]).env(WITHIN, told);
    let ended = child.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    fs::remove_dir_all(&root).unwrap();
    assert!(ended.status.success() && said.contains("within:"), "{said}");
    println!("{said}");
}

fn within(told: &str) {
    let [root, granted, other] = told.split('|').collect::<Vec<_>>().try_into().unwrap();
    let root = Path::new(root);
    let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let hello = HostHello {
        parent_pid: std::os::unix::process::parent_id(),
        memory_bytes: 1 << 30,
        scratch_dir: path("scratch"),
        read_roots: vec![path("in")],
        write_roots: vec![path("out")],
        ports: vec![granted.parse().unwrap()],
        sandbox: SandboxWish::BestEffort,
        ..HostHello::default()
    };
    let entered = enter(&hello).unwrap();
    println!("within: {:?}, without {:?}", entered.state, entered.missing);
    if entered.state != SandboxState::Full {
        println!("skipped what this kernel cannot give: {:?}", entered.missing);
    }
    let lacks = |part: &str| entered.missing.iter().any(|missing| missing.starts_with(part));
    if !lacks("landlock") {
        files(root);
        ports(granted, other);
    }
    if !lacks("seccomp") {
        calls();
    }
    let huge = File::create(root.join("out/huge")).unwrap();
    assert_eq!(huge.set_len(100 << 30).unwrap_err().kind(), ErrorKind::FileTooLarge);
    // What work needs goes on: threads, names, the clock.
    assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
    assert!("localhost:1".to_socket_addrs().unwrap().next().is_some());
    assert!(crate::memory::rss_bytes() > 0);
}

fn denied<T>(tried: std::io::Result<T>) -> bool {
    tried.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

fn files(root: &Path) {
    let at = |name: &str| root.join(name);
    assert!(denied(File::open(at("other/x"))));
    assert!(denied(fs::read_dir(at("other"))));
    assert!(denied(File::open("/etc/passwd")));
    assert!(denied(File::create(at("in/new"))));
    assert!(denied(File::create(at("other/new"))));
    assert!(denied(fs::remove_file(at("in/x"))));
    assert!(fs::rename(at("out/a"), at("other/a")).is_err());
    assert_eq!(fs::read_to_string(at("in/x")).unwrap(), "readable");
    let mut part = File::create(at("out/a/part.tmp")).unwrap();
    part.write_all(b"rows").unwrap();
    part.sync_all().unwrap();
    File::open(at("out/a")).unwrap().sync_all().unwrap();
    fs::hard_link(at("out/a/part.tmp"), at("out/a/part")).unwrap();
    fs::rename(at("out/a/part"), at("out/b/part")).unwrap();
    fs::create_dir_all(at("out/c/d")).unwrap();
    fs::remove_dir_all(at("out/c")).unwrap();
    fs::write(at("scratch/spill"), "rows").unwrap();
}

fn ports(granted: &str, other: &str) {
    TcpStream::connect(format!("127.0.0.1:{granted}")).unwrap();
    assert!(denied(TcpStream::connect(format!("127.0.0.1:{other}"))));
    assert!(TcpListener::bind("127.0.0.1:0").is_err());
}

#[allow(unsafe_code)]
fn calls() {
    assert!(denied(Command::new("/bin/true").spawn()));
    // SAFETY: a process made here would end at once, and a trace of nobody changes nothing; both are to be refused.
    let (forked, traced) = unsafe {
        let forked = libc::fork();
        if forked == 0 {
            libc::_exit(0);
        }
        (forked, libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0))
    };
    assert_eq!((forked, traced), (-1, -1));
}
