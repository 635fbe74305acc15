//! Lives over a network: who counts, who does not, and whom a worker that stands still holds up.

use std::time::{Duration, Instant};

use bilevel_distributed::ErrorKind;
use bilevel_distributed::communicator::{
    Event, Incarnation, MasterCommunicator, Payload, Stamp, WorkerCommunicator, WorkerId,
    ZenohMaster, ZenohSettings, ZenohWorker,
};
use zenoh::Wait;

use super::tcp_proxy::TcpProxy;
use super::{listen, listen_with, port};
use crate::conformance::WAIT;

fn event(master: &mut ZenohMaster) -> Event {
    let deadline = master.now() + WAIT;
    let event = master.next_event(deadline).expect("works");
    event.expect("an event in time")
}

fn answer(master: &mut ZenohMaster) -> (Stamp, Payload) {
    match event(master) {
        Event::Answer(stamp, payload) => (stamp, payload),
        other => panic!("no answer: {other:?}"),
    }
}

/// Nothing happens for a moment that is long for a network of one machine.
fn silence(master: &mut ZenohMaster) {
    let deadline = master.now() + Duration::from_millis(300);
    assert_eq!(master.next_event(deadline).expect("works"), None);
}

/// A worker that says what it is told, until it is told nothing.
fn echo(settings: &ZenohSettings, worker: WorkerId) -> std::thread::JoinHandle<()> {
    let mut end = ZenohWorker::connect(settings, worker).expect("a master");
    std::thread::spawn(move || {
        let mut say = Payload::from(vec![1]);
        for seq in 0.. {
            say = end.exchange(seq, say, 3 * WAIT).expect("a reply");
            if say.is_empty() {
                return;
            }
        }
    })
}

/// 32 MiB are owed to a worker that does not read: the others go on without a pause and without
/// losing their links, and it is back when it reads again.
#[test]
fn a_frozen_worker_holds_up_nobody_and_comes_back() {
    let (mut master, settings) = listen_with(3, |settings| settings.lease = Duration::from_secs(3));
    let strait = TcpProxy::to(&settings.address);
    let through = ZenohSettings {
        address: format!("127.0.0.1:{}", strait.port),
        ..settings.clone()
    };
    let (mut lives, mut asked) = (Vec::new(), Vec::new());
    for (i, settings) in [&through, &settings, &settings].into_iter().enumerate() {
        lives.push(echo(settings, WorkerId(i as u32)));
        assert!(matches!(event(&mut master), Event::Joined(..)));
        asked.push(answer(&mut master).0);
    }
    let owed = asked.remove(0);

    strait.close();
    for stamp in asked {
        master.reply(stamp, vec![1].into());
    }
    master.reply(owed, vec![7; 32 << 20].into());
    let (mut last, mut gap, mut left, mut after) = (Instant::now(), Duration::ZERO, false, 0);
    while after < 200 {
        match event(&mut master) {
            Event::Answer(stamp, _) if stamp.worker != owed.worker => {
                gap = gap.max(last.elapsed());
                last = Instant::now();
                after += usize::from(left);
                master.reply(stamp, vec![1].into());
            }
            Event::Left(worker, life, _) if (worker, life) == (owed.worker, owed.incarnation) => {
                left = true
            }
            other => panic!("only worker 0 stands still: {other:?}"),
        }
    }
    assert!(
        gap < Duration::from_millis(500),
        "{gap:?} without an answer"
    );

    strait.open();
    let mut joined = false;
    let again = loop {
        match event(&mut master) {
            Event::Answer(stamp, _) if stamp.worker != owed.worker => {
                master.reply(stamp, vec![1].into());
            }
            Event::Joined(worker, life) => {
                assert_eq!((worker, life), (owed.worker, owed.incarnation));
                joined = true;
            }
            Event::Answer(stamp, _) => break stamp,
            // Its link breaks once more where it was closed only halfway.
            Event::Left(worker, ..) => assert_eq!(worker, owed.worker),
        }
    };
    assert!(joined, "what it says counts only when it has joined again");
    assert_eq!(again, owed, "it asks for what it did not get");
    master.close(Vec::new().into());
    drop(master);
    for life in lives {
        life.join().expect("no panic");
    }
}

