//! `vestibule schema`: the published JSON schemas of the files people write.
//!
//! The same text lies in `schemas/`, so that editors can complete these files; a test compares the two.

use clap::ValueEnum;
use schemars::schema_for;
use serde_json::Value;
use vestibule_engine::{Case, http::Recording};
use vestibule_pipeline::manifest::{pipeline_schema, rule_schema};

use crate::{
    exit::{Done, Exit},
    output,
};

/// Prints a schema.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file it is for
    file: File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum File {
    /// rule.toml
    Rule,
    /// pipeline.toml
    Pipeline,
    /// cases/NAME.json
    Case,
    /// What --http-recording reads
    Recording,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Done {
    output::print_file(text(args.file).as_bytes());
    Ok(Exit::Reached)
}

fn text(file: File) -> String {
    let schema: Value = match file {
        File::Rule => rule_schema(),
        File::Pipeline => pipeline_schema(),
        File::Case => schema_for!(Case).into(),
        File::Recording => schema_for!(Recording).into(),
    };
    format!("{schema:#}\n")
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn the_published_schemas_are_those_of_this_code() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
        for (file, name) in
            [(File::Rule, "rule"), (File::Pipeline, "pipeline"), (File::Case, "case"), (File::Recording, "recording")]
        {
            let published = fs::read_to_string(folder.join(format!("{name}.schema.json"))).unwrap_or_default();
            assert_eq!(published, text(file), "write it again: vestibule schema {name} > schemas/{name}.schema.json");
        }
    }
}
