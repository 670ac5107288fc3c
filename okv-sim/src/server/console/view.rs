//! What pages are made of, and the templates that show it. Everything that comes from outside is escaped there.

use askama::Template;

/// A piece of a page.
pub(super) enum Block {
    /// A heading within the page.
    Heading(&'static str),
    /// A line to read; the class says how it stands out: `info`, `warn` or `bad`.
    Note { class: &'static str, text: String },
    /// The status field of the HSM page.
    Arrow { green: bool, text: String },
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// Rows and columns.
    Table(Table),
    /// Buttons.
    Actions(Vec<Action>),
    /// Fields to fill in.
    Form(Form),
    /// Text as it is, such as a trace.
    Text(String),
}

/// A table.
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// What stands there instead of no rows.
    pub(super) empty: String,
}

/// A cell of a table.
#[derive(Default)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) href: String,
    /// `status-done` and so on, or empty.
    pub(super) class: String,
    pub(super) actions: Vec<Action>,
}

impl Cell {
    pub(super) fn status(word: &str) -> Self {
        let class = format!("badge status-{}", word.to_ascii_lowercase());
        Self { text: word.to_owned(), class, ..Self::default() }
    }

    /// A time, the day above the hour.
    pub(super) fn time(written: &str) -> Self {
        Self { text: time(written).replacen(' ', "\n", 1), class: "time".into(), ..Self::default() }
    }

    pub(super) fn link(text: impl Into<String>, href: impl Into<String>) -> Self {
        Self { text: text.into(), href: href.into(), ..Self::default() }
    }

    pub(super) fn actions(actions: Vec<Action>) -> Self {
        Self { actions, ..Self::default() }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// A button.
pub(super) struct Action {
    pub(super) label: String,
    /// A page to go to, or
    pub(super) href: String,
    /// a service to call,
    pub(super) service: String,
    /// with these options.
    pub(super) hidden: Vec<(&'static str, String)>,
    /// Asked before; empty asks nothing.
    pub(super) confirm: String,
    pub(super) primary: bool,
    /// The page to show afterwards.
    pub(super) back: String,
    /// More for who does not see where the button stands.
    pub(super) about: String,
}

impl Action {
    pub(super) fn link(label: &str, href: String) -> Self {
        Self {
            label: label.to_owned(),
            href,
            service: String::new(),
            hidden: Vec::new(),
            confirm: String::new(),
            primary: false,
            back: String::new(),
            about: String::new(),
        }
    }

    pub(super) fn call(label: &str, service: &str, back: &str) -> Self {
        let mut action = Self::link(label, String::new());
        service.clone_into(&mut action.service);
        back.clone_into(&mut action.back);
        action
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.about = format!(" {value}");
        self.hidden.push((name, value.to_owned()));
        self
    }

    pub(super) fn confirm(mut self, text: &str) -> Self {
        text.clone_into(&mut self.confirm);
        self
    }

    pub(super) fn primary(mut self) -> Self {
        self.primary = true;
        self
    }
}

/// A form.
pub(super) struct Form {
    /// `/do/…`, or a page for a form that only asks.
    pub(super) target: String,
    pub(super) is_get: bool,
    pub(super) fields: Vec<Field>,
    pub(super) submit: String,
    pub(super) cancel: String,
    /// The page after success.
    pub(super) back: String,
}

/// How a field is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldKind {
    Text,
    Password,
    NewPassword,
    Number,
    Checkbox,
    Select,
    Radio,
    Hidden,
    /// Several lines, such as a certificate.
    Area,
}

/// A field.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) kind: FieldKind,
    pub(super) value: String,
    /// For [`FieldKind::Select`] and [`FieldKind::Radio`]: value and label.
    pub(super) choices: Vec<(String, String)>,
    pub(super) required: bool,
    pub(super) help: String,
    pub(super) longest: usize,
}

impl Field {
    pub(super) fn new(name: &'static str, label: &str, kind: FieldKind) -> Self {
        Self {
            name,
            label: label.to_owned(),
            kind,
            value: String::new(),
            choices: Vec::new(),
            required: false,
            help: String::new(),
            longest: 255,
        }
    }

    pub(super) fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    pub(super) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(super) fn help(mut self, text: &str) -> Self {
        text.clone_into(&mut self.help);
        self
    }

    pub(super) fn longest(mut self, longest: usize) -> Self {
        self.longest = longest;
        self
    }

    pub(super) fn choices(mut self, choices: &[(&str, &str)]) -> Self {
        let own = |(value, label): &(&str, &str)| ((*value).to_owned(), (*label).to_owned());
        self.choices = choices.iter().map(own).collect();
        self
    }

    fn is(&self, kind: &str) -> bool {
        let own = match self.kind {
            FieldKind::Text => "text",
            FieldKind::Password => "password",
            FieldKind::NewPassword => "new-password",
            FieldKind::Number => "number",
            FieldKind::Checkbox => "checkbox",
            FieldKind::Select => "select",
            FieldKind::Radio => "radio",
            FieldKind::Hidden => "hidden",
            FieldKind::Area => "area",
        };
        own == kind
    }
}

/// An entry of a menu.
pub(super) struct Entry {
    pub(super) label: String,
    pub(super) href: String,
    pub(super) current: bool,
    /// What stands above it; empty where nothing new does.
    pub(super) group: String,
}

/// Around every page.
#[derive(Template)]
#[template(path = "page.html")]
pub(super) struct Page<'a> {
    pub(super) title: String,
    pub(super) tabs: Vec<Entry>,
    pub(super) side: Vec<Entry>,
    pub(super) trail: Vec<String>,
    pub(super) version: &'a str,
    pub(super) user: &'a str,
    pub(super) csrf: &'a str,
    pub(super) here: String,
    pub(super) done: Option<&'a str>,
    pub(super) failed: Option<&'a str>,
    pub(super) blocks: Vec<Block>,
    /// The job that is shown, as a fragment.
    pub(super) job: Option<JobView>,
}

/// How a job stands.
#[derive(Template)]
#[template(path = "job.html")]
pub(super) struct JobView {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) over: bool,
    pub(super) well: bool,
    pub(super) text: String,
    /// At which step it failed.
    pub(super) at: String,
    pub(super) steps: Vec<StepView>,
    pub(super) now: String,
    pub(super) back: String,
}

/// A step of a job.
pub(super) struct StepView {
    pub(super) text: String,
    /// `done`, `now` or `failed`, and `within` for a step of a verification inside another operation.
    pub(super) class: String,
}

/// Before anybody is logged in.
#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct Login<'a> {
    pub(super) version: &'a str,
    pub(super) name: &'a str,
    pub(super) next: &'a str,
    pub(super) failed: Option<String>,
}

/// `2021-03-25T19:35:21.123Z` as lists show it: `25-MAR-2021 19:35:21` (Documented).
pub(super) fn time(written: &str) -> String {
    let read: Result<jiff::Timestamp, _> = written.parse();
    read.map_or_else(
        |_| written.to_owned(),
        |it| it.strftime("%d-%b-%Y %H:%M:%S").to_string().to_uppercase(),
    )
}
