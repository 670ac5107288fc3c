//! Sending by SFTP.

use russh_sftp::client::SftpSession;
use russh_sftp::protocol::{FileAttributes, OpenFlags};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::courier::{Call, Courier, CourierError, Progress, Result};
use super::ssh::Connection;

/// How much goes between two looks at the progress, bytes.
const PIECE: usize = 256 * 1024;

struct Sftp {
    // Dropped before the connection that carries it.
    session: SftpSession,
    connection: Connection,
}

pub(crate) fn connect(call: &Call<'_>) -> Result<Box<dyn Courier>> {
    let connection = Connection::open(call)?;
    let session = connection.wait("sftp", async {
        let channel = connection.channel().await?;
        let failed = |error| CourierError::new("the host has no SFTP", error);
        channel.request_subsystem(true, "sftp").await.map_err(failed)?;
        let session = SftpSession::new(channel.into_stream()).await;
        session.map_err(|error| CourierError::new("the host has no SFTP", error))
    })?;
    Ok(Box::new(Sftp { session, connection }))
}

impl Courier for Sftp {
    fn host_key(&self) -> &str {
        self.connection.host_key()
    }

    fn list(&mut self) -> Result<Vec<String>> {
        let directory = self.connection.directory();
        self.connection.wait("list", async {
            let entries = self.session.read_dir(directory).await;
            let entries = entries.map_err(|error| CourierError::new(directory, error))?;
            Ok(entries.map(|entry| entry.file_name()).collect())
        })
    }

    fn put(&mut self, name: &str, bytes: &[u8], progress: &mut Progress<'_>) -> Result<()> {
        let path = self.connection.path(name);
        let mut file = self.connection.wait(name, async {
            let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE | OpenFlags::WRITE;
            let private = FileAttributes { permissions: Some(0o600), ..FileAttributes::empty() };
            let file =
                self.session.open_with_flags_and_attributes(path.as_str(), flags, private).await;
            file.map_err(|error| CourierError::new(&path, error))
        })?;
        let mut gone = 0;
        for piece in bytes.chunks(PIECE) {
            self.connection.wait(name, async {
                file.write_all(piece).await.map_err(|error| CourierError::new(&path, error))?;
                file.flush().await.map_err(|error| CourierError::new(&path, error))
            })?;
            gone += piece.len();
            progress(gone).map_err(CourierError::Stopped)?;
        }
        self.connection.wait(name, async {
            // Not every server can; closing tells of what else went wrong.
            let _ = file.sync_all().await;
            file.shutdown().await.map_err(|error| CourierError::new(&path, error))
        })
    }

    fn get(&mut self, name: &str) -> Result<Vec<u8>> {
        let path = self.connection.path(name);
        let mut file = self.connection.wait(name, async {
            let file = self.session.open(path.as_str()).await;
            file.map_err(|error| CourierError::new(&path, error))
        })?;
        let mut bytes = Vec::new();
        let mut piece = vec![0; PIECE];
        loop {
            let read = self.connection.wait(name, async {
                file.read(&mut piece).await.map_err(|error| CourierError::new(&path, error))
            })?;
            match piece.get(..read) {
                Some(read) if !read.is_empty() => bytes.extend_from_slice(read),
                _ => return Ok(bytes),
            }
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (self.connection.path(from), self.connection.path(to));
        self.connection.wait("rename", async {
            if self.session.rename(from.as_str(), to.as_str()).await.is_ok() {
                return Ok(());
            }
            // Version 3 of the protocol renames onto nothing that is there.
            let _ = self.session.remove_file(to.as_str()).await;
            let renamed = self.session.rename(from.as_str(), to.as_str()).await;
            renamed.map_err(|error| CourierError::new(&to, error))
        })
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        let path = self.connection.path(name);
        self.connection.wait(name, async {
            let removed = self.session.remove_file(path.as_str()).await;
            removed.map_err(|error| CourierError::new(&path, error))
        })
    }
}
