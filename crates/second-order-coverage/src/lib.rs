//! Which operations and layers of Burn can be differentiated twice: one integration test.
//!
//! It is a package of its own so that it can be compiled without optimisation: hundreds of
//! functions on two tapes above two backends take one minute so, and five with the settings of the
//! other tests.
