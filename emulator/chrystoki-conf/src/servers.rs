//! The appliances of the file: `ServerNameNN`, `ServerPortNN`, `ServerHtlNN` of the section `LunaSA Client`.
//!
//! Source: configuration files that others' tools write (Observed: `cloudfoundry/java-buildpack`); the port where
//! none is given is Observed too.

use crate::{Conf, Error, same};

const CLIENT: &str = "LunaSA Client";
const KEYS: [&str; 3] = ["ServerName", "ServerPort", "ServerHtl"];

/// Appliance numbers have two digits.
const MOST: usize = 100;

/// The port of NTLS.
pub const NTLS_PORT: u16 = 1792;

/// An appliance as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LunaServer<'a> {
    /// Its name or address.
    pub name: &'a str,
    /// Where it listens.
    pub port: u16,
    /// It is reached with a host trust link.
    pub host_trust_link: bool,
}

impl Conf {
    /// The appliances in the order of their numbers, which is that of their slots; a number that is not used is
    /// passed over, and so is a value that makes no sense.
    pub fn luna_servers(&self) -> Vec<LunaServer<'_>> {
        let at = |number| {
            let name = self.value(CLIENT, &format!("ServerName{number:02}"))?;
            let port = self.value(CLIENT, &format!("ServerPort{number:02}"));
            Some(LunaServer {
                name,
                port: port.and_then(|port| port.parse().ok()).unwrap_or(NTLS_PORT),
                host_trust_link: self.value(CLIENT, &format!("ServerHtl{number:02}")) == Some("1"),
            })
        };
        (0..MOST).filter_map(at).filter(|server| !server.name.is_empty()).collect()
    }

    /// Adds an appliance with the first number that is free. `false` when one of that name is there already.
    ///
    /// # Errors
    ///
    /// A name that cannot stand in the file; a hundred appliances are there already.
    pub fn add_luna_server(&mut self, name: &str, port: u16) -> Result<bool, Error> {
        if self.luna_servers().iter().any(|server| same(server.name, name)) {
            return Ok(false);
        }
        let is_free = |number: &usize| {
            self.value(CLIENT, &format!("ServerName{number:02}")).is_none_or(str::is_empty)
        };
        let last = format!("ServerName{:02}", MOST - 1);
        let full = || self.wrong(CLIENT, &last, "is taken", "fewer appliances");
        let number = (0..MOST).find(is_free).ok_or_else(full)?;
        self.set(CLIENT, &format!("ServerName{number:02}"), name)?;
        self.set(CLIENT, &format!("ServerPort{number:02}"), &port.to_string())?;
        self.set(CLIENT, &format!("ServerHtl{number:02}"), "0")?;
        Ok(true)
    }

    /// Takes an appliance out; those behind it move up. `false` when none is of that name.
    ///
    /// # Errors
    ///
    /// A value behind it that cannot be written again.
    pub fn remove_luna_server(&mut self, name: &str) -> Result<bool, Error> {
        let named = |number: &usize| {
            let value = self.value(CLIENT, &format!("ServerName{number:02}"));
            value.is_some_and(|value| same(value, name))
        };
        let Some(number) = (0..MOST).find(named) else { return Ok(false) };
        let is_used =
            |other: &usize| self.value(CLIENT, &format!("ServerName{other:02}")).is_some();
        let later: Vec<usize> = (number + 1..MOST).filter(is_used).collect();
        let keys = KEYS.map(|what| move |number: usize| format!("{what}{number:02}"));
        let keys: Vec<&dyn Fn(usize) -> String> = keys.iter().map(|key| key as _).collect();
        self.close_gap(CLIENT, number, &later, &keys)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appliances_come_and_go_and_keep_their_order() {
        let mut conf = Conf::parse("LunaSA Client = {\n   NetClient = 1;\n}\n", "C").unwrap();
        for name in ["one", "two", "three"] {
            assert!(conf.add_luna_server(name, NTLS_PORT).unwrap());
        }
        assert!(!conf.add_luna_server("TWO", 1).unwrap());
        assert!(conf.remove_luna_server("one").unwrap());
        assert!(!conf.remove_luna_server("one").unwrap());
        let names: Vec<&str> = conf.luna_servers().iter().map(|server| server.name).collect();
        assert_eq!(names, ["two", "three"]);
        assert_eq!(
            conf.to_text(),
            "LunaSA Client = {\n   NetClient = 1;\n   ServerName00 = two;\n   ServerPort00 = 1792;\n   \
             ServerHtl00 = 0;\n   ServerName01 = three;\n   ServerPort01 = 1792;\n   ServerHtl01 = 0;\n}\n"
        );
    }
}
