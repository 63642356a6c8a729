//! The JavaScript worker on its own, for the tests of this crate: `flowforge js-worker` does the same.

fn main() -> std::process::ExitCode {
    flowforge_nodes::js_worker_main()
}
