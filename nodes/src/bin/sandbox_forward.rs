//! The forwarder on its own, for the tests of this crate: `flowforge sandbox-forward` does the same.

fn main() -> std::process::ExitCode {
    flowforge_nodes::sandbox_forward_main(std::env::args_os().skip(1))
}
