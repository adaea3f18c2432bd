//! Which files and ports the kernel lets this process reach, and which system calls it refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, Scope, path_beneath_rules,
};
use millrace_wire::message::{AccessMode, AuthKind, Connection, ConnectionKind, HostHello};
use seccompiler::{SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule};

/// What the C library and the TLS library read after the start: names of hosts, certificates, shared objects of the resolver; what we read of ourselves.
const SYSTEM_FILES: [&str; 27] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/etc/ssl",
    "/etc/pki",
    "/etc/openssl",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/ssl",
    "/usr/local/ssl",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/proc/self",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/dev/urandom",
];
/// Variables that name files of certificates and of workload identities.
const NAMED_FILES: [&str; 6] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AZURE_FEDERATED_TOKEN_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
];
/// Variables that name services which give credentials.
const NAMED_SERVICES: [&str; 2] = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AZURE_AUTHORITY_HOST"];
/// Older kernels cannot tell a rename to another directory, or a truncation, from what must be refused: they give no Landlock that we can use.
const NEEDED: ABI = ABI::V3;

/// Returns what of it this kernel lacks. `Err`: there is no Landlock here that is good for us, and nothing was limited.
pub(super) fn limit_files_and_ports(hello: &HostHello) -> Result<Vec<String>, RulesetError> {
    let reading: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let writing = reading
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let ports = ports(hello);
    let (read_roots, write_roots) = roots(hello);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(NEEDED))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(ABI::V6))?;
    if ports.is_some() {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    let system = SYSTEM_FILES.iter().map(PathBuf::from).chain(named_files());
    let connects = ports.iter().flatten().map(|port| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp)));
    let status = ruleset
        .create()?
        .add_rules(path_beneath_rules(system.chain(standing(&read_roots)), reading))?
        .add_rules(path_beneath_rules(standing(&write_roots), writing))?
        .add_rules(connects)?
        .restrict_self()?;
    let has_ports = matches!(status.landlock, LandlockStatus::Available { effective_abi, .. } if effective_abi >= ABI::V4);
    let is_open = read_roots.iter().chain(&write_roots).any(|root| root.parent().is_some() && first_that_stands(root).parent().is_none());
    let parts = [("landlock.network", has_ports && ports.is_some()), ("landlock.roots", !is_open)];
    Ok(parts.into_iter().filter(|(_, is_there)| !is_there).map(|(name, _)| name.to_owned()).collect())
}

/// Roots for reading and for writing, those of connections included.
fn roots(hello: &HostHello) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let files = || hello.connections.iter().filter(|connection| connection.kind == ConnectionKind::File);
    let of = |given: &[String], is_writable: bool| -> Vec<PathBuf> {
        let own = files().filter(|connection| (connection.mode != AccessMode::Read) == is_writable).map(|connection| &connection.prefix);
        given.iter().chain(own).filter(|root| !root.is_empty()).map(PathBuf::from).collect()
    };
    let mut write_roots = of(&hello.write_roots, true);
    if !hello.scratch_dir.is_empty() {
        // Beside it lie those of other processes: it must stand before it is named. Where it cannot be made, work that spills says so.
        let _ = std::fs::create_dir_all(&hello.scratch_dir);
        write_roots.push(PathBuf::from(&hello.scratch_dir));
    }
    (of(&hello.read_roots, false), write_roots)
}

/// A root that is not there yet is made later, by us or by others: the nearest directory above it that stands is granted for it. The store's own
/// check of every path stays as narrow as it is.
fn standing(roots: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    roots.iter().map(|root| first_that_stands(root).to_owned())
}

fn first_that_stands(root: &Path) -> &Path {
    root.ancestors().find(|path| path.exists()).unwrap_or(root)
}

/// With the directories they lie in: tokens are replaced by new files of the same name.
fn named_files() -> impl Iterator<Item = PathBuf> {
    let named = NAMED_FILES.iter().filter_map(|name| Some((name, PathBuf::from(std::env::var_os(name)?))));
    named.map(|(name, path)| if name.contains("TOKEN") { path.parent().map(Path::to_owned).unwrap_or(path) } else { path })
}

/// The ports that storage listens on. `None`: a connection may lead to any.
fn ports(hello: &HostHello) -> Option<BTreeSet<u16>> {
    let mut ports: BTreeSet<u16> = hello.ports.iter().copied().collect();
    let is_remote = |connection: &&Connection| connection.kind != ConnectionKind::File;
    for connection in hello.connections.iter().filter(is_remote) {
        match &connection.endpoint {
            Some(endpoint) => {
                ports.insert(port_of(endpoint)?);
            }
            None if connection.kind == ConnectionKind::Http => return None,
            None => {}
        }
        if connection.auth == AuthKind::Ambient {
            // The services of clouds that know who a machine is.
            ports.insert(80);
            ports.extend(NAMED_SERVICES.iter().filter_map(|name| port_of(&std::env::var(name).ok()?)));
        }
    }
    for listed in &hello.http_allow {
        ports.insert(listed.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(443));
    }
    if hello.connections.iter().any(|connection| is_remote(&connection)) || !ports.is_empty() {
        // Buckets without an endpoint, tokens, and names whose answers are too long for UDP.
        ports.extend([443, 53]);
    }
    Some(ports)
}

/// The port of an `http` or `https` URL.
fn port_of(url: &str) -> Option<u16> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?;
    match host.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse().ok(),
        _ if scheme.eq_ignore_ascii_case("https") => Some(443),
        _ if scheme.eq_ignore_ascii_case("http") => Some(80),
        _ => None,
    }
}

/// Refuses what this process never does: other programs and processes, their memory, the machine's set-up. Threads are made as before.
pub(super) fn deny_calls() -> Result<(), String> {
    let text = |error: seccompiler::BackendError| error.to_string();
    let is_process =
        SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(libc::CLONE_THREAD as u64), 0).map_err(text)?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = denied().into_iter().map(|call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![is_process]).map_err(text)?]);
    apply(rules, libc::EPERM)?;
    // What it is to make stands in memory, where a filter cannot look. Without it the C library uses `clone`.
    apply(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
}

fn apply(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Result<(), String> {
    let text = |error: seccompiler::BackendError| error.to_string();
    let arch = std::env::consts::ARCH.try_into().map_err(text)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno as u32), arch).map_err(text)?;
    let program: seccompiler::BpfProgram = filter.try_into().map_err(text)?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

fn denied() -> Vec<i64> {
    let mut calls = vec![
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_process_madvise,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_fsopen,
        libc::SYS_fspick,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_mount_setattr,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_adjtimex,
        libc::SYS_clock_adjtime,
        libc::SYS_open_by_handle_at,
        libc::SYS_listen,
        libc::SYS_accept,
        libc::SYS_accept4,
    ];
    #[cfg(target_arch = "x86_64")]
    {
        calls.extend([libc::SYS_fork, libc::SYS_vfork, libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_kexec_file_load]);
        // The same calls under the numbers of the 32-bit pointer interface, some of which has its own.
        const X32: i64 = 0x4000_0000;
        let twins: Vec<i64> = calls.iter().map(|call| call | X32).collect();
        calls.extend(twins);
        calls.extend([520, 521, 528, 539, 540, 545].map(|call| call | X32));
        calls.extend([libc::SYS_clone | X32, libc::SYS_clone3 | X32]);
    }
    calls
}
