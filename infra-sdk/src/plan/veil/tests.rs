//! What a veil hides, and that it does so among a hundred thousand secrets.

use crate::plan::model::Plan;
use crate::plan::veil::Veil;
use crate::plan::veil::veil::BATCH;
use crate::secret::SecretValue;

fn veil(json: &str) -> Veil {
    Veil::of(&Plan::parse(json.as_bytes()).unwrap()).unwrap()
}

#[test]
fn marked_leaves_of_every_part_are_hidden_and_switches_and_short_ones_are_not() {
    let veil = veil(
        r#"{"format_version":"1.2",
        "resource_changes":[{"address":"a","change":{"actions":["update"],"before":{"p":"old-one","n":123456,"b":true,"s":"abc","open":"open-one"},
            "after":{"p":"new-one","list":[{"k":"deep-one"}]},"before_sensitive":{"p":true,"n":true,"b":true,"s":true},
            "after_sensitive":{"p":true,"list":[{"k":true}]}}}],
        "resource_drift":[{"address":"a","change":{"actions":["update"],"before":{"p":"drift-one"},"before_sensitive":true}}],
        "deferred_changes":[{"reason":"x","resource_change":{"address":"d","change":{"actions":["create"],"after":{"p":"later-one"},"after_sensitive":{"p":true}}}}],
        "output_changes":{"o":{"actions":["create"],"after":{"x":["output-one"]},"after_sensitive":true}}}"#,
    );
    for text in ["old-one", "new-one", "deep-one", "drift-one", "later-one", "output-one", "123456"] {
        assert_eq!(veil.apply(&format!("<{text}>")), "<***>", "{text}");
    }
    for text in ["open-one", "true", "abc"] {
        assert_eq!(veil.apply(text), text);
    }
}

#[test]
fn a_mark_of_another_shape_than_its_value_marks_all_of_it() {
    let veil = veil(
        r#"{"format_version":"1.2","resource_changes":[{"address":"a","change":{"actions":["create"],
        "after":{"a":"plain-text","b":["in-a-list"]},"after_sensitive":{"a":{"k":true},"b":{"k":true}}}}]}"#,
    );
    assert_eq!(veil.apply("plain-text in-a-list"), "*** ***");
}

#[test]
fn values_and_defaults_of_sensitive_variables_are_hidden() {
    let veil = veil(
        r#"{"format_version":"1.2","variables":{"pw":{"value":{"a":["value-one"]}},"env":{"value":"staging"}},
        "configuration":{"root_module":{"variables":{"pw":{"default":"default-one","sensitive":true},"env":{"default":"staging"}},
        "module_calls":{"m":{"module":{"variables":{"k":{"default":{"deep":987654},"sensitive":true}}}}}}}}"#,
    );
    assert_eq!(veil.apply("value-one default-one staging 987654"), "*** *** staging ***");
}

#[test]
fn what_stands_in_a_sensitive_json_text_is_hidden_alone() {
    let veil = veil(
        r#"{"format_version":"1.2","output_changes":{"o":{"actions":["create"],"after_sensitive":true,
        "after":"{\"user\":\"shop-user\",\"pin\":445566,\"nested\":\"{\\\"key\\\":\\\"inner-key\\\"}\"}"}}}"#,
    );
    assert_eq!(veil.apply("shop-user 445566 inner-key c2hvcC11c2Vy"), "*** *** *** ***");
}

#[test]
fn what_a_secret_in_base64_means_is_hidden_too_and_what_stands_in_it() {
    let mut veil = Veil::default();
    // {"pw":"hunter2-is-my-pw"}
    veil.add(&SecretValue::new("eyJwdyI6Imh1bnRlcjItaXMtbXktcHcifQ=="));
    assert_eq!(veil.apply("{\"pw\":\"hunter2-is-my-pw\"} hunter2-is-my-pw pw"), "*** *** pw");
}

#[test]
fn a_mask_tells_neither_how_long_a_secret_is_nor_how_many_lines_it_has() {
    let mut veil = Veil::default();
    veil.add(&SecretValue::new("BEGIN KEY\nline-one\n\nline-two\nEND KEY\n"));
    assert_eq!(veil.apply("key: BEGIN KEY\nline-one\n\nline-two\nEND KEY\nnext"), "key: ***\nnext");
    assert_eq!(veil.apply("a\nline-one\nb\nline-two"), "a\n***\nb\n***");
    assert_eq!(veil.apply("***\nx line-two\n"), "***\nx ***\n");
}

