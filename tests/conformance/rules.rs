//! Twenty steps of every update rule on random quadratics.

use bilevel::burn::tensor::backend::Backend;
use bilevel::models::quadratic::{Quadratic, QuadraticSettings};
use bilevel::projection::L2Ball;
use bilevel::{
    Amigo, Barrier, Bome, Bsa, Bsg1, Bvfsm, BvfsmSettings, Dmlcbo, DmlcboSettings, F2sa, F3sa,
    Fsla, MaSoba, Mrbo, Pbgd, Penalization, Pzobo, Rule, Run, Saba, Schedule, Soba, Srba, StocBio,
    Sustain, Ttsa, Vrbo,
};

use crate::row::{Rows, entries};

/// Blocks are drawn by the run's seed, the same on every backend.
pub fn rows<B: Backend>(rows: &mut Rows) {
    rows.section("Update rules: x and y after twenty steps");
    let settings = QuadraticSettings {
        samples: 64,
        block: 8,
        dim: 10,
        ..QuadraticSettings::default()
    };
    let oracle = &Quadratic::<B>::new(settings, &Default::default());
    let s = Schedule::Constant(0.1);
    let (n, terms, eta) = (4, 6, 0.5);
    let value = Penalization::Value {
        steps: n,
        step: 0.2,
    };
    let bvfsm = BvfsmSettings {
        lower_steps: [n, n],
        lower_step_size: 0.1,
        upper_step_size: s,
        mu: s,
        sigma: s,
        theta: s,
    };
    let ball = L2Ball::new(1.0).expect("positive");
    let dmlcbo = DmlcboSettings {
        terms,
        ..DmlcboSettings::default()
    };
    add(
        rows,
        "BOME",
        oracle,
        Bome::new(Barrier::GradientNorm(0.5), n, 0.2, 0.2, 0.1),
    );
    add(rows, "V-PBGD", oracle, Pbgd::new(value, 10.0, 0.02, 0.02));
    add(
        rows,
        "G-PBGD",
        oracle,
        Pbgd::new(Penalization::Gradient, 10.0, 0.01, 0.01),
    );
    add(rows, "BVFSM", oracle, Bvfsm::new(bvfsm));
    add(rows, "F2SA", oracle, F2sa::new(n, s, s, 10.0, None));
    add(
        rows,
        "F3SA",
        oracle,
        F3sa::new(s, Schedule::Constant(0.02), s, 10.0, None),
    );
    add(rows, "BSG-1", oracle, Bsg1::new(n, s, s));
    add(
        rows,
        "PZOBO",
        oracle,
        Pzobo::new(n, s, Schedule::Constant(0.02), 2, 0.1),
    );
    add(rows, "SOBA", oracle, Soba::new(s, s));
    add(
        rows,
        "MA-SOBA",
        oracle,
        MaSoba::new(s, s, Schedule::Constant(0.5)),
    );
    add(rows, "SABA", oracle, Saba::new(s, s));
    add(rows, "SRBA", oracle, Srba::new(s, s, 4));
    add(rows, "FSLA", oracle, Fsla::new(s, s, s));
    add(rows, "AmIGO", oracle, Amigo::new(n, s, s));
    add(rows, "stocBiO", oracle, StocBio::new(n, s, s, terms, eta));
    add(rows, "BSA", oracle, Bsa::new(n, s, s, terms, eta));
    add(rows, "TTSA", oracle, Ttsa::new(s, s, terms, eta));
    add(rows, "SUSTAIN", oracle, Sustain::new(s, s, s, terms, eta));
    add(rows, "MRBO", oracle, Mrbo::new(s, s, s, terms, eta));
    add(rows, "VRBO", oracle, Vrbo::new(n, s, s, 5, terms, eta));
    add(
        rows,
        "DMLCBO in an L2 ball",
        oracle,
        Dmlcbo::new(ball, dmlcbo),
    );
}

fn add<B: Backend, R: Rule<B>>(
    rows: &mut Rows,
    name: &'static str,
    oracle: &Quadratic<B>,
    rule: Result<R, bilevel::Error>,
) {
    let run = Run::new(rule.expect("settings in their range"), oracle, 3);
    let (state, failure) = run.run(run.start(oracle.start()), 20, &mut |_| ());
    assert_eq!(failure, None, "{name}");
    rows.golden(name, entries([state.at.x, state.at.y]), 1e-3);
}
