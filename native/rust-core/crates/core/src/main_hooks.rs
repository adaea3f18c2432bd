//! The core of tests: as the product, but records that hold a marker crash it, hang it, or are forgotten.

use millrace_core::{Platform, hooks, panics, sandbox, serve};

fn main() {
    panics::report_as_json();
    let stdout = sandbox::take_stdout();
    let platform = Platform { hook: Some(&hooks::Markers), ..Platform::of_this_process() };
    let code = panics::or_exit_code(|| serve(std::io::stdin().lock(), stdout, &platform));
    std::process::exit(code);
}
