//! Luna Cloud HSM services, as a client reaches them.
//!
//! The vendor's client speaks HTTPS to the provider (REST), with tokens that it is given for its
//! credentials, and inside of that its own channel to the partition (XTC) (Documented). What both
//! say is not published: here it is the appliances' protocol in TLS, the credentials in the first
//! message, and the partition's certificate in the answer, which has to be the one that the client
//! was given and signed by the authority that it was given (Assumed).
//!
//! What a client sees when something is wrong is section 6 of cloud.md (Assumed there): credentials
//! that are refused, or a server that cannot be reached, leave a slot without a token; the wrong
//! certificate lets no session be opened.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};

use crate::ck::SessionHandle;
use crate::env::Clock;
use crate::error::{Cause, Error};
use crate::luna::config::{ClientConfig, CloudEntry, ServiceEntry};
use crate::network::dial::{Failure, Number};
use crate::network::protocol::{Credential, Welcome};
use crate::network::remote::{Connected, Manner, Remote};
use crate::network::tls;
use crate::wire::{ApplicationId, Fault, Link, Presence, Reply, Request, Seat};

/// The plugin by which the client reaches the cloud (Documented: `libs/64/plugins` of the bundle).
pub const PLUGIN: &str = "libdpod.plugin";

/// Calls the services that the configuration has credentials for, one after the other, since they
/// are at one server.
///
/// # Errors
/// When the crypto library has no random bytes.
pub fn connect(
    config: &ClientConfig,
    application: ApplicationId,
    clock: &Arc<dyn Clock>,
) -> crate::error::Result<Connected> {
    let mut connected = Connected { links: Vec::new(), profile: None, complaints: Vec::new() };
    let Some(cloud) = &config.cloud else { return Ok(connected) };
    if !has_plugin(cloud) {
        // Without its plugin the client knows no cloud (Assumed).
        connected.complaints.push(format!(
            "Luna Cloud HSM: no {PLUGIN} in the directory that Misc/PluginModuleDir names: {}",
            cloud.plugins.as_deref().unwrap_or(Path::new("none")).display()
        ));
        return Ok(connected);
    }
    let tls = match tls::client_without_certificate(&cloud.server_certificates, cloud.validate_host)
    {
        Ok(tls) => tls,
        Err(why) => {
            connected.complaints.push(format!("Luna Cloud HSM: {why}"));
            connected.links.extend(cloud.services.iter().map(|_| barred(why.clone())));
            return Ok(connected);
        }
    };
    for service in &cloud.services {
        let remote = Remote::new(
            number(cloud, &tls),
            Manner {
                credential: Some(Credential {
                    id: service.client_id.clone(),
                    secret: service.client_secret.clone(),
                }),
                most: cloud.pool_size,
                at_once: cloud.recover_at_once,
            },
            application,
            clock,
        )?;
        match remote.call() {
            Ok((welcome, links)) => {
                connected.profile.get_or_insert_with(|| welcome.profile.clone());
                join(&mut connected, cloud, service, &welcome, links, &**clock);
            }
            Err(Failure::Away(why) | Failure::Busy(why)) => {
                let why = format!("Luna Cloud HSM, client {}: {why}", service.client_id);
                connected.complaints.push(why.clone());
                connected.links.push(barred(why));
            }
        }
    }
    Ok(connected)
}

fn has_plugin(cloud: &CloudEntry) -> bool {
    cloud.plugins.as_ref().is_some_and(|directory| directory.join(PLUGIN).is_file())
}

fn number(cloud: &CloudEntry, tls: &Arc<rustls::ClientConfig>) -> Number {
    Number {
        host: cloud.server.host.clone(),
        port: cloud.server.port,
        tls: Arc::clone(tls),
        keep_alive: true,
        patience: cloud.timeout,
    }
}

/// Links to the partitions of a service, each behind a door when its certificate is wrong.
fn join(
    connected: &mut Connected,
    cloud: &CloudEntry,
    service: &ServiceEntry,
    welcome: &Welcome,
    links: Vec<Arc<dyn Link>>,
    clock: &dyn Clock,
) {
    let now = clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(now);
    for (place, link) in links.into_iter().enumerate() {
        let shown = welcome.certificates.get(place).map_or(&[][..], Vec::as_slice);
        let link = match verify(cloud, service, shown, now) {
            Ok(()) => link,
            Err(why) => {
                let why = format!("Luna Cloud HSM, partition {}: {why}", link.serial());
                connected.complaints.push(why.clone());
                Arc::new(Mistrusted { link, why })
            }
        };
        connected.links.push(link);
    }
}

/// Whether a partition's certificate is the one that the client was given.
fn verify(
    cloud: &CloudEntry,
    service: &ServiceEntry,
    shown: &[u8],
    now: UnixTime,
) -> Result<(), String> {
    let expected = tls::certificates(&service.partition_certificate)?;
    let authority = tls::certificates(&cloud.partition_authority)?;
    let shown = CertificateDer::from(shown);
    if !expected.contains(&shown) {
        let path = service.partition_certificate.display();
        return Err(format!("its certificate is not that of {path} (XTC)"));
    }
    tls::is_signed_by(&shown, &authority, now).map_err(|error| {
        let path = cloud.partition_authority.display();
        format!("its certificate is not signed by {path}, or not valid now: {error}")
    })
}

/// A service whose token is not there: its slot is listed all the same.
struct Barred(String);

fn barred(why: String) -> Arc<dyn Link> {
    Arc::new(Barred(why))
}

impl Link for Barred {
    fn serial(&self) -> &str {
        ""
    }

    fn keeps_its_slot(&self) -> bool {
        true
    }

    fn call(&self, _request: &Request<'_>) -> Result<Reply, Fault> {
        let error = Error::new(Cause::TokenNotPresent, self.0.clone());
        Err(Fault::Refused(error))
    }

    fn presence(&self) -> Presence {
        Presence { reachable: false, epoch: 0 }
    }
}

/// A partition that shows another certificate than the one that is known: no session is opened.
struct Mistrusted {
    link: Arc<dyn Link>,
    why: String,
}

impl Link for Mistrusted {
    fn serial(&self) -> &str {
        self.link.serial()
    }

    fn tells_at_once(&self) -> bool {
        self.link.tells_at_once()
    }

    fn is_there(&self) -> bool {
        self.link.is_there()
    }

    fn call(&self, request: &Request<'_>) -> Result<Reply, Fault> {
        match request {
            Request::Describe => self.link.call(request),
            _ => Err(Fault::Refused(Error::new(Cause::DeviceError, self.why.clone()))),
        }
    }

    fn seat(&self, _session: SessionHandle) -> Option<Arc<dyn Seat>> {
        None
    }

    fn presence(&self) -> Presence {
        self.link.presence()
    }
}
