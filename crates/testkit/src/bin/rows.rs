//! Prints the scenarios whose times are published, one a line; with `filling`, the one with which
//! clusters are filled.

use trainyard_testkit::rows;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("filling") {
        println!("{}", rows::filling());
        return;
    }
    for row in rows::all() {
        println!("{row}");
    }
}