/// A client that may say anything.
fn stranger(settings: &ZenohSettings) -> zenoh::Session {
    let mut config = zenoh::Config::default();
    let endpoint = format!(r#"["tcp/{}"]"#, settings.address);
    for (key, value) in [
        ("mode", r#""client""#),
        ("connect/endpoints", endpoint.as_str()),
        ("scouting/multicast/enabled", "false"),
    ] {
        config.insert_json5(key, value).expect("a setting");
    }
    zenoh::open(config).wait().expect("a session")
}

type Replies = zenoh::handlers::FifoChannelHandler<zenoh::query::Reply>;

fn ask(session: &zenoh::Session, key: &str, attachment: Vec<u8>, bytes: usize) -> Replies {
    session
        .get(key)
        .payload(vec![5; bytes])
        .attachment(attachment)
        .timeout(WAIT)
        .wait()
        .expect("a question")
}

fn stamped(incarnation: u64, seq: u64) -> Vec<u8> {
    [incarnation.to_le_bytes(), seq.to_le_bytes()].concat()
}

/// What a life says counts while its token is there, and only then.
#[test]
fn a_life_that_has_left_counts_only_when_it_has_joined_again() {
    let (mut master, settings) = listen(1);
    let session = stranger(&settings);
    let life = || {
        let token = session.liveliness().declare_token("test/alive/0/9");
        token.wait().expect("a token")
    };
    let joined = Event::Joined(WorkerId(0), Incarnation(9));

    // Overtakes its token.
    let _early = ask(&session, "test/answer/0", stamped(9, 0), 1);
    silence(&mut master);
    let token = life();
    assert_eq!(event(&mut master), joined);
    assert_eq!(answer(&mut master).0.seq, 0);

    // Its last words come after its end.
    token.undeclare().wait().expect("taken back");
    assert!(matches!(event(&mut master), Event::Left(..)));
    let _late = ask(&session, "test/answer/0", stamped(9, 1), 1);
    silence(&mut master);

    let _token = life();
    assert_eq!(event(&mut master), joined);
    assert_eq!(answer(&mut master).0.seq, 1);

    // A life before it is none.
    let refused = ask(&session, "test/answer/0", stamped(8, 0), 1);
    assert!(refusal(&refused).contains("started again"));
    silence(&mut master);
}

fn refusal(replies: &Replies) -> String {
    let reply = replies.recv().expect("a reply");
    let error = reply.into_result().expect_err("a refusal");
    String::from_utf8_lossy(&error.payload().to_bytes()).into()
}

/// Numbers from the network fill no table, and what is not understood is answered.
#[test]
fn strangers_are_refused() {
    let (mut master, settings) = listen_with(2, |settings| settings.most_bytes = 1000);
    let session = stranger(&settings);
    for (key, attachment, bytes, word) in [
        ("test/answer/2", stamped(9, 0), 1, "none of this run"),
        (
            "test/answer/4000000000",
            stamped(9, 0),
            1,
            "none of this run",
        ),
        ("test/answer/x", stamped(9, 0), 1, "who asks"),
        ("test/answer/0", vec![1, 2, 3], 1, "who asks"),
        ("test/answer/0", stamped(9, 0), 1001, "the limit is 1000"),
        ("test/door/2", Vec::new(), 0, "2 workers"),
    ] {
        let replies = ask(&session, key, attachment, bytes);
        let text = refusal(&replies);
        assert!(text.contains(word), "{key}: {text}");
    }
    let _token = session.liveliness().declare_token("test/alive/7/1").wait();
    let _token = session.liveliness().declare_token("test/alive/0/x").wait();
    silence(&mut master);

    let error = ZenohWorker::connect(&settings, WorkerId(2)).expect_err("one too many");
    assert!(matches!(error.kind(), ErrorKind::Refused { .. }), "{error}");
    let other = ZenohSettings {
        most_bytes: 2000,
        ..settings
    };
    let error = ZenohWorker::connect(&other, WorkerId(0)).expect_err("other limits");
    assert!(error.to_string().contains("2000 bytes"), "{error}");
}

/// A message that is too long ends in an error on the side that made it wait, and at once.
#[test]
fn messages_that_are_too_long_are_errors() {
    let (mut master, settings) = listen_with(1, |settings| settings.most_bytes = 1000);
    let mut end = ZenohWorker::connect(&settings, WorkerId(0)).expect("a master");
    let start = Instant::now();
    let error = end
        .exchange(0, vec![0; 1001].into(), WAIT)
        .expect_err("too long");
    assert!(error.to_string().contains("the limit is 1000"), "{error}");
    let asks = std::thread::spawn(move || end.exchange(0, vec![0; 1000].into(), WAIT));
    assert!(matches!(event(&mut master), Event::Joined(..)));
    let (stamp, _) = answer(&mut master);
    master.reply(stamp, vec![0; 1001].into());
    let error = asks.join().expect("no panic").expect_err("too long");
    assert!(error.to_string().contains("the limit is 1000"), "{error}");
    assert!(start.elapsed() < WAIT, "nothing was waited for");
}

/// Two programs that believe to be the same worker: the later one is, and the other one is told.
#[test]
fn a_worker_started_twice_is_the_later_one() {
    let (mut master, settings) = listen(1);
    let ask =
        |mut end: ZenohWorker| std::thread::spawn(move || end.exchange(0, vec![1].into(), WAIT));
    let first = ask(ZenohWorker::connect(&settings, WorkerId(0)).expect("a master"));
    assert!(matches!(event(&mut master), Event::Joined(..)));
    answer(&mut master);
    let second = ask(ZenohWorker::connect(&settings, WorkerId(0)).expect("a master"));
    assert!(matches!(event(&mut master), Event::Left(..)));
    assert!(matches!(event(&mut master), Event::Joined(..)));
    let (stamp, _) = answer(&mut master);
    let error = first.join().expect("no panic").expect_err("it is over");
    assert!(error.to_string().contains("started again"), "{error}");
    master.reply(stamp, vec![3].into());
    assert_eq!(*second.join().expect("no panic").expect("a reply"), [3]);
}

/// A worker is told farewell even if it asks late, and then the master goes at once.
#[test]
fn farewells_arrive() {
    let (mut master, settings) = listen(2);
    let mut early = ZenohWorker::connect(&settings, WorkerId(0)).expect("a master");
    let early = std::thread::spawn(move || early.exchange(0, vec![1].into(), WAIT));
    assert!(matches!(event(&mut master), Event::Joined(..)));
    answer(&mut master);
    let mut late = ZenohWorker::connect(&settings, WorkerId(1)).expect("a master");
    assert!(matches!(event(&mut master), Event::Joined(..)));
    master.close(vec![5].into());
    let goes = std::thread::spawn(move || drop(master));
    assert_eq!(*early.join().expect("no panic").expect("a farewell"), [5]);
    let shutdown = late.exchange(0, vec![1].into(), WAIT).expect("a farewell");
    assert_eq!(*shutdown, [5]);
    let start = Instant::now();
    drop(late);
    goes.join().expect("no panic");
    assert!(start.elapsed() < settings.linger, "everyone had left");
}

#[test]
fn a_master_that_is_not_there_is_an_error() {
    let settings = ZenohSettings {
        connect_timeout: Duration::from_millis(500),
        ..ZenohSettings::local("test", port())
    };
    let error = ZenohWorker::connect(&settings, WorkerId(0)).expect_err("nobody listens");
    let text = error.to_string();
    assert!(text.contains(&settings.address), "{text}");
    assert!(!text.contains('\n') && !text.contains(".rs:"), "{text}");
}
