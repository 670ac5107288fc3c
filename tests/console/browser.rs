//! A headless browser, driven as a user would: by links, labels and buttons.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use luna_tests::{HANG, artefacts};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::installed;
use crate::server::Server;

const FLAGS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
];

pub(crate) struct Browser {
    client: Client,
    runtime: Runtime,
    shots: PathBuf,
    taken: u32,
    _driver: Server,
}

impl Browser {
    /// A browser of its own; `None` when there is none on this machine. Screenshots go to a folder of this name.
    pub(crate) fn start(name: &str, script: bool) -> Option<Self> {
        installed("chromium")?;
        let driver = Server::start(Command::new(installed("chromedriver")?).arg("--port=0"));
        let line = driver.line("successfully on port");
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        let mut options = json!({ "args": FLAGS });
        if !script {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let capabilities = json!({ "acceptInsecureCerts": true, "goog:chromeOptions": options });
        let capabilities = capabilities.as_object().unwrap().clone();
        let runtime = Runtime::new().unwrap();
        let client = runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities);
            builder.connect(&format!("http://127.0.0.1:{digits}")).await.unwrap()
        });
        let shots = artefacts::directory().parent().unwrap().join("console").join(name);
        let _ = std::fs::remove_dir_all(&shots);
        std::fs::create_dir_all(&shots).unwrap();
        Some(Self { client, runtime, shots, taken: 0, _driver: driver })
    }

    pub(crate) fn go(&self, url: &str) {
        self.runtime.block_on(self.client.goto(url)).unwrap();
    }

    pub(crate) fn path(&self) -> String {
        self.runtime.block_on(self.client.current_url()).unwrap().path().to_owned()
    }

    /// All words on the page.
    pub(crate) fn text(&self) -> String {
        let script = "return document.body ? document.body.innerText : ''";
        let text = self.runtime.block_on(self.client.execute(script, vec![]));
        text.unwrap_or(Value::Null).as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn run(&self, script: &str) -> Value {
        self.runtime.block_on(self.client.execute(script, vec![])).unwrap()
    }

    #[track_caller]
    pub(crate) fn sees(&self, wanted: &str) {
        let text = self.text();
        assert!(text.contains(wanted), "{} does not say {wanted}, but\n{text}", self.path());
    }

    /// Waits until the page says this, loading it anew now and then.
    #[track_caller]
    pub(crate) fn waits_for(&self, wanted: &str) {
        let until = Instant::now() + HANG;
        while !self.text().contains(wanted) {
            assert!(Instant::now() < until, "never {wanted}, but\n{}", self.text());
            std::thread::sleep(Duration::from_millis(500));
            let _ = self.runtime.block_on(self.client.refresh());
        }
    }

    #[track_caller]
    fn click_on(&self, locator: Locator<'_>) {
        let clicked =
            self.runtime.block_on(async { self.client.find(locator).await?.click().await });
        clicked.unwrap_or_else(|error| {
            panic!("{locator:?} at {}: {error}\n{}", self.path(), self.text())
        });
    }

    /// A link or a button of these words.
    #[track_caller]
    pub(crate) fn click(&self, words: &str) {
        let there = format!(
            "//*[self::a or self::button or self::summary][starts-with(normalize-space(.), '{words}')]"
        );
        self.click_on(Locator::XPath(&there));
    }

    /// The last button of these words: the one of a form, under the menus.
    #[track_caller]
    pub(crate) fn submit(&self, words: &str) {
        let there = format!("(//button[starts-with(normalize-space(.), '{words}')])[last()]");
        self.click_on(Locator::XPath(&there));
    }

    /// The choice of these words.
    #[track_caller]
    pub(crate) fn choose(&self, words: &str) {
        let there = format!("//label[contains(normalize-space(.), '{words}')]/input");
        self.click_on(Locator::XPath(&there));
    }

    /// Types into the field whose label has these words.
    #[track_caller]
    pub(crate) fn fill(&self, label: &str, value: &str) {
        let there = format!("//label[starts-with(normalize-space(.), '{label}')]");
        let filled = self.runtime.block_on(async {
            let label = self.client.find(Locator::XPath(&there)).await?;
            let id = label.attr("for").await?.unwrap_or_default();
            let field = self.client.find(Locator::Id(&id)).await?;
            if field.tag_name().await? == "select" {
                field.select_by_label(value).await
            } else {
                field.clear().await?;
                field.send_keys(value).await
            }
        });
        filled.unwrap_or_else(|error| panic!("{label} at {}: {error}", self.path()));
    }

    /// Waits for the end of the operation that is shown, and says how it went.
    #[track_caller]
    pub(crate) fn outcome(&self) -> String {
        let until = Instant::now() + HANG;
        loop {
            let found = self.runtime.block_on(self.client.find(Locator::Id("continue")));
            if found.is_ok() || !self.path().starts_with("/jobs/") {
                return self.text();
            }
            assert!(Instant::now() < until, "no end of it:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The same, and it went well; goes on.
    #[track_caller]
    pub(crate) fn succeeds(&mut self, name: &str) -> String {
        let text = self.outcome();
        self.shoot(name);
        assert!(text.contains("Success."), "{text}");
        self.click_on(Locator::Id("continue"));
        text
    }

    /// The whole page as a picture, and what every page must have for those who do not see it.
    pub(crate) fn shoot(&mut self, name: &str) {
        self.taken += 1;
        let path = self.shots.join(format!("{:02}-{name}.png", self.taken));
        let picture = self.runtime.block_on(self.client.screenshot()).unwrap();
        std::fs::write(path, picture).unwrap();
        let wrong = self.run(
            "const wrong = [];
             if (!document.documentElement.lang) wrong.push('no language');
             if (document.querySelectorAll('h1').length !== 1) wrong.push('not one h1');
             if (!document.querySelector('main')) wrong.push('no main');
             for (const it of document.querySelectorAll('input:not([type=hidden]), select'))
               if (!it.labels.length) wrong.push('no label: ' + it.name);
             for (const it of document.querySelectorAll('button, a, summary'))
               if (!it.textContent.trim()) wrong.push('a button without words');
             for (const it of document.querySelectorAll('table'))
               if (!it.caption || !it.querySelector('th[scope]')) wrong.push('a table without heads');
             const ids = [...document.querySelectorAll('[id]')].map(it => it.id);
             if (new Set(ids).size !== ids.length) wrong.push('an id twice');
             if (document.documentElement.scrollWidth > window.innerWidth) wrong.push('too wide');
             return wrong.join(', ');",
        );
        assert_eq!(wrong, "", "{name} at {}", self.path());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.runtime.block_on(self.client.clone().close());
    }
}
