//! The integration guide's "Configure Luna Cloud HSM service", pages 7 to 9: each of its three ways from an empty
//! directory, in one shell, to a key vault whose root of trust is there. Directories are the test's own where the
//! guide has `/usr/safenet/lunaclient` and `/etc`.

use luna_tests::{Appliance, artefacts};

use crate::provider::{INITIALIZE, Provider, UNPACK, installed, shell, text};

const PROGRAMS: [&str; 3] = ["unzip", "tar", "pkcs11-tool"];

/// What follows in the guide, and what everybody does: a key, a signature, and the key vault (pages 10 to 12).
const USE: &str = "
pkcs11-tool --module $MODULE --token-label OKV --login --pin crypto-officer \
    --keypairgen --key-type EC:prime256v1 --label mine
echo data > data
pkcs11-tool --module $MODULE --token-label OKV --login --pin crypto-officer \
    --sign --mechanism ECDSA-SHA256 --label mine --input-file data --output-file signature
pkcs11-tool --module $MODULE --token-label OKV --login --pin crypto-officer \
    --verify --mechanism ECDSA-SHA256 --label mine --input-file data --signature-file signature
export PASSPHRASE=one-recovery-passphrase PIN=crypto-officer
$OKV --data vault install --release 21.3 --passphrase-iterations 1000 --passphrase-env PASSPHRASE
$OKV --data vault initialize --module $MODULE --token-label OKV --pin-env PIN --passphrase-env PASSPHRASE
echo 'a key of a customer' | $OKV --data vault store mine
$OKV --data vault restart
$OKV --data vault read mine
";

/// What `lunacm` says of a service (the guide's step 6 and 12).
#[track_caller]
fn is_listed(listing: &str, serial: &str) {
    for part in ["Cryptovisor7", serial] {
        assert!(listing.contains(part), "{part} in {listing}");
    }
}

#[test]
fn a_standalone_service_by_the_minimum_client() {
    if !installed(&PROGRAMS) {
        return;
    }
    let provider = Provider::new(&[]);
    let (bundle, serial) = provider.bundle("okv", &[]);
    // Steps 2 to 9.
    let script = format!(
        "mkdir -p lunaclient etc && cd lunaclient\n{UNPACK}\
         ./bin/64/lunacm -q slot list\n\
         ./bin/64/vtl verify\n\
         mkdir lib\n\
         ln -svf $PWD/libs/64/libCryptoki2.so lib/libCryptoki2_64.so\n\
         cp Chrystoki.conf ../etc\n\
         export ChrystokiConfigurationPath=$PWD/../etc MODULE=$PWD/lib/libCryptoki2_64.so\n\
         export LUNACM=$PWD/bin/64/lunacm SLOT=0\n{INITIALIZE}{USE}\
         $LUNACM -q -c 'slot set -slot 0' -c 'role login -n co -p crypto-officer' -c 'par con'\n"
    );
    let okv = artefacts::program("okv-sim");
    let home = provider.path("home");
    std::fs::create_dir(&home).unwrap();
    let said = shell(&home, &[("BUNDLE", text(&bundle)), ("OKV", text(&okv))], &script);
    is_listed(&said, &serial);
    assert!(said.contains("a key of a customer"), "{said}");
    assert!(said.contains("Signature is valid"), "{said}");
    assert!(said.contains("HSM Root Key"), "{said}");
    // FIPS mode is what a service has unless it was made without it.
    assert!(!shell(&home.join("lunaclient"), &[], MECHANISMS).contains("RC4"));
}

const MECHANISMS: &str = "source ./setenv && pkcs11-tool --module libs/64/libCryptoki2.so \
     --list-mechanisms";

#[test]
fn a_service_without_fips_restrictions() {
    if !installed(&PROGRAMS) {
        return;
    }
    let provider = Provider::new(&["--fips", "off"]);
    let client = provider.minimum_client("okv");
    assert!(shell(&client, &[], MECHANISMS).contains("RC4"));
}

/// Steps 1 to 12 of the full client, in a shell that is in the directory of `$BUNDLE`'s contents.
const FULL: &str = "
mkdir downloaded && cd downloaded
unzip -q $BUNDLE
tar -xf cvclient-min.tar
source ./setenv
cp server-certificate.pem partition-ca-certificate.pem partition-certificate.pem $CLIENT/cert/
awk '/^(XTC|REST) = {/ { inside = 1 } inside { print } /^}/ { inside = 0 }' Chrystoki.conf > sections
sed -i \"s|$PWD/\\(.*certificate.pem\\)|$CLIENT/cert/\\1|\" sections
cat sections >> $CLIENT/Chrystoki.conf
export ChrystokiConfigurationPath=$CLIENT
$CLIENT/bin/configurator setValue -s Misc -e PluginModuleDir -v $CLIENT/plugins/
cd .. && rm -r downloaded
export MODULE=$CLIENT/lib/libCryptoki2_64.so
export LUNACM=$CLIENT/bin/lunacm
$LUNACM -q slot list
";

#[test]
fn a_standalone_service_by_the_full_client() {
    if !installed(&PROGRAMS) {
        return;
    }
    let provider = Provider::new(&[]);
    let (bundle, serial) = provider.bundle("okv", &[]);
    let (emulator, okv) = (artefacts::program("luna-emulator"), artefacts::program("okv-sim"));
    let module = artefacts::module();
    let home = provider.path("home");
    std::fs::create_dir(&home).unwrap();
    let client = home.join("lunaclient");
    let variables = [
        ("BUNDLE", text(&bundle)),
        ("OKV", text(&okv)),
        ("EMULATOR", text(&emulator)),
        ("OUR_MODULE", text(&module)),
        ("CLIENT", text(&client)),
        ("SLOT", "0"),
    ];
    let script =
        format!("$EMULATOR up $CLIENT --client-only --module $OUR_MODULE\n{FULL}{INITIALIZE}{USE}");
    let said = shell(&home, &variables, &script);
    is_listed(&said, &serial);
    assert!(said.contains("a key of a customer"), "{said}");
}

#[test]
fn a_service_and_a_network_hsm_in_hybrid_mode() {
    if !installed(&PROGRAMS) {
        return;
    }
    let provider = Provider::new(&[]);
    let (bundle, serial) = provider.bundle("okv", &[]);
    // The firmware whose client logs in to groups of both (10.8 and later).
    let options = ["--profile", "luna-7.9.0", "--fips", "on"];
    let network = Appliance::serve(&provider.path("network"), &options);
    let partition = network.order(&["partition", "create"]).unwrap();
    let partition = partition["serial"].as_str().unwrap();
    let home = provider.path("home");
    std::fs::create_dir(&home).unwrap();
    let client = home.join("lunaclient");
    network.deploy(&client, &[]);
    let okv = artefacts::program("okv-sim");
    let variables = [("BUNDLE", text(&bundle)), ("OKV", text(&okv)), ("CLIENT", text(&client))];
    // Both in one list of slots, then in one group, which alone applications see.
    let script = format!(
        "{FULL}for SLOT in 0 1; do {INITIALIZE}done\n\
         $LUNACM -q <<END\n\
         hagroup creategroup -slot 0 -label OKV -password crypto-officer\n\
         hagroup addmember -slot 1 -group OKV -password crypto-officer\n\
         hagroup haonly -enable\n\
         hagroup listgroups\n\
         END\n{USE}"
    );
    let said = shell(&home, &variables, &script);
    is_listed(&said, &serial);
    assert!(said.contains(partition), "{said}");
    assert!(said.contains(&format!("Standby Members:  {serial}")), "it stands by: {said}");
    assert!(said.contains("a key of a customer"), "{said}");
}
