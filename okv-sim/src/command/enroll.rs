//! What an endpoint's owner does: the token goes in, and a directory with certificate, key and address comes out.
//!
//! The directory is laid out as the database vendors that read it want it: `okvclient.ora`, and `ssl` with `CA.pem`,
//! `cert.pem` and `key.pem` (Documented for MySQL's `keyring_okv`). The real product gives a jar that unpacks itself.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use okv_sim::Secret;
use serde_json::Value;

use super::call::{Asked, Opening};

/// Where each part of the answer goes.
const FILES: [(&str, &str); 4] = [
    ("ca", "ssl/CA.pem"),
    ("certificate", "ssl/cert.pem"),
    ("key", "ssl/key.pem"),
    ("okvclient.ora", "okvclient.ora"),
];

pub(super) fn run(data: &Path, to: &Path, token: Secret, opening: &Opening) -> Result<Value> {
    // Whatever may fail shall fail before the token is used up.
    if let Some((_, file)) = FILES.iter().find(|(_, file)| to.join(file).exists()) {
        bail!("{} is there already; choose another directory", to.join(file).display());
    }
    let ssl = to.join("ssl");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&ssl);
    made.with_context(|| format!("{} cannot be made", ssl.display()))?;
    let files = FILES
        .iter()
        .map(|(_, file)| {
            let path = to.join(file);
            let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
            made.with_context(|| format!("{} cannot be made", path.display()))
        })
        .collect::<Result<Vec<_>>>()?;
    let asked = Asked::new(["admin", "endpoint", "enroll"], vec![("token", token)]);
    let answered = asked.answer(data, opening);
    let value = answered.as_ref().ok().and_then(|answer| answer.get("value").cloned());
    let Some(Value::Object(mut value)) = value else {
        for (_, file) in FILES {
            let _ = std::fs::remove_file(to.join(file));
        }
        return answered;
    };
    for ((part, name), mut file) in FILES.into_iter().zip(files) {
        let text = value.get(part).and_then(Value::as_str).unwrap_or_default();
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.with_context(|| {
            format!("{name} could not be written; have the endpoint re-enrolled for a new token")
        })?;
    }
    let text = format!(
        "Endpoint     {}\nServer       {}\nDirectory    {}",
        value.get("endpoint").and_then(Value::as_str).unwrap_or_default(),
        value.get("server").and_then(Value::as_str).unwrap_or_default(),
        to.display()
    );
    // The key has its place now, and need not stand on a screen.
    value.remove("key");
    Ok(serde_json::json!({ "result": "Success", "value": value, "text": text }))
}
