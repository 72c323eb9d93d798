//! The compile worker of the tests: a program whose `main` does what every embedder's does first.

fn main() {
    vestibule_engine::worker::serve_if_asked();
    eprintln!("this program is a compile worker; it is started by the tests");
    std::process::exit(2);
}
