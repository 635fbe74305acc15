//! Certificates: who has none is not connected, and who has one speaks for nobody else.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bilevel_distributed::communicator::{
    Event, MasterCommunicator, Tls, WorkerCommunicator, WorkerId, ZenohMaster, ZenohSettings,
    ZenohWorker,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

use super::listen_with;
use crate::conformance::WAIT;

/// An authority for one test.
struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test");
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { folder, issuer }
    }

    /// A certificate of that name, for this machine.
    fn sign(&self, name: &str) -> Tls {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        params.subject_alt_names.push(SanType::IpAddress(here));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |kind: &str, text: String| -> PathBuf {
            let path = self.folder.path().join(format!("{name}.{kind}"));
            fs::write(&path, text).expect("written");
            path
        };
        Tls {
            authority: self.path("ca.pem"),
            certificate: file("pem", certificate.pem()),
            key: file("key", key.serialize_pem()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }
}

/// A master of two workers with a certificate, and what a worker needs but for its own.
fn secured(authority: &Authority) -> (ZenohMaster, ZenohSettings) {
    let tls = authority.sign("master");
    listen_with(2, |settings| {
        settings.tls = Some(tls.clone());
        settings.connect_timeout = Duration::from_secs(2);
    })
}

fn with(settings: &ZenohSettings, tls: Option<Tls>) -> ZenohSettings {
    ZenohSettings {
        tls,
        ..settings.clone()
    }
}

#[test]
fn a_worker_with_its_certificate_takes_part() {
    let authority = Authority::new();
    let (mut master, settings) = secured(&authority);
    let settings = with(&settings, Some(authority.sign("worker-1")));
    let mut end = ZenohWorker::connect(&settings, WorkerId(1)).expect("a master");
    let asks = std::thread::spawn(move || end.exchange(0, vec![1; 1 << 20].into(), WAIT));
    let mut next = || {
        let deadline = master.now() + WAIT;
        let event = master.next_event(deadline).expect("works");
        event.expect("an event in time")
    };
    assert!(matches!(next(), Event::Joined(WorkerId(1), _)));
    let Event::Answer(stamp, payload) = next() else {
        panic!("an answer");
    };
    assert_eq!(payload.len(), 1 << 20);
    master.reply(stamp, vec![2; 1 << 20].into());
    let reply = asks.join().expect("no panic").expect("a reply");
    assert_eq!(reply.len(), 1 << 20);
    // Its end is told under access control too.
    let deadline = master.now() + WAIT;
    let left = master.next_event(deadline).expect("works");
    assert!(
        matches!(left, Some(Event::Left(WorkerId(1), ..))),
        "{left:?}"
    );
}

#[test]
fn without_a_certificate_nobody_connects() {
    let authority = Authority::new();
    let (mut master, settings) = secured(&authority);
    let plain = with(&settings, None);
    ZenohWorker::connect(&plain, WorkerId(0)).expect_err("plain text");
    // Signed by somebody else.
    let other = Authority::new();
    let own = other.sign("worker-0");
    let foreign = Tls {
        authority: authority.path("ca.pem"),
        ..own.clone()
    };
    ZenohWorker::connect(&with(&settings, Some(foreign)), WorkerId(0)).expect_err("not signed");
    // A worker does not believe a master that its authority did not sign.
    ZenohWorker::connect(&with(&settings, Some(own)), WorkerId(0)).expect_err("not signed");
    assert_eq!(master.next_event(Duration::ZERO).expect("works"), None);
}

#[test]
fn nobody_speaks_in_the_name_of_another() {
    let authority = Authority::new();
    let (mut master, settings) = secured(&authority);
    for name in ["worker-1", "master", "worker-2", "someone"] {
        let settings = with(&settings, Some(authority.sign(name)));
        let error = ZenohWorker::connect(&settings, WorkerId(0)).expect_err("another's name");
        let text = error.to_string();
        assert!(text.contains("worker-0") && !text.contains('\n'), "{text}");
    }
    assert_eq!(master.next_event(Duration::ZERO).expect("works"), None);
}

/// Past the door, which only saves time: the network itself denies.
#[test]
fn the_network_denies_another_name() {
    use zenoh::Wait;
    let authority = Authority::new();
    let (mut master, settings) = secured(&authority);
    let tls = authority.sign("worker-1");
    let mut config = zenoh::Config::default();
    let endpoint = format!(r#"["tls/{}"]"#, settings.address);
    let path = |path: &Path| format!("{:?}", path.display().to_string());
    for (key, value) in [
        ("mode", r#""client""#.to_owned()),
        ("connect/endpoints", endpoint),
        ("scouting/multicast/enabled", "false".to_owned()),
        (
            "transport/link/tls/root_ca_certificate",
            path(&tls.authority),
        ),
        (
            "transport/link/tls/connect_certificate",
            path(&tls.certificate),
        ),
        ("transport/link/tls/connect_private_key", path(&tls.key)),
        ("transport/link/tls/enable_mtls", "true".to_owned()),
    ] {
        config.insert_json5(key, &value).expect("a setting");
    }
    let session = zenoh::open(config).wait().expect("a session");
    let token = |key: &'static str| session.liveliness().declare_token(key).wait();
    let _foreign = token("test/alive/0/1").expect("sent");
    let asked = session
        .get("test/answer/0")
        .payload(vec![1])
        .attachment(vec![0; 16])
        .timeout(WAIT)
        .wait()
        .expect("sent");
    assert!(asked.recv().is_err(), "a reply");
    // It is connected, and may live in its own name.
    let _own = token("test/alive/1/1").expect("sent");
    let deadline = master.now() + WAIT;
    let event = master.next_event(deadline).expect("works");
    assert!(
        matches!(event, Some(Event::Joined(WorkerId(1), _))),
        "{event:?}"
    );
}
