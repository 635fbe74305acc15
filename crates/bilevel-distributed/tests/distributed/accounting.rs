//! T9: what is sent.

use bilevel_distributed::AdboSettings;
use bilevel_distributed::Stop;

use crate::problems::{Bent, at_zero};
use crate::{asynchronous, lognormal, settings, simulate};

#[test]
fn messages_hold_what_the_method_needs() {
    let (workers, n, m) = (6, 3, 5);
    let problems = Bent::several(workers, n, m, 21);
    for rounds in [1, 3] {
        let base = settings(workers);
        let settings = AdboSettings {
            participation: asynchronous(workers, 2, Some(8)),
            estimate: bilevel_distributed::EstimateSettings {
                rounds,
                ..base.estimate
            },
            ..base
        };
        let stop = Stop::after(100);
        let run = simulate(settings, &problems, lognormal(5), at_zero(&problems), stop);
        let mut planes = 0;
        let mut cut = 0;
        for report in &run.reports {
            let q = report.active.len();
            assert!(q >= 2);
            let traffic = report.traffic;
            assert_eq!(traffic.up, q * (n + m));
            let mut down = q * (report.planes + n);
            let mut estimate = 0;
            if let Some(h) = report.distance {
                assert_eq!(q, workers, "a refresh waits for all");
                // v once, then z and φ down and y' up in each round.
                estimate = workers * (n + 3 * m * rounds);
                if h > settings.cuts.epsilon {
                    cut += 1;
                    down += workers * m;
                    // w down and a product up on the way back, the last as long as v.
                    estimate += workers * (m * rounds + m * (rounds - 1) + n);
                }
            } else {
                assert_eq!(report.planes, planes);
            }
            assert_eq!((traffic.down, traffic.estimate), (down, estimate));
            planes = report.planes;
        }
        assert!(cut > 3 && planes > 0);
        // A plane is sent once: later messages carry its multiplier only.
        let welcomes: usize = run
            .reports
            .iter()
            .map(|report| report.traffic.welcome)
            .sum();
        assert_eq!(welcomes, workers * (n + m + n));
    }
}
