//! The core as a process: the real streams, the real limits, one exit code.

use millrace_core::{Platform, panics, sandbox, serve};

fn main() {
    panics::report_as_json();
    millrace_store::install_tls();
    let stdout = sandbox::take_stdout();
    let code = panics::or_exit_code(|| serve(std::io::stdin().lock(), stdout, &Platform::of_this_process()));
    // Work in hand is abandoned here: threads that still run end with the process.
    std::process::exit(code);
}
