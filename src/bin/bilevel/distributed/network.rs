//! How processes are connected, as they were told.

use std::time::Duration;

use anyhow::{Result, ensure};
use bilevel_distributed::communicator::{Tls, ZenohSettings};

use crate::args::NetworkArguments;

/// # Errors
/// If a number is out of its range.
pub(crate) fn network(arguments: &NetworkArguments, address: String) -> Result<ZenohSettings> {
    let usual = ZenohSettings::local(&arguments.run, 0);
    let least = 3.0 * usual.wait_before_close.as_secs_f64();
    let lease = arguments.lease;
    ensure!(
        (least..3600.0).contains(&lease),
        "--lease must be from {least} to 3600 seconds, got {lease}"
    );
    let files = arguments.tls_ca.clone().zip(arguments.tls_cert.clone());
    let files = files.zip(arguments.tls_key.clone());
    Ok(ZenohSettings {
        address,
        tls: files.map(|((authority, certificate), key)| Tls {
            authority,
            certificate,
            key,
        }),
        insecure: arguments.insecure,
        lease: Duration::from_secs_f64(lease),
        ..usual
    })
}
