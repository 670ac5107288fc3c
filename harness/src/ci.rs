//! `luna-harness ci`: pieces for build servers, ready to be pasted.
//!
//! What a job does is one list of [`Step`]s, in shell; how a build server wants it written down is a template each in
//! `templates/ci`. A new build server is a template and a variant of [`Server`].

use anyhow::Result;
use askama::Template;
use clap::{Args, ValueEnum};

use crate::render::show;

/// Options of `ci`.
#[derive(Args)]
pub struct Ci {
    /// For which build server; `docker` prints the Dockerfile of the image that the others run in.
    server: Server,
    /// The image with emulator and harness.
    #[arg(long, value_name = "NAME", default_value = "luna:latest")]
    image: String,
    /// What tests your application; LUNA_MODULE, HSM_TOKEN and HSM_PIN tell it where the HSM is.
    #[arg(long, value_name = "COMMAND", default_value = "./run-my-tests")]
    command: String,
}

/// A build server, or what it runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Server {
    /// GitHub Actions: a file for `.github/workflows`.
    Github,
    /// GitLab: a job for `.gitlab-ci.yml`.
    Gitlab,
    /// Jenkins: a declarative `Jenkinsfile`.
    Jenkins,
    /// The Dockerfile.
    Docker,
}

/// The Dockerfile.
pub const DOCKERFILE: &str = include_str!("../Dockerfile");

/// A step of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is called.
    pub name: &'static str,
    /// What it does, in bash.
    pub script: String,
    /// It runs whatever became of those before.
    pub always: bool,
}

impl Step {
    /// Its lines, for templates that indent them.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.script.lines()
    }

    /// The same, for three single quotation marks of Groovy, where a backslash is not one.
    pub fn groovy_lines(&self) -> impl Iterator<Item = String> {
        self.lines().map(|line| line.replace('\\', "\\\\"))
    }
}

/// The job: a group of two HSMs, the application on it, again with a member that fails, and what calls cost.
pub fn steps(command: &str) -> Vec<Step> {
    let step = |name, script: &str| Step { name, script: script.to_owned(), always: false };
    vec![
        step(
            "An HA group of two HSMs",
            "luna-emulator up hsm --ha LUNAHA=first,second --ha-only > hsm.sh\n\
             echo 'export HSM_TOKEN=LUNAHA HSM_PIN=crypto-officer' >> hsm.sh",
        ),
        step("The application", &format!(". ./hsm.sh\n{command}")),
        step(
            "The application, while a member is cut off and comes back",
            &format!(
                ". ./hsm.sh\n\
                 luna-emulator fault add cut --skip 20 --for-ms 500 --member first\n\
                 {command}\n\
                 luna-emulator fault log\n\
                 luna-emulator fault clear"
            ),
        ),
        step(
            "What calls cost, and how long a failover takes",
            ". ./hsm.sh\n\
             luna-harness bench --module \"$LUNA_MODULE\" --token-label \"$HSM_TOKEN\" --pin-env HSM_PIN \\\n\
             \x20   --rounds 3 --instance hsm --failovers 1 --report report",
        ),
        Step {
            name: "The HSMs go",
            script: "if [ -d hsm ]; then luna-emulator down hsm; fi".into(),
            always: true,
        },
    ]
}

#[derive(Template)]
#[template(path = "ci/github.yml", escape = "none")]
struct Github<'a> {
    image: &'a str,
    steps: &'a [Step],
}

#[derive(Template)]
#[template(path = "ci/gitlab.yml", escape = "none")]
struct Gitlab<'a> {
    image: &'a str,
    steps: &'a [Step],
}

#[derive(Template)]
#[template(path = "ci/Jenkinsfile", escape = "none")]
struct Jenkins<'a> {
    image: &'a str,
    steps: &'a [Step],
}

/// The piece for a build server.
///
/// # Errors
/// None that could happen; the templates have one.
pub fn piece(server: Server, image: &str, command: &str) -> Result<String> {
    let steps = steps(command);
    let steps = steps.as_slice();
    Ok(match server {
        Server::Github => Github { image, steps }.render()?,
        Server::Gitlab => Gitlab { image, steps }.render()?,
        Server::Jenkins => Jenkins { image, steps }.render()?,
        Server::Docker => DOCKERFILE.to_owned(),
    })
}

impl Ci {
    /// Prints it.
    ///
    /// # Errors
    /// When image or command would not survive the file they are written to.
    pub fn run(&self) -> Result<bool> {
        for (name, value) in [("--image", &self.image), ("--command", &self.command)] {
            anyhow::ensure!(
                !value.trim().is_empty() && !value.contains(['\n', '\r', '\'']),
                "{name}: a line without single quotation marks is wanted; put more into a script"
            );
        }
        let text = piece(self.server, &self.image, &self.command)?;
        show(&format!("{}\n", text.trim_end()));
        Ok(true)
    }
}
