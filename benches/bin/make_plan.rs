//! Writes a plan made by numbers into a file: `make-plan --resources 3000 --shape big-state --seed 1 --out FILE`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use plans::{Recipe, Shape, Variant};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("make-plan: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut recipe = Recipe::new(3000, Shape::BigState);
    let (mut out, mut args) = (None, std::env::args().skip(1));
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{flag} is a number, not {value:?}"));
        match flag.as_str() {
            "--resources" => recipe.resources = number()? as usize,
            "--seed" => recipe.seed = number()?,
            "--shape" => recipe.shape = value.parse()?,
            "--variant" => recipe.variant = value.parse::<Variant>()?,
            "--out" => out = Some(value),
            _ => return Err(format!("no flag {flag}: --resources, --shape, --seed, --variant, --out")),
        }
    }
    let out = out.ok_or("say where to write it with --out FILE")?;
    let file = File::create(&out).map_err(|error| format!("{out}: {error}"))?;
    let mut file = BufWriter::new(file);
    recipe.write(&mut file).and_then(|()| file.flush()).map_err(|error| format!("{out}: {error}"))
}
