//! What masking costs: 1 MB of output with 50 secrets, in pieces as a pipe gives them, beside a plain copy.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use infra_sdk::{Masks, SecretValue};

const PIECE: usize = 8192;

fn main() {
    let secrets: Vec<String> =
        (0..50).map(|n| format!("{:024x}", 0x9e37_79b9_7f4a_7c15_u128 * (n + 1))).collect();
    let masks = Masks::new();
    secrets.iter().for_each(|secret| masks.add(&SecretValue::new(secret.as_str())));
    let text = log(&secrets);
    assert!(!masks.apply(&text).contains(&secrets[7]), "the secrets are masked");

    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let mut group = criterion.benchmark_group("1 MB of output");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("copied", |bencher| {
        bencher.iter(|| {
            let mut copy = Vec::new();
            text.as_bytes().chunks(PIECE).for_each(|piece| copy.extend_from_slice(black_box(piece)));
            copy
        });
    });
    group.bench_function("masked, 50 secrets", |bencher| {
        bencher.iter(|| {
            let (mut stream, mut copy) = (masks.stream(), Vec::new());
            text.as_bytes().chunks(PIECE).for_each(|piece| copy.extend(stream.push(black_box(piece))));
            copy.extend(stream.finish());
            copy
        });
    });
    group.finish();
    criterion.final_summary();
}

/// 1 MB of lines as programs log them; every hundredth shows a secret.
fn log(secrets: &[String]) -> String {
    let mut text = String::new();
    for n in 0.. {
        let shown = if n % 100 == 0 { secrets[n / 100 % secrets.len()].as_str() } else { "none" };
        text.push_str(&format!(
            "2026-01-01T00:00:{:02}Z INFO request {n} of shop-api: token {shown}\n",
            n % 60
        ));
        if text.len() >= 1_000_000 {
            break;
        }
    }
    text
}
