//! Command line tool of the bilevel project.
fn main() {}
