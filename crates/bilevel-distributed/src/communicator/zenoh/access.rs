//! Who may say what, where certificates say who someone is.

/// The common name that a worker's certificate has to have.
pub(super) fn common_name(worker: usize) -> String {
    format!("worker-{worker}")
}

/// Zenoh's access control for the master: a worker asks and lives in its own name, the master
/// replies and looks on. Everything else is denied.
pub(super) fn access_control(run: &str, workers: usize) -> String {
    let (mut rules, mut subjects, mut policies) = (Vec::new(), Vec::new(), Vec::new());
    let mut rule = |id: &str, flow: &str, messages: &str, keys: &str| {
        rules.push(format!(
            r#"{{ id: "{id}", permission: "allow", flows: ["{flow}"], messages: [{messages}], key_exprs: [{keys}] }}"#
        ));
    };
    let looks = r#""declare_queryable", "declare_liveliness_subscriber", "liveliness_query""#;
    rule("looks", "egress", looks, &format!(r#""{run}/**""#));
    for i in 0..workers {
        let questions = format!(r#""{run}/answer/{i}", "{run}/door/{i}""#);
        rule(&format!("asks-{i}"), "ingress", r#""query""#, &questions);
        rule(&format!("hears-{i}"), "egress", r#""reply""#, &questions);
        let tokens = format!(r#""{run}/alive/{i}/*""#);
        rule(
            &format!("lives-{i}"),
            "ingress",
            r#""liveliness_token""#,
            &tokens,
        );
        let name = common_name(i);
        subjects.push(format!(
            r#"{{ id: "{name}", cert_common_names: ["{name}"] }}"#
        ));
        policies.push(format!(
            r#"{{ rules: ["looks", "asks-{i}", "hears-{i}", "lives-{i}"], subjects: ["{name}"] }}"#
        ));
    }
    format!(
        r#"{{ enabled: true, default_permission: "deny", rules: [{}], subjects: [{}], policies: [{}] }}"#,
        rules.join(", "),
        subjects.join(", "),
        policies.join(", ")
    )
}
