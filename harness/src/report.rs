//! The report directory: the transcript for machines and for a browser.
//!
//! `report.json` is the transcript itself, `junit.xml` what build servers read, `index.html` one file that needs
//! no other.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use askama::Template;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::transcript::{Record, Transcript, Verdict};

/// The files of a report.
pub const FILES: [&str; 3] = ["report.json", "junit.xml", "index.html"];

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    transcript: &'a Transcript,
}

/// Writes the three files; the directory is made where it is not there.
///
/// # Errors
/// The file system's, naming the file.
pub fn write(directory: &Path, transcript: &Transcript) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let texts = [json(transcript)?, junit(transcript)?, Page { transcript }.render()?];
    let mut written = Vec::new();
    for (name, text) in FILES.into_iter().zip(texts) {
        let path = directory.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        written.push(path);
    }
    Ok(written)
}

/// The transcript as JSON.
///
/// # Errors
/// None that could happen; the serialiser has one.
pub fn json(transcript: &Transcript) -> Result<String> {
    Ok(serde_json::to_string_pretty(transcript)? + "\n")
}

fn junit(transcript: &Transcript) -> Result<String> {
    let mut suite = TestSuite::new(transcript.verb.clone());
    for step in &transcript.steps {
        suite.add_test_case(case(step, &transcript.verb));
    }
    for complaint in &transcript.complaints {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(complaint.clone());
        suite.add_test_case(TestCase::new("tidying up", status));
    }
    let mut report = Report::new("luna-harness");
    report.add_test_suite(suite);
    Ok(report.to_string()?)
}

fn case(step: &Record, verb: &str) -> TestCase {
    let reason = step.reason.clone().unwrap_or_default();
    let status = match step.verdict {
        Verdict::Held => TestCaseStatus::success(),
        Verdict::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(reason).set_description(format!("expected: {}", step.expected));
            status
        }
        Verdict::Skipped | Verdict::NotReached => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("{}: {reason}", step.verdict.name()));
            status
        }
    };
    let mut case = TestCase::new(step.id.clone(), status);
    case.set_classname(format!("luna-harness.{verb}.{}", step.scenario)).set_time(step.duration());
    let mut out = step.seen.facts.join("\n");
    for exhibit in &step.seen.exhibits {
        out.push('\n');
        out.push_str(&exhibit.text);
    }
    case.set_system_out(out);
    case
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Subject, record};

    #[test]
    fn a_report_has_three_files_that_tell_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let mut transcript = Transcript::begin("okv", Subject::default());
        transcript.steps = [Verdict::Held, Verdict::Failed, Verdict::NotReached, Verdict::Skipped]
            .map(|it| record(it.name(), it))
            .to_vec();
        transcript.steps[0].seen.fact("1 < 2 & \"quoted\"");
        transcript.conclude(std::time::Duration::from_secs(1));
        let files = write(&directory.path().join("new/report"), &transcript).unwrap();
        let texts: Vec<_> =
            files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        assert_eq!(serde_json::from_str::<Transcript>(&texts[0]).unwrap(), transcript);
        assert!(
            texts[1].contains(r#"tests="4" skipped="2" failures="1" errors="0""#),
            "{}",
            texts[1]
        );
        assert!(texts[1].contains(r#"message="not reached: it was not""#), "{}", texts[1]);
        assert!(texts[2].contains("1 &#60; 2 &#38; &#34;quoted&#34;"), "{}", texts[2]);
        assert!(!texts[2].contains("http"), "the page needs nothing else");
    }
}
