//! A headless browser, driven as a user would: by links, labels and buttons.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use fantoccini::error::CmdError;
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

/// Between two looks at a page that is not there yet.
const PAUSE: Duration = Duration::from_millis(200);

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

    /// The same, again where a page that was on its way came after it.
    pub(crate) fn goes(&self, url: &str) {
        let until = Instant::now() + HANG;
        loop {
            self.go(url);
            std::thread::sleep(Duration::from_millis(300));
            let is_at = self.runtime.block_on(self.client.current_url()).unwrap();
            if is_at.as_str().starts_with(url.trim_end_matches('/')) {
                return;
            }
            assert!(Instant::now() < until, "never at {url}, but at {is_at}");
        }
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

    /// The page says this, once it is there.
    #[track_caller]
    pub(crate) fn sees(&self, wanted: &str) {
        let until = Instant::now() + HANG;
        while !self.text().contains(wanted) {
            let text = self.text();
            assert!(Instant::now() < until, "{} does not say {wanted}, but\n{text}", self.path());
            std::thread::sleep(PAUSE);
        }
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

    /// Does it, again and again while the page before is still there.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "callers write it in place")]
    fn at_last(&self, what: &str, act: impl AsyncFn(&Client) -> Result<(), CmdError>) {
        let until = Instant::now() + HANG / 4;
        while let Err(error) = self.runtime.block_on(act(&self.client)) {
            let text = self.text();
            assert!(Instant::now() < until, "{what} at {}: {error}\n{text}", self.path());
            std::thread::sleep(PAUSE);
        }
    }

    #[track_caller]
    fn click_on(&self, locator: Locator<'_>) {
        self.at_last(&format!("{locator:?}"), async |client| {
            client.find(locator).await?.click().await
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

    /// The same in the page itself, and no word more.
    #[track_caller]
    pub(crate) fn click_exactly(&self, words: &str) {
        let there = format!("//main//*[self::a or self::button][normalize-space(.) = '{words}']");
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
        let there = format!("//label[@for][starts-with(normalize-space(.), '{label}')]");
        self.at_last(label, async |client| {
            let label = client.find(Locator::XPath(&there)).await?;
            let id = label.attr("for").await?.unwrap_or_default();
            let field = client.find(Locator::Id(&id)).await?;
            if field.tag_name().await? == "select" {
                field.select_by_label(value).await
            } else {
                field.clear().await?;
                field.send_keys(value).await
            }
        });
    }

    /// Waits for the end of the operation that is shown, and says how it went.
    #[track_caller]
    pub(crate) fn outcome(&self) -> String {
        let until = Instant::now() + HANG;
        loop {
            let found = self.runtime.block_on(self.client.find(Locator::Id("continue")));
            // The form may still be there for a moment after its button was pressed.
            if found.is_ok() && self.path().starts_with("/jobs/") {
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