#[test]
fn a_hundred_thousand_secrets_are_learned_and_hidden_in_texts_that_show_all_of_them_or_one() {
    let secret =
        |number: usize| format!("secret/{number:x}+{}", number.wrapping_mul(2_654_435_761) % 1_000_003);
    let mut veil = Veil::default();
    for number in 0..100_000 {
        veil.add(&SecretValue::new(secret(number)));
        veil.add(&SecretValue::new(secret(number)));
    }
    assert_eq!(format!("{veil:?}"), "Veil(100000 values)");
    let mut few = ["plain".to_owned(), format!("one: {}", secret(77_777)), "secret/zz+1".to_owned()];
    veil.cover(&mut few.each_mut());
    assert_eq!(few, ["plain", "one: ***", "secret/zz+1"]);
    let mut all: Vec<String> =
        (0..100_000).step_by(10).map(|number| format!("<{}>", secret(number))).collect();
    veil.cover(&mut all.iter_mut().collect::<Vec<_>>());
    assert!(
        all.iter().all(|text| text.starts_with("<***")),
        "{:?}",
        all.iter().find(|text| !text.starts_with("<***"))
    );
}

#[test]
fn texts_larger_than_a_batch_are_covered_to_the_last() {
    let mut veil = Veil::default();
    veil.add(&SecretValue::new("hunter2"));
    let mut texts = ["x".repeat(BATCH + 1), "hunter2".to_owned(), "y".repeat(BATCH), "hunter2!".to_owned()];
    veil.cover(&mut texts.iter_mut().collect::<Vec<_>>());
    assert_eq!((texts[1].as_str(), texts[3].as_str()), ("***", "***!"));
}

#[test]
fn a_secret_that_is_escaped_more_than_once_takes_the_text_with_it() {
    let secret = "wom\"bat\\AMP&tail";
    let mut veil = Veil::default();
    veil.add(&SecretValue::new(secret));
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let once = format!("{{\"p\":{}}}", json(secret));
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &once);
    for text in [once.clone(), json(&once), json(&json(&once)), base64, format!("[{}]", json(&json(secret)))]
    {
        let shown = veil.apply(&text).into_owned();
        assert!(!shown.contains("wom") && !shown.contains("tail"), "{text} gave {shown}");
        let mut all = [text.clone(), "nothing".to_owned()];
        veil.cover(&mut all.each_mut());
        assert_eq!(all, [shown, "nothing".to_owned()]);
    }
    // Also inside of what is no document itself.
    let script = format!("#!/bin/sh\necho '{}' > cfg\n", json(&once));
    let shown = veil.apply(&script).into_owned();
    assert!(!shown.contains("wom") && !shown.contains("tail"), "{shown}");
    // Nor can it hide among more texts than anybody reads.
    let crowd: Vec<String> = (0..20_001).map(|number| format!("text {number}")).collect();
    let crowded = json(&json(&serde_json::json!({ "p": once, "crowd": crowd }).to_string()));
    let shown = veil.apply(&crowded).into_owned();
    assert!(!shown.contains("wom") && !shown.contains("tail"), "shown");
    let harmless = json("{\"a\":\"{\\\"b\\\":1}\"}");
    assert_eq!(veil.apply(&harmless), harmless);
}

#[test]
fn a_key_like_a_token_in_a_hidden_map_is_hidden_and_a_name_is_not() {
    let json = br#"{"format_version": "1.2", "output_changes": {"keys": {"actions": ["create"],
        "after": {"AKIA0EXAMPLE0KEY0ID": "value-of-it", "username": "somebody"}, "after_sensitive": true}}}"#;
    let veil = Veil::of(&Plan::parse(json).unwrap()).unwrap();
    assert_eq!(veil.apply("AKIA0EXAMPLE0KEY0ID of somebody, username"), "*** of ***, username");
}

#[test]
fn a_secret_in_an_address_is_found_as_terraform_writes_it_there() {
    let mut veil = Veil::default();
    veil.add(&SecretValue::new("pa${ss}word-hunter"));
    assert_eq!(veil.apply("a[\"pa$${ss}word-hunter\"]"), "a[\"***\"]");
}
