//! The binary: daemon, command line, demo.

mod cli;
mod demo;
mod log;
mod run;

fn main() -> std::process::ExitCode {
    // a worker confines its whole process, and does so before anything else happens in it
    if std::env::args_os().nth(1).is_some_and(|verb| verb == cli::WORKER) {
        return cli::worker();
    }
    cli::main()
}
