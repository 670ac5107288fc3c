//! Sending by SCP: the old protocol itself, `scp -t` and `scp -f` at the other end, with `ls`, `mv` and `rm` for what
//! it has no words for. Paths have no spaces, quotes or other letters a shell would look at: see the destination.

use super::courier::{Call, Courier, CourierError, Progress, Result};
use super::ssh::{Connection, Pipe};

/// How much goes between two looks at the progress, bytes.
const PIECE: usize = 256 * 1024;

struct Scp(Connection);

pub(crate) fn connect(call: &Call<'_>) -> Result<Box<dyn Courier>> {
    Ok(Box::new(Scp(Connection::open(call)?)))
}

/// Waits for the other end's "go on".
async fn go_on(pipe: &mut Pipe) -> Result<()> {
    match pipe.byte().await? {
        0 => Ok(()),
        _ => Err(CourierError::Failed(pipe.line().await?)),
    }
}

impl Courier for Scp {
    fn host_key(&self) -> &str {
        self.0.host_key()
    }

    fn list(&mut self) -> Result<Vec<String>> {
        let command = format!("ls -1A -- '{}'", self.0.directory());
        let out = self.0.wait("list", self.0.run(&command))?;
        Ok(String::from_utf8_lossy(&out).lines().map(str::to_owned).collect())
    }

    fn put(&mut self, name: &str, bytes: &[u8], progress: &mut Progress<'_>) -> Result<()> {
        let command = format!("scp -t -- '{}'", self.0.path(name));
        let mut pipe = self.0.wait(name, async {
            let mut pipe = self.0.start(&command).await?;
            go_on(&mut pipe).await?;
            pipe.write(format!("C0600 {} {name}\n", bytes.len()).as_bytes()).await?;
            go_on(&mut pipe).await?;
            Ok(pipe)
        })?;
        let mut gone = 0;
        for piece in bytes.chunks(PIECE) {
            self.0.wait(name, pipe.write(piece))?;
            gone += piece.len();
            progress(gone).map_err(CourierError::Stopped)?;
        }
        self.0.wait(name, async {
            pipe.write(&[0]).await?;
            go_on(&mut pipe).await?;
            pipe.end().await;
            Ok(())
        })
    }

    fn get(&mut self, name: &str) -> Result<Vec<u8>> {
        let command = format!("scp -f -- '{}'", self.0.path(name));
        let (mut pipe, length) = self.0.wait(name, async {
            let mut pipe = self.0.start(&command).await?;
            pipe.write(&[0]).await?;
            match pipe.byte().await? {
                b'C' => {}
                _ => return Err(CourierError::Failed(pipe.line().await?)),
            }
            let line = pipe.line().await?;
            let length = line.split(' ').nth(1).and_then(|length| length.parse().ok());
            let length: usize = length.ok_or_else(|| CourierError::new(name, line))?;
            pipe.write(&[0]).await?;
            Ok((pipe, length))
        })?;
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let piece = PIECE.min(length - bytes.len());
            bytes.extend_from_slice(&self.0.wait(name, pipe.take(piece))?);
        }
        self.0.wait(name, async {
            go_on(&mut pipe).await?;
            pipe.end().await;
            Ok(bytes)
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        let command = format!("mv -f -- '{}' '{}'", self.0.path(from), self.0.path(to));
        self.0.wait(to, self.0.run(&command)).map(drop)
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        let command = format!("rm -f -- '{}'", self.0.path(name));
        self.0.wait(name, self.0.run(&command)).map(drop)
    }
}
