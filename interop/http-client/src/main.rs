//! Runs the checks, or those whose name contains one of the arguments: a `PASS`, `FAIL` or `SKIP`
//! line each. The exit code is 1 if any failed, or none ran.

mod checks;
mod trial;

use std::process::ExitCode;

use trial::{Failure, Trial};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut ran = 0;
    let mut failed = 0;
    for (name, check) in checks::all() {
        if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        ran += 1;
        let trial = Trial::new();
        let outcome = check(&trial);
        let outcome = outcome.and(trial.close());
        match outcome {
            Ok(()) => println!("PASS {name}"),
            Err(Failure::Skipped(reason)) => println!("SKIP {name}: {reason}"),
            Err(Failure::Wrong(reason)) => {
                failed += 1;
                println!("FAIL {name}: {}", reason.replace('\n', " "));
            }
        }
    }
    ExitCode::from(u8::from(ran == 0 || failed > 0))
}
