//! `clientconfig`: what this client is set up to reach.

use chrystoki_conf::{Conf, LunaServer};
use luna_ck::{CKR_ARGUMENTS_BAD, CKR_FUNCTION_NOT_SUPPORTED};

use super::slot;
use crate::console::Console;
use crate::failure::Failure;
use crate::present::Shown;
use crate::registry::Request;
use crate::shell::Shell;

type Outcome = Result<(), Failure>;

/// `clientconfig verify`: the partitions, without HA groups. The shape is that of the vendor's `vtl verify`
/// (Observed).
pub(crate) fn verify(shell: &mut Shell, _: &Request, console: &mut Console<'_>) -> Outcome {
    let mut partitions = Vec::new();
    for slot in shell.context.slots(true)? {
        let shown = Shown::of(&shell.context, slot)?;
        if !shown.is_ha_group() {
            partitions.push(shown);
        }
    }
    writeln!(console.out, "        The following Luna SA Slots/Partitions were found:\n")?;
    writeln!(console.out, "        Slot    Serial #            Label")?;
    writeln!(console.out, "        ====    ================    =====")?;
    for shown in partitions {
        let (slot, serial, label) = (shown.slot, &shown.token.serial_number, &shown.token.label);
        let line = format!("        {slot:>4}    {serial:<16}    {label}");
        writeln!(console.out, "{}", line.trim_end())?;
    }
    writeln!(console.out)?;
    Ok(())
}

/// `clientconfig listservers`. The shape is Assumed.
pub(crate) fn list_servers(shell: &mut Shell, _: &Request, console: &mut Console<'_>) -> Outcome {
    let servers = shell.conf()?.luna_servers();
    writeln!(console.out, "        Server ID   Server                 Channel   HTL Required")?;
    writeln!(console.out, "        ---------   --------------------   -------   ------------")?;
    for (number, LunaServer { name, host_trust_link, .. }) in servers.iter().enumerate() {
        let htl = if *host_trust_link { "yes" } else { "no" };
        writeln!(console.out, "        {number:<9}   {name:<20}   {:<7}   {htl}", "NTLS")?;
    }
    writeln!(console.out)?;
    Ok(())
}

/// The name of an appliance that the configuration has.
fn configured<'a>(conf: &'a Conf, wanted: &str) -> Result<LunaServer<'a>, Failure> {
    let servers = conf.luna_servers();
    let there: Vec<&str> = servers.iter().map(|server| server.name).collect();
    let list = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    servers.into_iter().find(|server| server.name.eq_ignore_ascii_case(wanted)).ok_or_else(|| {
        let text = format!("there is no appliance '{wanted}'; there are: {list}");
        Failure::refused(CKR_ARGUMENTS_BAD, text)
    })
}

/// `clientconfig deleteserver`: its keys, and its certificate among those trusted.
pub(crate) fn delete_server(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    let name = configured(shell.conf()?, request.needed("server")?)?.name.to_owned();
    if !request.has("force") {
        console.proceed(&format!("You are about to take {name} out of the configuration."))?;
    }
    shell.edit(|conf| Ok(conf.remove_luna_server(&name)?))?;
    writeln!(console.out, "        Server {name} was successfully removed from the client.\n")?;
    Ok(())
}

/// `clientconfig deploy`: needs the appliance's own administration, which no function of the library reaches.
pub(crate) fn deploy(_: &mut Shell, request: &Request, _: &mut Console<'_>) -> Outcome {
    let server = request.needed("server")?;
    let text = format!(
        "the administration of {server} cannot be reached from here; 'vtl createCert', 'vtl addServer' and the \
         registration on the appliance do the same in steps"
    );
    Err(Failure::refused(CKR_FUNCTION_NOT_SUPPORTED, text))
}

/// `clientconfig restart`.
pub(crate) fn restart(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    if !request.has("force") {
        console.proceed("You are about to restart LunaCM. Who is logged in is logged out.")?;
    }
    shell.restart()?;
    Ok(slot::overview(shell, console)?)
}
