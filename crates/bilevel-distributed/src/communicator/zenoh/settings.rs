//! How master and workers are connected.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zenoh::Config;

use super::access::access_control;
use super::network;
use crate::error::{Error, ErrorKind, in_range};

/// How master and workers are connected; both sides need the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZenohSettings {
    /// The run's name: letters, digits, `-` and `_`.
    pub run: String,
    /// `host:port` where the master listens.
    pub address: String,
    /// Certificates; without them an address that is not of this machine is refused.
    pub tls: Option<Tls>,
    /// Allows any address without certificates: whoever reaches it can read and take part.
    pub insecure: bool,
    /// A worker that has been silent for so long is lost; at least three times `wait_before_close`.
    pub lease: Duration,
    /// For how long a reply waits for a worker that does not read, before its link is closed.
    pub wait_before_close: Duration,
    /// Bytes that a message may have.
    pub most_bytes: usize,
    /// For how long a worker tries to reach the master at first.
    pub connect_timeout: Duration,
    /// For how long the master, when a run is over, waits for workers that have not been told.
    pub linger: Duration,
}

/// Files in PEM format. Each side shows its certificate and asks for the other's.
///
/// The master's has to be for its address; worker i's has the common name `worker-i`, and lets it
/// take part as worker i only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate of the authority that signed all others.
    pub authority: PathBuf,
    /// This side's certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl ZenohSettings {
    /// On this machine, without certificates.
    pub fn local(run: impl Into<String>, port: u16) -> Self {
        Self {
            run: run.into(),
            address: format!("127.0.0.1:{port}"),
            tls: None,
            insecure: false,
            lease: Duration::from_secs(5),
            wait_before_close: Duration::from_secs(1),
            most_bytes: crate::worker::MOST_BYTES,
            connect_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(10),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.run.is_empty() || !self.run.chars().all(plain) {
            return Err(network(format!(
                "the run's name {:?} may have letters, digits, - and _ only",
                self.run
            )));
        }
        let local = match self.address.parse::<SocketAddr>() {
            Ok(address) => address.ip().is_loopback(),
            Err(_) => self.address.starts_with("localhost:"),
        };
        if !local && self.tls.is_none() && !self.insecure {
            let address = self.address.clone();
            return Err(ErrorKind::Insecure { address }.into());
        }
        in_range(
            "lease",
            self.lease.as_secs_f64(),
            self.lease >= 3 * self.wait_before_close,
            "at least three times wait_before_close",
        )?;
        Ok(())
    }

    fn endpoint(&self) -> String {
        let scheme = if self.tls.is_some() { "tls" } else { "tcp" };
        format!("[{}]", quoted(&format!("{scheme}/{}", self.address)))
    }

    pub(super) fn master(&self, workers: usize) -> Result<Config, Error> {
        let mut side = vec![
            ("mode", r#""peer""#.to_owned()),
            ("listen/endpoints", self.endpoint()),
            ("listen/exit_on_failure", "true".to_owned()),
        ];
        if self.tls.is_some() {
            side.push(("access_control", access_control(&self.run, workers)));
        }
        self.config(&side)
    }

    pub(super) fn worker(&self) -> Result<Config, Error> {
        let retry = r#"{ period_init_ms: 100, period_max_ms: 500, period_increase_factor: 2 }"#;
        self.config(&[
            ("mode", r#""client""#.to_owned()),
            ("connect/endpoints", self.endpoint()),
            (
                "connect/timeout_ms",
                self.connect_timeout.as_millis().to_string(),
            ),
            ("connect/retry", retry.to_owned()),
        ])
    }

    fn config(&self, side: &[(&str, String)]) -> Result<Config, Error> {
        self.check()?;
        let mut config = Config::default();
        let mut set = |key: &str, value: &str| config.insert_json5(key, value).map_err(network);
        for (key, value) in side {
            set(key, value)?;
        }
        set("scouting/multicast/enabled", "false")?;
        set("scouting/gossip/enabled", "false")?;
        set(
            "transport/link/tx/lease",
            &self.lease.as_millis().to_string(),
        )?;
        set(
            "transport/link/tx/queue/congestion_control/block/wait_before_close",
            &self.wait_before_close.as_micros().to_string(),
        )?;
        set(
            "transport/link/rx/max_message_size",
            &(self.most_bytes + 4096).to_string(),
        )?;
        if let Some(tls) = &self.tls {
            let entries = [
                ("root_ca_certificate", path(&tls.authority)),
                ("listen_certificate", path(&tls.certificate)),
                ("listen_private_key", path(&tls.key)),
                ("connect_certificate", path(&tls.certificate)),
                ("connect_private_key", path(&tls.key)),
                ("enable_mtls", "true".to_owned()),
            ];
            for (key, value) in entries {
                set(&format!("transport/link/tls/{key}"), &value)?;
            }
        }
        Ok(config)
    }
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// As a string of JSON.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
